"""Index, query and look after one root, for code with `await`."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from enum import Enum
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Literal, Self, Unpack

from graphrag.core import tracing
from graphrag.core.answers import Answer, Passage
from graphrag.core.concurrency import Progress, Silent
from graphrag.core.errors import NoIndexError, SettingsError, UsageError
from graphrag.core.settings import Settings
from graphrag.core.settings_file import load_settings
from graphrag.engine.options import (
    IndexArguments,
    IndexOptions,
    QueryArguments,
    QueryOptions,
    given_schema,
)

if TYPE_CHECKING:
    from pydantic import BaseModel

    from graphrag.core.schema import Schema
    from graphrag.engine.contents import Graph, Passages
    from graphrag.engine.entities import ListedEntity
    from graphrag.engine.run_modes import EngineParts
    from graphrag.indexing.corpus.changes import Input, Parse
    from graphrag.indexing.corpus.manifest import Manifest
    from graphrag.indexing.documents.files import Document
    from graphrag.indexing.resolution.corrections import CorrectionNote
    from graphrag.indexing.resolution.explain import Duplicates
    from graphrag.indexing.run import IndexResult, Plan
    from graphrag.indexing.schema import Proposal, SchemaCheck, SchemaDiff
    from graphrag.indexing.status import Overview
    from graphrag.models.models import Models
    from graphrag.models.protocol import ChatModel, Embedder
    from graphrag.query.router import Question, Resources, Retrieved
    from graphrag.stores import GraphStore
    from graphrag.stores.exchange.export import Format
    from graphrag.tuning.run import Tuned, TuneOptions


class Unset(Enum):
    token = 0


UNSET: Final = Unset.token


class AsyncGraphRAG:
    """One index: a root folder, its settings and its store. Nothing is opened until needed."""

    def __init__(
        self,
        root: Path,
        settings: Settings,
        *,
        chat: ChatModel | None = None,
        embed: Embedder | None = None,
        schema: Schema | None = None,
    ) -> None:
        self.root = root
        self.settings = settings
        self._chat = chat
        self._embed = embed
        self._schema = schema
        self._models: Models | None = None
        self._store: GraphStore | None = None
        self._opening = asyncio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None  # that of the first call
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
        schema: Schema | str | Path | Sequence[type[BaseModel]] | None = None,
    ) -> Self:
        """Open the index under the folder `root`; nothing is read or made but its settings.

        `store`: a SQLite path or URL, "neo4j://…", "bolt://…", or "local" for the Neo4j started
        under
        `root`; None leaves it to the settings.
        `namespace`: name of the index within its store.
        `chat`, `embed`: left out, the settings name the model; None uses no model; or an object
        with the `ChatModel` or `Embedder` protocol.
        `options`: settings by dotted name, such as {"query.basic.k": 5}; None as a value changes
        nothing.
        `schema`: a file, a `Schema`, or pydantic classes, one for each type of a strict schema;
        None leaves it to the settings and to `schema.yaml` under `root`.

        Raises SettingsError, and UsageError on a model without its method.
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
            schema=None if schema is None else given_schema(schema),
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
        """Close the store and the connections to the models; calls that still run are cancelled.

        Closing twice does no harm. Raises UsageError from inside one of its own calls, or in
        another event loop than that of its calls.
        """
        if self._loop is not None and not self._closed:
            self._check_usable()  # what another loop opened cannot be closed here
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
        **options: Unpack[IndexArguments],
    ) -> IndexResult:
        """Add the documents at `paths` (files and folders) and in `documents`; update what changed.

        Without either, goes on with what earlier runs left undone. What is done is never repeated.

        `documents`: `Document` objects, beside the files at `paths`.
        `method`: "standard" asks the chat model, "fast" uses NLP rules, "auto" is standard where
        there is a chat model; None leaves it to the settings.
        `prune`: remove what was indexed from `paths` and is gone.
        `retry_failed`: try permanent failures again; transient ones always are.
        `engine`, `address`: "ray" shares the row-wise steps out over the cluster at `address`, or
        over one on this machine.
        `batch`: call the models by the Batch API, at half the price and within a day.
        `progress`: is told of the steps.

        Returns the totals of the index and what failed: a document, a text unit or a step is listed
        there and ends nothing. Raises UsageError on a path that is not there, SettingsError on
        settings that contradict the index, ModelError when no call came through or the cost limit
        was reached, LockedError when another process writes, StoreError.
        """
        from graphrag.engine import run_modes
        from graphrag.indexing import pipeline
        from graphrag.indexing.corpus.changes import parse_elsewhere
        from graphrag.indexing.run import Run

        chosen = IndexOptions(**options)
        # What nothing is put into is not made.
        open_store = partial(self._open_store, create=bool(paths or chosen.documents))
        declared = await self.schema()
        with tracing.run("index", progress) as steps:
            async with run_modes.prepared(
                run_modes.Mode(chosen.engine, chosen.address, batch=chosen.batch),
                self._parts(),
                models=self._open_models,
                store=open_store,
                progress=steps,
            ) as (models, settings, runner):

                async def open_run() -> Run:
                    store = await open_store()
                    return Run(models, store, settings, steps, self.root, runner, declared=declared)

                parse = None
                if runner.is_remote:
                    parse = partial(parse_elsewhere, run=await open_run())
                with tracing.step("read"):
                    given = await self._read(
                        paths,
                        chosen,
                        progress=steps,
                        parse=parse,
                        open_store=open_store,
                    )
                result = await pipeline.index(
                    await open_run(),
                    given,
                    method=chosen.method,
                    retry_failed=chosen.retry_failed,
                )
            steps.results = result.numbers
        return result

    async def plan(
        self, paths: Sequence[str | Path] = (), **options: Unpack[IndexArguments]
    ) -> Plan:
        """Tell what `index` would do with the same arguments, and what it would cost.

        No model is called and nothing is written.

        `documents`: `Document` objects, beside the files at `paths`.
        `method`: "standard" asks the chat model, "fast" uses NLP rules, "auto" is standard where
        there is a chat model; None leaves it to the settings.
        `prune`: remove what was indexed from `paths` and is gone.
        `retry_failed`: try permanent failures again; transient ones always are.
        `engine`, `address`: "ray" shares the row-wise steps out over the cluster at `address`, or
        over one on this machine.
        `batch`: call the models by the Batch API, at half the price and within a day.

        Returns documents, text units, calls, tokens and `cost_usd`, None where a price is unknown.
        Raises UsageError, SettingsError, StoreError.
        """
        from graphrag.engine import run_modes
        from graphrag.indexing import pipeline
        from graphrag.indexing.run import Run
        from graphrag.stores import open_store

        chosen = IndexOptions(**options)
        async with AsyncExitStack() as stack:
            try:
                store = await self._open_store(create=False)
            except NoIndexError:
                folder = stack.enter_context(tempfile.TemporaryDirectory())
                store = await open_store(None, root=Path(folder), namespace="plan")
                stack.push_async_callback(store.close)

            async def the_store() -> GraphStore:
                return store

            given = await self._read(paths, chosen, open_store=the_store)
            models = run_modes.planned(self._parts()) if chosen.batch else self._open_models()
            declared = await self.schema()
            run = Run(models, store, self.settings, Silent(), self.root, declared=declared)
            return await pipeline.plan(
                run, given, method=chosen.method, retry_failed=chosen.retry_failed
            )

    async def delete(
        self, sources: Sequence[str], *, progress: Progress | None = None
    ) -> IndexResult:
        """Remove documents by `sources`, with everything that only they support.

        `sources`: as `status` and citations name them, or paths; a file of rows stands for all of
        them.
        `progress`: is told of the steps.

        Returns the totals of the index. Raises UsageError when a source is not in the index,
        NoIndexError, ModelError, LockedError.
        """
        from graphrag.indexing import pipeline
        from graphrag.indexing.corpus.changes import Input
        from graphrag.indexing.corpus.manifest import open_manifest
        from graphrag.indexing.documents.files import source_of
        from graphrag.indexing.run import Run
        from graphrag.text import storable

        meant = [
            (storable(source), storable(source_of(Path(source), root=self.root)))
            for source in sources
        ]
        with tracing.run("delete", progress) as steps:
            store = await self._open_store(create=False)
            models = self._open_models().with_fresh_usage()
            declared = await self.schema()
            run = Run(models, store, self.settings, steps, self.root, declared=declared)
            manifest = await open_manifest(store, root=self.root, settings=self.settings)
            deleted = Input(delete=tuple(meant), manifest=manifest)
            result = await pipeline.index(run, deleted, method=None, retry_failed=False)
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
        """Make prompts for the domain of these documents, or of those indexed, and prove them.

        They are installed under `<root>/prompts` unless they do worse than the packaged ones.

        `paths`, `documents`: what to learn from; without either, what is indexed.
        `progress`: is told of the steps.
        `sample`: text units to learn from. `select`: "diverse", "random" or "all". None: the
        settings.
        `entity_types`: the types to use, in place of those that are discovered.
        `force`: replace a set that is there, install one that lost.
        `dry_run`: only tell calls, tokens and cost.

        Returns what became of it, in `state`, and its record. Raises UsageError and SettingsError
        before anything is spent, ModelError.
        """
        from graphrag.tuning import run, sampling

        with tracing.run("tune", progress) as steps:
            with tracing.step("read"):
                given = await self._read(paths, IndexOptions(documents), progress=steps)
            corpus = await sampling.read(
                None if given.is_empty else given.loaded,
                chunks=self.settings.chunks,
                open_index=lambda: self._open_store(create=False),
            )
            return await run.tune(
                corpus,
                run.TuneRequest(**options),
                models=self._open_models().with_fresh_usage(),
                settings=self.settings,
                root=self.root,
                progress=steps,
            )

    async def import_folder(
        self, folder: str | Path, *, progress: Progress | None = None
    ) -> IndexResult:
        """Add the output `folder` of Microsoft's graphrag, with its communities and reports.

        Nothing is asked of a model again. `progress`: is told of the steps.

        Returns the totals of the index. Raises UsageError when the folder does not hold one,
        LockedError, StoreError.
        """
        from graphrag.indexing import pipeline
        from graphrag.indexing.run import Run

        with tracing.run("import", progress) as steps:
            store = await self._open_store(create=True)
            models = self._open_models().with_fresh_usage()
            declared = await self.schema()
            run = Run(models, store, self.settings, steps, self.root, declared=declared)
            result = await pipeline.import_folder(run, Path(folder))
            steps.results = result.numbers
        return result

    async def query(
        self,
        question: str,
        *,
        on_text: Callable[[str], None] | None = None,
        **options: Unpack[QueryArguments],
    ) -> Answer:
        """Answer `question` from the index, with citations that were checked.

        `on_text`: gets the pieces of the answer's text as they are written.
        `method`: "basic", "local", "global", "drift", "path", "lazy", "hybrid", "table", or
        "auto", which picks one of them.
        `level`: of the community hierarchy, for global and drift; 0 is the coarsest.
        `k`: text units to read.
        `filters`: "key=value", "!=", ">=", "<=" or "key=v1,v2" on documents' metadata; all must
        hold.
        `history`: the conversation so far, as (question, answer), oldest first.

        Returns the answer with citations, what was read, usage and warnings; `answered` is False
        where the documents do not say. Raises UsageError on an empty question, an unknown method,
        level or filter, NoIndexError before anything was indexed, ModelError when a model fails.
        """
        from graphrag.query import router

        with tracing.run("query") as steps:
            asked, resources = await self._prepare(question, QueryOptions(**options))
            answer = await router.answer(asked, resources, on_text=on_text)
            found = {"answered": int(answer.answered), "citations": len(answer.citations)}
            steps.results = {**found, **answer.usage.numbers}
        return answer

    async def context(self, question: str, **options: Unpack[QueryArguments]) -> Retrieved:
        """Tell what would be read to answer `question`, and stop before an answer is written.

        `method`: "basic", "local", "global", "drift", "path", "lazy", "hybrid", "table", or
        "auto", which picks one of them.
        `level`: of the community hierarchy, for global and drift; 0 is the coarsest.
        `k`: text units to read.
        `filters`: "key=value", "!=", ">=", "<=" or "key=v1,v2" on documents' metadata; all must
        hold.
        `history`: the conversation so far, as (question, answer), oldest first.

        Returns the method with the reason for it, and text units, entities, relationships and
        reports.
        Raises UsageError on an empty question, an unknown method, level or filter, NoIndexError
        before anything was indexed, ModelError when a model fails.
        """
        from graphrag.query import router

        with tracing.run("retrieve"):
            asked, resources = await self._prepare(question, QueryOptions(**options))
            return await router.retrieve(asked, resources)

    async def retrieve(self, question: str, **options: Unpack[QueryArguments]) -> list[Passage]:
        """Find the passages for `question`, best first.

        `method`: "basic", "local", "global", "drift", "path", "lazy", "hybrid", "table", or
        "auto", which picks one of them.
        `level`: of the community hierarchy, for global and drift; 0 is the coarsest.
        `k`: text units to read.
        `filters`: "key=value", "!=", ">=", "<=" or "key=v1,v2" on documents' metadata; all must
        hold.
        `history`: the conversation so far, as (question, answer), oldest first.

        Returns at most `k` text units; their scores compare within one result only.
        Raises UsageError on an empty question, an unknown method, level or filter, NoIndexError
        before anything was indexed, ModelError when a model fails.
        """
        found = await self.context(question, **options)
        return list(found.context.text_units)

    async def passages(
        self, question: str, *, quotes: bool = False, **options: Unpack[QueryArguments]
    ) -> Passages:
        """Find the passages for `question` with page and metadata of their documents, best first.

        `quotes`: answer the question, too, and give with each passage what was cited of it.
        `method`: "basic", "local", "global", "drift", "path", "lazy", "hybrid", "table", or
        "auto", which picks one of them.
        `level`: of the community hierarchy, for global and drift; 0 is the coarsest.
        `k`: text units to read.
        `filters`: "key=value", "!=", ">=", "<=" or "key=v1,v2" on documents' metadata; all must
        hold.
        `history`: the conversation so far, as (question, answer), oldest first.

        Returns the passages and the method with the reason for it; scores compare within one
        result only.
        Raises UsageError on an empty question, an unknown method, level or filter, NoIndexError
        before anything was indexed, ModelError when a model fails.
        """
        from graphrag.engine.contents import Contents, Passages

        contents = Contents(await self._open_store(create=False))
        if quotes:
            answer = await self.query(question, **options)
            units = await contents.found(answer.context.text_units, answer.citations)
            return Passages(question, answer.method, answer.reason, units, answer.warnings)
        found = await self.context(question, **options)
        units = await contents.found(found.context.text_units)
        return Passages(question, found.method, found.reason, units, found.warnings)

    async def stream(
        self, question: str, **options: Unpack[QueryArguments]
    ) -> AsyncGenerator[str, None]:
        """Answer `question` in pieces of text, as the model writes them.

        `method`: "basic", "local", "global", "drift", "path", "lazy", "hybrid", "table", or
        "auto", which picks one of them.
        `level`: of the community hierarchy, for global and drift; 0 is the coarsest.
        `k`: text units to read.
        `filters`: "key=value", "!=", ">=", "<=" or "key=v1,v2" on documents' metadata; all must
        hold.
        `history`: the conversation so far, as (question, answer), oldest first.

        Yields the answer's text, never its list of citations: `query` gives both.
        Raises UsageError on an empty question, an unknown method, level or filter, NoIndexError
        before anything was indexed, ModelError when a model fails.
        """
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
        """Propose three to five questions to ask after `answer`.

        By the chat model, or made of what was read where there is none. Raises ModelError,
        NoIndexError.
        """
        from graphrag.query.answering.suggest import suggest
        from graphrag.query.context import Resources

        store = await self._open_store(create=False)
        models = self._open_models().with_fresh_usage()
        return await suggest(answer, Resources(store, models, self.settings, self.root))

    async def status(self) -> Overview:
        """Tell what the index holds, what failed, is left to do or is stale, and its models.

        Returns the dictionary of `graphrag status --json`. Raises NoIndexError, StoreError.
        """
        from graphrag.indexing import status as overview

        store = await self._open_store(create=False)
        return await overview.describe(store, root=self.root, settings=self.settings.input)

    async def entities(
        self, *, type: str | None = None, search: str | None = None, limit: int | None = None
    ) -> list[ListedEntity]:
        """List the entities of the graph, most mentioned first, then by name.

        `type`: of this type alone, in any case.
        `search`: with this text in the name or another spelling, in any case.
        `limit`: at most so many; None: all.

        Returns each with its name, type, mentions and degree. Raises NoIndexError, StoreError, and
        UsageError on a `limit` below 1.
        """
        from graphrag.engine.entities import list_entities

        store = await self._open_store(create=False)
        return await list_entities(store, type=type, search=search, limit=limit)

    async def correct(
        self,
        *,
        merge: Sequence[str] = (),
        split: str | None = None,
        rename: str | None = None,
        retype: str | None = None,
        hide: str | None = None,
        to: str | None = None,
        documents: Sequence[str] = (),
        context: Sequence[str] = (),
    ) -> str:
        """Write one correction of the graph to `corrections.yaml` under the root.

        `merge`: names that are one entity, the first is its name. `split` with `to`: the name means
        something else in `documents` (sources), or where the text has a phrase of `context`.
        `rename` or `retype` with `to`. `hide`: a name that is no entity. Exactly one of the five.

        The next `index()` applies it, before settings, a model's verdicts and rules; removing its
        line undoes it. Returns the line; one that stands there already is not written again.
        Raises UsageError on a correction that is none, SettingsError where it contradicts another
        one or the file cannot be read or written, and then writes nothing.
        """
        from graphrag.indexing.resolution.corrections import add_correction

        given = {
            "merge": _texts(merge),
            "split": split,
            "rename": rename,
            "retype": retype,
            "hide": hide,
            "to": to,
            "documents": _texts(documents),
            "context": _texts(context),
        }
        row = {name: value for name, value in given.items() if value}
        return await asyncio.to_thread(add_correction, self.root, row)

    async def corrections(self) -> list[dict[str, object]]:
        """Read `corrections.yaml`: its items in order, each as `correct` takes it.

        Raises SettingsError where the file cannot be read or two items contradict each other.
        """
        from graphrag.indexing.resolution.corrections import plain, read_corrections

        return plain(await asyncio.to_thread(read_corrections, self.root))

    async def check_corrections(self) -> list[CorrectionNote]:
        """Tell what items of `corrections.yaml` do not find in the index, and which names are new.

        No model is called. Returns a note for each, with the item's number, in their order.
        Raises NoIndexError, SettingsError.
        """
        from graphrag.indexing.resolution.explain import check_corrections

        store = await self._open_store(create=False)
        return await check_corrections(store, root=self.root)

    async def remove_correction(self, number: int) -> None:
        """Take item `number`, from 1, out of `corrections.yaml`; the next `index()` undoes it.

        Raises NotFoundError, a UsageError, where there is no such item, SettingsError where the
        file has not one item a line.
        """
        from graphrag.indexing.resolution.corrections import remove_correction

        await asyncio.to_thread(remove_correction, self.root, number)

    async def graph(
        self,
        *,
        around: str | None = None,
        to: str | None = None,
        community: str | None = None,
        depth: int = 1,
        limit: int = 100,
    ) -> Graph:
        """Read a part of the graph; a notebook shows it as a picture.

        `around`: an entity by id, exact name or alias. `to`: another one; the shortest way
        between the two. `community`: a community by id, with its members. `depth`: steps from
        `around`, 1 to 3. `limit`: entities, at most.

        Raises NoIndexError, and UsageError where nothing is named or what is named is not there.
        """
        from graphrag.engine.contents import Contents

        contents = Contents(await self._open_store(create=False))
        return await contents.graph(
            around=around, to=to, community=community, depth=depth, limit=limit
        )

    async def entity_joins(self) -> Duplicates:
        """Tell which names became one entity and why, and which pairs came near to it.

        No model is called: joins follow from the evidence and the verdicts that the store keeps.

        Returns the dictionary of `graphrag entities --duplicates --json`. Raises NoIndexError,
        SettingsError on contradictory settings.
        """
        from graphrag.indexing.resolution.explain import explain

        store = await self._open_store(create=False)
        return await explain(store, settings=self.settings, root=self.root)

    async def export(self, folder: str | Path, *, format: Format = "parquet") -> list[Path]:
        """Write the tables of the index to `folder`.

        `format`: "parquet", "csv", "microsoft" (Parquet with Microsoft's tables and columns),
        "graphml".

        Returns the files that were written. Raises UsageError, NoIndexError, StoreError.
        """
        from graphrag.stores.exchange import export as exchange

        store = await self._open_store(create=False)
        return await exchange.export(store, Path(folder), format=format)

    async def copy_to(self, url: str, *, replace: bool = False) -> dict[str, int]:
        """Copy this index into the store at `url`, exactly.

        `replace`: overwrite another index that the store holds in this namespace.

        Returns its rows by table. Raises NoIndexError, StoreError, UsageError when `url` is this
        store or, without `replace`, holds another index in this namespace.
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

    async def schema(self) -> Schema | None:
        """Read the schema: that which was given, else the file that the settings name.

        Returns None where there is none. Raises SettingsError, naming the file and the place.
        """
        from graphrag.core.schema import find_schema

        if self._schema is not None:
            return self._schema
        return await asyncio.to_thread(find_schema, self.root, self.settings.schema_)

    async def schema_check(self) -> SchemaCheck:
        """Check the schema, and count what of the graph at hand fits it, if there is an index.

        Returns the dictionary of `graphrag schema check --json`. Raises SettingsError, naming the
        file and the place, or where there is no schema.
        """
        from graphrag.indexing.schema import check

        declared = await self._declared()
        try:
            store = await self._open_store(create=False)
        except NoIndexError:
            store = None
        return await check(store, declared)

    async def schema_diff(
        self, against: Schema | str | Path | Sequence[type[BaseModel]] | None = None
    ) -> SchemaDiff:
        """Tell what a schema would add to the graph, drop, and leave to extract, and its cost.

        `against`: the schema to compare, a file, a `Schema` or pydantic classes; None takes the one
        of this index. No model is called and nothing is written.

        Returns the dictionary of `graphrag schema diff --json`. Raises NoIndexError, SettingsError.
        """
        from graphrag.indexing.run import Run
        from graphrag.indexing.schema import diff

        declared = await self._declared() if against is None else given_schema(against)
        store = await self._open_store(create=False)
        models = self._open_models()
        return await diff(Run(models, store, self.settings, Silent(), self.root, declared=declared))

    async def schema_discover(self) -> Proposal:
        """Propose a schema of the types, attributes and triples that the graph holds.

        Returns the dictionary of `graphrag schema discover --json`; `yaml` is the file.
        Raises NoIndexError.
        """
        from graphrag.indexing.schema import discover

        return await discover(await self._open_store(create=False))

    async def _declared(self) -> Schema:
        declared = await self.schema()
        if declared is None:
            raise SettingsError(
                f"there is no schema: {self.root / 'schema.yaml'} is not there, and the setting "
                "schema names no file",
                hint="`graphrag schema discover` proposes one; docs/schema.md shows what it holds.",
            )
        return declared

    def _parts(self) -> EngineParts:
        from graphrag.engine.run_modes import EngineParts

        return EngineParts(self.settings, self.root, self._chat, self._embed)

    async def _read(
        self,
        paths: Sequence[str | Path],
        options: IndexOptions,
        *,
        progress: Progress | None = None,
        parse: Parse | None = None,
        open_store: Callable[[], Awaitable[GraphStore]] | None = None,
    ) -> Input:
        """What was given; files that the index in the store has as they are, are not read."""
        from graphrag.indexing.corpus.changes import read_input
        from graphrag.indexing.corpus.manifest import open_manifest

        async def manifest() -> Manifest | None:
            if open_store is None:
                return None
            return await open_manifest(
                await open_store(),
                root=self.root,
                settings=self.settings,
                retry_failed=options.retry_failed,
            )

        return await read_input(
            [Path(path) for path in paths],
            options.documents,
            prune=options.prune,
            root=self.root,
            settings=self.settings.input,
            progress=progress or Silent(),
            parse=parse,
            open_manifest=manifest,
        )

    async def _prepare(self, question: str, options: QueryOptions) -> tuple[Question, Resources]:
        from graphrag.query.router import Question, Resources
        from graphrag.stores import parse_filter
        from graphrag.text import storable

        store = await self._open_store(create=False)
        asked = Question(
            text=storable(question),
            method=options.method or self.settings.query.method,
            level=options.level,
            k=options.k,
            filters=tuple(parse_filter(storable(item)) for item in options.filters),
            history=tuple((storable(asked), storable(told)) for asked, told in options.history),
        )
        models = self._open_models().with_fresh_usage()
        return asked, Resources(store, models, self.settings, self.root)

    def _check_usable(self) -> None:
        if self._closed:
            raise UsageError("this GraphRAG is closed", hint="Open another one.")
        loop = asyncio.get_running_loop()
        self._loop = self._loop or loop
        if self._loop is not loop:
            raise UsageError(
                "this AsyncGraphRAG is used in a second event loop",
                hint="Keep one event loop per AsyncGraphRAG, or use GraphRAG, which has its own.",
            )

    async def _open_store(self, *, create: bool) -> GraphStore:
        from graphrag.stores import open_store

        self._check_usable()
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
        from graphrag.models.servers import open_models

        self._check_usable()
        if self._models is None:
            self._models = open_models(
                self.settings, root=self.root, chat=self._chat, embedder=self._embed
            )
        return self._models


def _texts(given: Sequence[str]) -> list[str]:
    """A text alone is one of them, not its letters."""
    return [given] if isinstance(given, str) else list(given)
