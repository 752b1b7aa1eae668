"""The engine for code with `await`: open a root, index, query, retrieve, delete, status."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from enum import Enum
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Literal, Self, TypedDict, Unpack

from graphrag.core import tracing
from graphrag.core.answers import Answer, Passage
from graphrag.core.concurrency import Progress
from graphrag.core.errors import NoIndexError, UsageError
from graphrag.core.settings import Settings
from graphrag.core.settings_file import load_settings

if TYPE_CHECKING:
    from graphrag.engine.run_modes import Means, Mode
    from graphrag.indexing.corpus.changes import Input, Parse
    from graphrag.indexing.documents.files import Document
    from graphrag.indexing.pipeline import Method
    from graphrag.indexing.resolution.explain import Duplicates
    from graphrag.indexing.run import IndexResult, Plan
    from graphrag.indexing.status import Overview
    from graphrag.models.models import ChatModel, Embedder, Models
    from graphrag.query.router import Question, Resources, Retrieved
    from graphrag.stores import GraphStore
    from graphrag.stores.exchange.export import Format
    from graphrag.tuning.run import Tuned, TuneOptions

Turn = tuple[str, str]  # question, answer


class Unset(Enum):
    token = 0


UNSET: Final = Unset.token


class QueryOptions(TypedDict, total=False):
    """How a question is asked; what is left out comes from the settings."""

    method: str | None
    level: int | None  # of the community hierarchy, for `global`; 0 is the coarsest
    k: int | None  # text units to read
    filters: Sequence[str]  # "key=value" and the like, on documents' metadata; all must hold
    history: Sequence[Turn]  # the conversation so far, oldest turn first


class IndexOptions(TypedDict, total=False):
    """What to index beside paths, and how."""

    documents: Iterable[Document]
    method: Method | None  # auto, standard (asks the model) or fast (NLP rules)
    prune: bool  # remove what was indexed from the paths and is gone
    retry_failed: bool  # try permanent failures again, too
    engine: Literal["local", "ray"]  # where the row-wise steps run
    address: str | None  # ray: of the cluster; None starts one on this machine
    batch: bool  # by the Batch API: half the price, within a day


class AsyncGraphRAG:
    """One index: a root folder, its settings and its store. Nothing is opened until needed."""

    def __init__(
        self,
        root: Path,
        settings: Settings,
        *,
        chat: ChatModel | None = None,
        embed: Embedder | None = None,
    ) -> None:
        self.root = root
        self.settings = settings
        self._chat = chat
        self._embed = embed
        self._models: Models | None = None
        self._store: GraphStore | None = None
        self._opening: asyncio.Lock | None = None
        self._closed = False

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
        """The index under `root`.

        `chat` and `embed`: left out, the settings name the model; None uses no model; or an
        object with the ChatModel or Embedder protocol. `options` are settings by dotted name.
        Raises SettingsError.
        """
        for name, model, call in (("chat", chat, "complete"), ("embed", embed, "embed")):
            if model is not None and model is not UNSET and not hasattr(model, call):
                raise UsageError(
                    f"{name}={model!r} has no method {call!r}",
                    hint="Models that are named go into the settings, such as chat.model.",
                )
        folder = Path(root)
        given = {"store": store, "namespace": namespace, **(options or {})}
        settings = load_settings(folder, options=given)
        if chat is None:
            off = settings.chat.model_copy(update={"model": None})
            settings = settings.model_copy(update={"chat": off})
        if embed is None:
            off = settings.embedding.model_copy(update={"model": None})
            settings = settings.model_copy(update={"embedding": off})
        return cls(
            folder,
            settings,
            chat=None if chat is UNSET else chat,
            embed=None if embed is UNSET else embed,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the store and the connections to the models. Closing twice does no harm."""
        self._closed = True
        store, self._store = self._store, None
        models, self._models = self._models, None
        async with AsyncExitStack() as stack:
            if models is not None:
                stack.push_async_callback(models.close)
            if store is not None:
                stack.push_async_callback(store.close)

    async def index(
        self,
        paths: Sequence[str | Path] = (),
        *,
        progress: Progress | None = None,
        **options: Unpack[IndexOptions],
    ) -> IndexResult:
        """Add and update the documents at `paths` and in `documents`; see IndexResult.

        Without either, goes on with what earlier runs left undone. Raises UsageError on a path
        that is not there, ModelError when no model call came through, LockedError when another
        process writes. A document or unit that fails is listed in the result.
        """
        from graphrag.engine import run_modes
        from graphrag.indexing import pipeline
        from graphrag.indexing.corpus.changes import parse_elsewhere
        from graphrag.indexing.runners import Tools

        with tracing.run("index", progress) as steps:
            async with run_modes.prepared(
                self._mode(**options),
                self._means(),
                models=self._open_models,
                store=partial(self._open_store, create=True),
                progress=steps,
            ) as (models, settings, runner):
                parse = None
                if runner.is_remote:
                    store = await self._open_store(create=True)
                    tools = Tools(models, store, settings, steps)
                    parse = partial(parse_elsewhere, runner=runner, tools=tools)
                with tracing.step("read"):
                    given, how = await self._indexing(paths, parse=parse, **options)
                result = await pipeline.index(
                    given,
                    **how,
                    store=await self._open_store(create=True),
                    models=models,
                    settings=settings,
                    root=self.root,
                    progress=steps,
                    runner=runner,
                )
            steps.results = result.numbers
        return result

    async def plan(
        self,
        paths: Sequence[str | Path] = (),
        **options: Unpack[IndexOptions],
    ) -> Plan:
        """What `index` would do and cost. Calls no model and writes nothing."""
        from graphrag.engine import run_modes
        from graphrag.indexing import pipeline
        from graphrag.stores import open_store

        batch = self._mode(**options).batch
        given, how = await self._indexing(paths, **options)
        async with AsyncExitStack() as stack:
            try:
                store = await self._open_store(create=False)
            except NoIndexError:
                folder = stack.enter_context(tempfile.TemporaryDirectory())
                store = await open_store(None, root=Path(folder), namespace="plan")
                stack.push_async_callback(store.close)
            return await pipeline.plan(
                given,
                **how,
                store=store,
                models=run_modes.planned(self._means()) if batch else self._open_models(),
                settings=self.settings,
                root=self.root,
            )

    async def delete(
        self, sources: Sequence[str], *, progress: Progress | None = None
    ) -> IndexResult:
        """Remove documents by source or path, with everything that only they support.

        Raises UsageError when a source is not in the index.
        """
        from graphrag.indexing import pipeline
        from graphrag.indexing.corpus.changes import Input
        from graphrag.indexing.documents.files import source_of
        from graphrag.text import storable

        meant = [
            (storable(source), storable(source_of(Path(source), root=self.root)))
            for source in sources
        ]
        with tracing.run("delete", progress) as steps:
            result = await pipeline.index(
                Input(delete=tuple(meant)),
                method=None,
                retry_failed=False,
                store=await self._open_store(create=False),
                models=self._open_models().with_fresh_usage(),
                settings=self.settings,
                root=self.root,
                progress=steps,
            )
            steps.results = result.numbers
        return result

    async def tune(
        self,
        paths: Sequence[str | Path] = (),
        *,
        documents: Sequence[Document] = (),
        progress: Progress | None = None,
        **options: Unpack[TuneOptions],
    ) -> Tuned:
        """Prompts for the domain of these documents, or of those indexed; see `Tuned`.

        Raises UsageError and SettingsError before anything is spent, ModelError.
        """
        from graphrag.tuning import run, sampling

        with tracing.run("tune", progress) as steps:
            with tracing.step("read"):
                given, _ = await self._indexing(paths, documents=documents)
            corpus = await sampling.read(
                None if given.is_empty else given.loaded,
                chunks=self.settings.chunks,
                open_index=lambda: self._open_store(create=False),
            )
            return await run.tune(
                corpus,
                run.Request(**options),
                models=self._open_models().with_fresh_usage(),
                settings=self.settings,
                root=self.root,
                progress=steps,
            )

    async def import_folder(
        self, folder: str | Path, *, progress: Progress | None = None
    ) -> IndexResult:
        """Add the output folder of Microsoft's graphrag, with its communities and reports.

        Raises UsageError when the folder does not hold one.
        """
        from graphrag.indexing import pipeline

        with tracing.run("import", progress) as steps:
            result = await pipeline.import_folder(
                Path(folder),
                store=await self._open_store(create=True),
                models=self._open_models().with_fresh_usage(),
                settings=self.settings,
                root=self.root,
                progress=steps,
            )
            steps.results = result.numbers
        return result

    async def query(
        self,
        question: str,
        *,
        on_text: Callable[[str], None] | None = None,
        **options: Unpack[QueryOptions],
    ) -> Answer:
        """The answer to `question`; `on_text` gets its pieces as they are written.

        Raises UsageError on an empty question, unknown method, level or filter, NoIndexError
        before anything was indexed, ModelError when the model fails.
        """
        from graphrag.query import router

        with tracing.run("query") as steps:
            asked, resources = await self._prepare(question, **options)
            answer = await router.answer(asked, resources, on_text=on_text)
            found = {"answered": int(answer.answered), "citations": len(answer.citations)}
            steps.results = {**found, **answer.usage.numbers}
        return answer

    async def read(self, question: str, **options: Unpack[QueryOptions]) -> Retrieved:
        """What would be read to answer `question`, before any answer is written."""
        from graphrag.query import router

        with tracing.run("retrieve"):
            asked, resources = await self._prepare(question, **options)
            return await router.retrieve(asked, resources)

    async def retrieve(
        self,
        question: str,
        **options: Unpack[QueryOptions],
    ) -> list[Passage]:
        """The passages for `question`, best first, at most `k`."""
        found = await self.read(question, **options)
        return list(found.context.text_units)

    async def stream(
        self,
        question: str,
        **options: Unpack[QueryOptions],
    ) -> AsyncGenerator[str, None]:
        """The answer's text in pieces, as the model writes them."""
        pieces: asyncio.Queue[str | None] = asyncio.Queue()
        answering = asyncio.create_task(self.query(question, on_text=pieces.put_nowait, **options))
        answering.add_done_callback(lambda _: pieces.put_nowait(None))
        try:
            while (piece := await pieces.get()) is not None:
                yield piece
            await answering
        finally:
            answering.cancel()

    async def suggest(self, answer: Answer) -> tuple[str, ...]:
        """Three to five questions to ask after `answer`."""
        from graphrag.query.answering.suggest import suggest
        from graphrag.query.context import Resources

        store = await self._open_store(create=False)
        models = self._open_models().with_fresh_usage()
        return await suggest(answer, Resources(store, models, self.settings, self.root))

    async def status(self) -> Overview:
        """Counts, what is pending, failed or stale, models, store. Raises NoIndexError."""
        from graphrag.indexing import status as overview

        store = await self._open_store(create=False)
        return await overview.describe(store, root=self.root, settings=self.settings.input)

    async def duplicates(self) -> Duplicates:
        """Why names are one entity, and near misses. Raises NoIndexError, SettingsError."""
        from graphrag.indexing.resolution import explain as duplicates

        store = await self._open_store(create=False)
        return await duplicates.explain(store, settings=self.settings, root=self.root)

    async def export(self, folder: str | Path, *, format: Format = "parquet") -> list[Path]:
        """Write the tables to `folder`; returns the files. Raises UsageError, NoIndexError."""
        from graphrag.stores.exchange import export as exchange

        store = await self._open_store(create=False)
        return await exchange.export(store, Path(folder), format=format)

    def _mode(self, **options: Unpack[IndexOptions]) -> Mode:
        from graphrag.engine.run_modes import Mode

        unknown = sorted(options.keys() - IndexOptions.__annotations__.keys())
        if unknown:
            raise TypeError(f"index got an unexpected keyword argument {unknown[0]!r}")
        engine, address = options.get("engine", "local"), options.get("address")
        return Mode(engine, address, batch=options.get("batch", False))

    def _means(self) -> Means:
        from graphrag.engine.run_modes import Means

        return Means(self.settings, self.root, self._chat, self._embed)

    async def _indexing(
        self,
        paths: Sequence[str | Path],
        *,
        documents: Iterable[Document] = (),
        method: Method | None = None,
        prune: bool = False,
        retry_failed: bool = False,
        parse: Parse | None = None,
        **_: object,
    ) -> tuple[Input, _How]:
        from graphrag.indexing.corpus.changes import read_input

        given = await read_input(
            [Path(path) for path in paths],
            documents,
            prune=prune,
            root=self.root,
            settings=self.settings.input,
            parse=parse,
        )
        return given, _How(method=method, retry_failed=retry_failed)

    async def copy_to(self, url: str, *, replace: bool = False) -> dict[str, int]:
        """Copy this index into the store at `url`, exactly; returns its rows by table.

        Raises NoIndexError, StoreError, UsageError when `url` is this store or, without
        `replace`, holds another index in this namespace.
        """
        from graphrag.stores import open_store
        from graphrag.stores.exchange.transfer import copy

        source = await self._open_store(create=False)
        target = await open_store(
            url,
            root=self.root,
            namespace=self.settings.namespace,
            neo4j=self.settings.neo4j,
        )
        try:
            return await copy(source, target, replace=replace)
        finally:
            await target.close()

    async def _prepare(
        self,
        question: str,
        *,
        method: str | None = None,
        level: int | None = None,
        k: int | None = None,
        filters: Sequence[str] = (),
        history: Sequence[Turn] = (),
    ) -> tuple[Question, Resources]:
        from graphrag.query.router import Question, Resources
        from graphrag.stores import parse_filter
        from graphrag.text import storable

        store = await self._open_store(create=False)
        asked = Question(
            text=storable(question),
            method=method or self.settings.query.method,
            level=level,
            k=k,
            filters=tuple(parse_filter(storable(item)) for item in filters),
            history=tuple((storable(asked), storable(told)) for asked, told in history),
        )
        models = self._open_models().with_fresh_usage()
        return asked, Resources(store, models, self.settings, self.root)

    def _check_open(self) -> None:
        if self._closed:
            raise UsageError("this GraphRAG is closed", hint="Open another one.")

    async def _open_store(self, *, create: bool) -> GraphStore:
        from graphrag.stores import open_store

        self._check_open()
        if self._opening is None:
            self._opening = asyncio.Lock()
        async with self._opening:
            if self._store is None:
                self._store = await open_store(
                    self.settings.store,
                    root=self.root,
                    namespace=self.settings.namespace,
                    create=create,
                    neo4j=self.settings.neo4j,
                )
            return self._store

    def _open_models(self) -> Models:
        from graphrag.models.models import open_models

        self._check_open()
        if self._models is None:
            self._models = open_models(
                self.settings, root=self.root, chat=self._chat, embedder=self._embed
            )
        return self._models


class _How(TypedDict):
    method: Method | None
    retry_failed: bool
