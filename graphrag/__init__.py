"""Knowledge-graph RAG: documents to a graph, communities and reports; questions to cited answers.

from graphrag import GraphRAG

with GraphRAG.open("kb") as rag:
    rag.index(["docs/"])
    print(rag.query("What changed in 2024?").answer)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from graphrag.core.answers import Answer, AnswerContext, Citation, Passage, Usage
    from graphrag.core.concurrency import Progress
    from graphrag.core.errors import GraphRAGError
    from graphrag.core.settings import Settings
    from graphrag.engine.sync import AsyncGraphRAG, GraphRAG
    from graphrag.indexing.documents.files import Document
    from graphrag.indexing.run import IndexResult
    from graphrag.models.models import ChatModel, Completion, Embedder
    from graphrag.prompts import Message

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "AnswerContext",
    "AsyncGraphRAG",
    "ChatModel",
    "Citation",
    "Completion",
    "Document",
    "Embedder",
    "GraphRAG",
    "GraphRAGError",
    "IndexResult",
    "Message",
    "Passage",
    "Progress",
    "Settings",
    "Usage",
    "__version__",
]

# Where each public name lives. They are loaded when first used, so that importing the package
# costs nothing and `graphrag --help` starts at once.
_HOMES = {
    "Answer": "core.answers",
    "AnswerContext": "core.answers",
    "AsyncGraphRAG": "engine.sync",
    "ChatModel": "models.models",
    "Citation": "core.answers",
    "Completion": "models.models",
    "Document": "indexing.documents.files",
    "Embedder": "models.models",
    "GraphRAG": "engine.sync",
    "GraphRAGError": "core.errors",
    "IndexResult": "indexing.run",
    "Message": "prompts",
    "Passage": "core.answers",
    "Progress": "core.concurrency",
    "Settings": "core.settings",
    "Usage": "core.answers",
}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(f"graphrag.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'graphrag' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
