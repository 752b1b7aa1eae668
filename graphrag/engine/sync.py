"""Offer the engine to code without `await`.

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
from graphrag.engine.asynchronous import UNSET, AsyncGraphRAG, Unset
from graphrag.engine.options import IndexArguments, QueryArguments

if TYPE_CHECKING:
    from pydantic import BaseModel

    from graphrag.core.schema import Schema
    from graphrag.engine.contents import Graph, Passages
    from graphrag.engine.entities import ListedEntity
    from graphrag.indexing.documents.files import Document
    from graphrag.indexing.resolution.corrections import CorrectionNote
    from graphrag.indexing.resolution.explain import Duplicates
    from graphrag.indexing.run import IndexResult, Plan
    from graphrag.indexing.schema import Proposal, SchemaCheck, SchemaDiff
    from graphrag.indexing.status import Overview
    from graphrag.models.protocol import ChatModel, Embedder
    from graphrag.query.router import Retrieved
    from graphrag.stores.exchange.export import Format
    from graphrag.tuning.run import Tuned, TuneOptions

__all__ = ["AsyncGraphRAG", "GraphRAG"]


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
        return cls(
            AsyncGraphRAG.open(
                root,
                store=store,
                namespace=namespace,
                chat=chat,
                embed=embed,
                options=options,
                schema=schema,
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
        """Close the store and the connections to the models; calls that still run are cancelled.

        Closing twice does no harm. Raises UsageError from inside one of its own calls, or in
        another event loop than that of its calls.
        """
        self._portal.close(self._engine.close)

    def index(
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
        return self._portal.call(self._engine.index(paths, progress=progress, **options))

    def plan(self, paths: Sequence[str | Path] = (), **options: Unpack[IndexArguments]) -> Plan:
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
        return self._portal.call(self._engine.plan(paths, **options))

    def delete(self, sources: Sequence[str], *, progress: Progress | None = None) -> IndexResult:
        """Remove documents by `sources`, with everything that only they support.

        `sources`: as `status` and citations name them, or paths; a file of rows stands for all of
        them.
        `progress`: is told of the steps.

        Returns the totals of the index. Raises UsageError when a source is not in the index,
        NoIndexError, ModelError, LockedError.
        """
        return self._portal.call(self._engine.delete(sources, progress=progress))

    def tune(
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
        return self._portal.call(
            self._engine.tune(paths, documents=documents, progress=progress, **options)
        )

    def import_folder(self, folder: str | Path, *, progress: Progress | None = None) -> IndexResult:
        """Add the output `folder` of Microsoft's graphrag, with its communities and reports.

        Nothing is asked of a model again. `progress`: is told of the steps.

        Returns the totals of the index. Raises UsageError when the folder does not hold one,
        LockedError, StoreError.
        """
        return self._portal.call(self._engine.import_folder(folder, progress=progress))

    def query(
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
        return self._portal.call(self._engine.query(question, on_text=on_text, **options))

    def context(self, question: str, **options: Unpack[QueryArguments]) -> Retrieved:
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
        return self._portal.call(self._engine.context(question, **options))

    def retrieve(self, question: str, **options: Unpack[QueryArguments]) -> list[Passage]:
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
        return self._portal.call(self._engine.retrieve(question, **options))

    def passages(
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
        return self._portal.call(self._engine.passages(question, quotes=quotes, **options))

    def stream(self, question: str, **options: Unpack[QueryArguments]) -> Iterator[str]:
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
        return self._portal.iterate(self._engine.stream(question, **options))

    def suggest(self, answer: Answer) -> tuple[str, ...]:
        """Propose three to five questions to ask after `answer`.

        By the chat model, or made of what was read where there is none. Raises ModelError,
        NoIndexError.
        """
        return self._portal.call(self._engine.suggest(answer))

    def status(self) -> Overview:
        """Tell what the index holds, what failed, is left to do or is stale, and its models.

        Returns the dictionary of `graphrag status --json`. Raises NoIndexError, StoreError.
        """
        return self._portal.call(self._engine.status())

    def entities(
        self, *, type: str | None = None, search: str | None = None, limit: int | None = None
    ) -> list[ListedEntity]:
        """List the entities of the graph, most mentioned first, then by name.

        `type`: of this type alone, in any case.
        `search`: with this text in the name or another spelling, in any case.
        `limit`: at most so many; None: all.

        Returns each with its name, type, mentions and degree. Raises NoIndexError, StoreError, and
        UsageError on a `limit` below 1.
        """
        return self._portal.call(self._engine.entities(type=type, search=search, limit=limit))

    def correct(
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
        return self._portal.call(
            self._engine.correct(
                merge=merge,
                split=split,
                rename=rename,
                retype=retype,
                hide=hide,
                to=to,
                documents=documents,
                context=context,
            )
        )

    def corrections(self) -> list[dict[str, object]]:
        """Read `corrections.yaml`: its items in order, each as `correct` takes it.

        Raises SettingsError where the file cannot be read or two items contradict each other.
        """
        return self._portal.call(self._engine.corrections())

    def check_corrections(self) -> list[CorrectionNote]:
        """Tell what items of `corrections.yaml` do not find in the index, and which names are new.

        No model is called. Returns a note for each, with the item's number, in their order.
        Raises NoIndexError, SettingsError.
        """
        return self._portal.call(self._engine.check_corrections())

    def remove_correction(self, number: int) -> None:
        """Take item `number`, from 1, out of `corrections.yaml`; the next `index()` undoes it.

        Raises NotFoundError, a UsageError, where there is no such item, SettingsError where the
        file has not one item a line.
        """
        self._portal.call(self._engine.remove_correction(number))

    def graph(
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
        return self._portal.call(
            self._engine.graph(around=around, to=to, community=community, depth=depth, limit=limit)
        )

    def schema(self) -> Schema | None:
        """Read the schema: that which was given, else the file that the settings name.

        Returns None where there is none. Raises SettingsError, naming the file and the place.
        """
        return self._portal.call(self._engine.schema())

    def schema_check(self) -> SchemaCheck:
        """Check the schema, and count what of the graph at hand fits it, if there is an index.

        Returns the dictionary of `graphrag schema check --json`. Raises SettingsError, naming the
        file and the place, or where there is no schema.
        """
        return self._portal.call(self._engine.schema_check())

    def schema_diff(
        self, against: Schema | str | Path | Sequence[type[BaseModel]] | None = None
    ) -> SchemaDiff:
        """Tell what a schema would add to the graph, drop, and leave to extract, and its cost.

        `against`: the schema to compare, a file, a `Schema` or pydantic classes; None takes the one
        of this index. No model is called and nothing is written.

        Returns the dictionary of `graphrag schema diff --json`. Raises NoIndexError, SettingsError.
        """
        return self._portal.call(self._engine.schema_diff(against))

    def schema_discover(self) -> Proposal:
        """Propose a schema of the types, attributes and triples that the graph holds.

        Returns the dictionary of `graphrag schema discover --json`; `yaml` is the file.
        Raises NoIndexError.
        """
        return self._portal.call(self._engine.schema_discover())

    def entity_joins(self) -> Duplicates:
        """Tell which names became one entity and why, and which pairs came near to it.

        No model is called: joins follow from the evidence and the verdicts that the store keeps.

        Returns the dictionary of `graphrag entities --duplicates --json`. Raises NoIndexError,
        SettingsError on contradictory settings.
        """
        return self._portal.call(self._engine.entity_joins())

    def export(self, folder: str | Path, *, format: Format = "parquet") -> list[Path]:
        """Write the tables of the index to `folder`.

        `format`: "parquet", "csv", "microsoft" (Parquet with Microsoft's tables and columns),
        "graphml".

        Returns the files that were written. Raises UsageError, NoIndexError, StoreError.
        """
        return self._portal.call(self._engine.export(folder, format=format))

    def copy_to(self, url: str, *, replace: bool = False) -> dict[str, int]:
        """Copy this index into the store at `url`, exactly.

        `replace`: overwrite another index that the store holds in this namespace.

        Returns its rows by table. Raises NoIndexError, StoreError, UsageError when `url` is this
        store or, without `replace`, holds another index in this namespace.
        """
        return self._portal.call(self._engine.copy_to(url, replace=replace))
