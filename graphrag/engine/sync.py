"""The engine as applications embed it: open a root, index, query, retrieve, delete, status.

`AsyncGraphRAG` does the work. `GraphRAG` is the same behind one portal thread with a loop of
its own, so that it also works where a loop is already running (notebooks, web handlers).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self, Unpack

from graphrag.core.answers import Answer, Passage
from graphrag.core.concurrency import Progress
from graphrag.core.portal import Portal
from graphrag.core.settings import Settings
from graphrag.engine.asynchronous import UNSET, AsyncGraphRAG, IndexOptions, QueryOptions, Unset

if TYPE_CHECKING:
    from graphrag.indexing.documents.files import Document
    from graphrag.indexing.resolution.explain import Duplicates
    from graphrag.indexing.run import IndexResult, Plan
    from graphrag.indexing.status import Overview
    from graphrag.models.models import ChatModel, Embedder
    from graphrag.query.router import Retrieved
    from graphrag.stores.exchange.export import Format
    from graphrag.tuning.run import Tuned, TuneOptions

__all__ = ["AsyncGraphRAG", "GraphRAG", "IndexOptions", "QueryOptions"]


class GraphRAG:
    """`AsyncGraphRAG` for code without `await`: in scripts, notebooks and web handlers.

    Calls from several threads are safe. Use it as a context manager, or call `close`.
    """

    def __init__(self, engine: AsyncGraphRAG) -> None:
        self._engine = engine
        self._portal = Portal()

    @classmethod
    def open(
        cls,
        root: str | Path = ".",
        *,
        store: str | None = None,
        namespace: str | None = None,
        chat: ChatModel | Literal[Unset.token] | None = UNSET,
        embed: Embedder | Literal[Unset.token] | None = UNSET,
        options: dict[str, object] | None = None,
    ) -> Self:
        """As `AsyncGraphRAG.open`."""
        return cls(
            AsyncGraphRAG.open(
                root, store=store, namespace=namespace, chat=chat, embed=embed, options=options
            )
        )

    @property
    def root(self) -> Path:
        return self._engine.root

    @property
    def settings(self) -> Settings:
        return self._engine.settings

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the engine and end its thread. Closing twice does no harm."""
        self._portal.close(self._engine.close)

    def index(
        self,
        paths: Sequence[str | Path] = (),
        *,
        progress: Progress | None = None,
        **options: Unpack[IndexOptions],
    ) -> IndexResult:
        """As `AsyncGraphRAG.index`."""
        return self._portal.call(self._engine.index(paths, progress=progress, **options))

    def plan(
        self,
        paths: Sequence[str | Path] = (),
        **options: Unpack[IndexOptions],
    ) -> Plan:
        """As `AsyncGraphRAG.plan`."""
        return self._portal.call(self._engine.plan(paths, **options))

    def delete(self, sources: Sequence[str], *, progress: Progress | None = None) -> IndexResult:
        """As `AsyncGraphRAG.delete`."""
        return self._portal.call(self._engine.delete(sources, progress=progress))

    def tune(
        self,
        paths: Sequence[str | Path] = (),
        *,
        documents: Sequence[Document] = (),
        progress: Progress | None = None,
        **options: Unpack[TuneOptions],
    ) -> Tuned:
        """As `AsyncGraphRAG.tune`."""
        return self._portal.call(
            self._engine.tune(paths, documents=documents, progress=progress, **options)
        )

    def import_folder(self, folder: str | Path, *, progress: Progress | None = None) -> IndexResult:
        """As `AsyncGraphRAG.import_folder`."""
        return self._portal.call(self._engine.import_folder(folder, progress=progress))

    def query(
        self,
        question: str,
        *,
        on_text: Callable[[str], None] | None = None,
        **options: Unpack[QueryOptions],
    ) -> Answer:
        """As `AsyncGraphRAG.query`."""
        return self._portal.call(self._engine.query(question, on_text=on_text, **options))

    def read(self, question: str, **options: Unpack[QueryOptions]) -> Retrieved:
        """As `AsyncGraphRAG.read`."""
        return self._portal.call(self._engine.read(question, **options))

    def retrieve(
        self,
        question: str,
        **options: Unpack[QueryOptions],
    ) -> list[Passage]:
        """As `AsyncGraphRAG.retrieve`."""
        return self._portal.call(self._engine.retrieve(question, **options))

    def stream(
        self,
        question: str,
        **options: Unpack[QueryOptions],
    ) -> Iterator[str]:
        """As `AsyncGraphRAG.stream`."""
        return self._portal.iterate(self._engine.stream(question, **options))

    def suggest(self, answer: Answer) -> tuple[str, ...]:
        """As `AsyncGraphRAG.suggest`."""
        return self._portal.call(self._engine.suggest(answer))

    def status(self) -> Overview:
        """As `AsyncGraphRAG.status`."""
        return self._portal.call(self._engine.status())

    def duplicates(self) -> Duplicates:
        """As `AsyncGraphRAG.duplicates`."""
        return self._portal.call(self._engine.duplicates())

    def export(self, folder: str | Path, *, format: Format = "parquet") -> list[Path]:
        """As `AsyncGraphRAG.export`."""
        return self._portal.call(self._engine.export(folder, format=format))

    def copy_to(self, url: str, *, replace: bool = False) -> dict[str, int]:
        """As `AsyncGraphRAG.copy_to`."""
        return self._portal.call(self._engine.copy_to(url, replace=replace))
