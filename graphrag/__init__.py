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
    from graphrag.core.answers import (
        Answer,
        AnswerContext,
        Citation,
        EntityHit,
        Passage,
        RelationshipHit,
        ReportHit,
        Usage,
    )
    from graphrag.core.concurrency import Progress
    from graphrag.core.errors import (
        BadReplyError,
        ContextTooLongError,
        CostLimitError,
        GraphRAGError,
        IncompatibleIndexError,
        InputError,
        LockedError,
        ModelAuthError,
        ModelError,
        ModelUnreachableError,
        NoIndexError,
        RefusedError,
        SettingsError,
        StoreError,
        UsageError,
    )
    from graphrag.core.schema import Attribute, EntityType, Schema, Triple
    from graphrag.core.settings import Settings
    from graphrag.engine.contents import Edge, Graph, Node
    from graphrag.engine.entities import ListedEntity
    from graphrag.engine.options import IndexMethod, IndexOptions, QueryMethod, QueryOptions
    from graphrag.engine.sync import AsyncGraphRAG, GraphRAG
    from graphrag.indexing.documents.files import Document
    from graphrag.indexing.run import IndexResult, Plan
    from graphrag.models.protocol import ChatModel, Embedder
    from graphrag.models.replies.completion import Completion
    from graphrag.prompts import Message
    from graphrag.query.router import Retrieved

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "AnswerContext",
    "AsyncGraphRAG",
    "Attribute",
    "BadReplyError",
    "ChatModel",
    "Citation",
    "Completion",
    "ContextTooLongError",
    "CostLimitError",
    "Document",
    "Edge",
    "Embedder",
    "EntityHit",
    "EntityType",
    "Graph",
    "GraphRAG",
    "GraphRAGError",
    "IncompatibleIndexError",
    "IndexMethod",
    "IndexOptions",
    "IndexResult",
    "InputError",
    "ListedEntity",
    "LockedError",
    "Message",
    "ModelAuthError",
    "ModelError",
    "ModelUnreachableError",
    "NoIndexError",
    "Node",
    "Passage",
    "Plan",
    "Progress",
    "QueryMethod",
    "QueryOptions",
    "RefusedError",
    "RelationshipHit",
    "ReportHit",
    "Retrieved",
    "Schema",
    "Settings",
    "SettingsError",
    "StoreError",
    "Triple",
    "Usage",
    "UsageError",
    "__version__",
]

# Where the public names live. They are loaded when first used, so that importing the package
# costs nothing and `graphrag --help` starts at once.
_NAMES = {
    "core.answers": (
        "Answer AnswerContext Citation EntityHit Passage RelationshipHit ReportHit Usage"
    ),
    "core.concurrency": "Progress",
    "core.errors": (
        "BadReplyError ContextTooLongError CostLimitError GraphRAGError "
        "IncompatibleIndexError InputError LockedError ModelAuthError ModelError "
        "ModelUnreachableError NoIndexError RefusedError SettingsError StoreError "
        "UsageError"
    ),
    "core.schema": "Attribute EntityType Schema Triple",
    "core.settings": "Settings",
    "engine.contents": "Edge Graph Node",
    "engine.entities": "ListedEntity",
    "engine.options": "IndexMethod IndexOptions QueryMethod QueryOptions",
    "engine.sync": "AsyncGraphRAG GraphRAG",
    "indexing.documents.files": "Document",
    "indexing.run": "IndexResult Plan",
    "models.protocol": "ChatModel Embedder",
    "models.replies.completion": "Completion",
    "prompts": "Message",
    "query.router": "Retrieved",
}
_HOMES = {name: home for home, names in _NAMES.items() for name in names.split()}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(f"graphrag.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'graphrag' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
