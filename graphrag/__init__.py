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
    from graphrag.answers import Answer, AnswerContext, Citation, Passage, Usage
    from graphrag.concurrency import Progress
    from graphrag.engine import AsyncGraphRAG, GraphRAG
    from graphrag.errors import GraphRAGError
    from graphrag.indexing.documents import Document
    from graphrag.indexing.run import IndexResult
    from graphrag.llm import ChatModel, Completion, Embedder
    from graphrag.prompts import Message
    from graphrag.settings import Settings

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
    "Answer": "answers",
    "AnswerContext": "answers",
    "AsyncGraphRAG": "engine",
    "ChatModel": "llm",
    "Citation": "answers",
    "Completion": "llm",
    "Document": "indexing.documents",
    "Embedder": "llm",
    "GraphRAG": "engine",
    "GraphRAGError": "errors",
    "IndexResult": "indexing.run",
    "Message": "prompts",
    "Passage": "answers",
    "Progress": "concurrency",
    "Settings": "settings",
    "Usage": "answers",
}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(f"graphrag.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'graphrag' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
