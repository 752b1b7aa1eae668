"""Name the choices of a call: how a question is asked, what is indexed and how."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, TypedDict

from graphrag.core.errors import UsageError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from graphrag.core.schema import Schema
    from graphrag.indexing.documents.files import Document

Turn: TypeAlias = tuple[str, str]  # question, answer
IndexMethod: TypeAlias = Literal["auto", "standard", "fast"]
QueryMethod: TypeAlias = Literal[
    "auto", "basic", "local", "global", "drift", "path", "lazy", "hybrid", "table"
]


@dataclass(frozen=True, slots=True)
class QueryOptions:
    """How a question is asked; what is left out comes from the settings."""

    method: QueryMethod | None = None
    """auto picks one of the others, and the answer says why."""
    level: int | None = None
    """Of the community hierarchy, for global and drift; 0 is the coarsest."""
    k: int | None = None
    """Text units to read."""
    filters: Sequence[str] = ()
    """key=value, key!=value, key>=value, key<=value or key=v1,v2 on documents' metadata, or on
    source, title and language; all must hold."""
    history: Sequence[Turn] = ()
    """The conversation so far, oldest turn first: questions with their answers."""


class QueryArguments(TypedDict, total=False):
    """The fields of QueryOptions, as keyword arguments."""

    method: QueryMethod | None
    level: int | None
    k: int | None
    filters: Sequence[str]
    history: Sequence[Turn]


@dataclass(frozen=True, slots=True)
class IndexOptions:
    """What to index beside paths, and how."""

    documents: Iterable[Document] = ()
    """Texts that the application holds itself."""
    method: IndexMethod | None = None
    """standard asks the chat model, fast uses NLP rules, auto is standard where there is a chat
    model; None leaves it to the settings."""
    prune: bool = False
    """Remove what was indexed from the paths and is gone."""
    retry_failed: bool = False
    """Try permanent failures again; transient ones always are."""
    engine: Literal["local", "ray"] = "local"
    """Where the row-wise steps run: in this process, or shared out over a Ray cluster."""
    address: str | None = None
    """Of the Ray cluster; None starts one on this machine."""
    batch: bool = False
    """Call the models by the Batch API: half the price, within a day."""


class IndexArguments(TypedDict, total=False):
    """The fields of IndexOptions, as keyword arguments."""

    documents: Iterable[Document]
    method: IndexMethod | None
    prune: bool
    retry_failed: bool
    engine: Literal["local", "ray"]
    address: str | None
    batch: bool


def given_schema(given: Schema | str | Path | Sequence[type[BaseModel]]) -> Schema:
    """The schema that a caller gave as a value, a file or classes, checked.

    Raises SettingsError, and UsageError on what is none of these.
    """
    from graphrag.core.schema import Schema, check, load_schema
    from graphrag.core.schema.classes import schema_of

    match given:
        case str() | Path():
            return load_schema(Path(given))
        case Schema():
            check(given, "given")
            return given
        case [*models] if models and all(hasattr(one, "model_fields") for one in models):
            schema = schema_of(models)
            check(schema, "of classes")
            return schema
        case _:
            raise UsageError(
                f"schema={given!r} is no schema",
                hint="Give a file, a graphrag.core.schema.Schema, or a list of pydantic classes.",
            )
