"""Read the options of a question, and print what they ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from graphrag.cli.answer_output import Reply, print_notes, print_sources
from graphrag.cli.options import Command, is_verbose, json_option, say, sets
from graphrag.cli.output import print_context, print_json
from graphrag.core.errors import UsageError
from graphrag.engine.options import QueryArguments, Turn

if TYPE_CHECKING:
    from graphrag import GraphRAG
    from graphrag.core.answers import Answer
    from graphrag.engine.options import QueryMethod
    from graphrag.query.router import Retrieved

_OPTIONS = (
    click.option(
        "--method",
        metavar="NAME",
        help="auto, basic, local, global, drift, path, lazy, hybrid or table.",
    ),
    click.option(
        "--level",
        type=click.IntRange(min=0),
        metavar="N",
        help="global: level of the communities; 0 is the coarsest.",
    ),
    click.option(
        "--filter",
        "filters",
        multiple=True,
        metavar="K=V",
        help="Only documents with this metadata: k=v, k!=v, k>=v, k<=v, k=v1,v2.",
    ),
    click.option("-k", type=click.IntRange(1, 10_000), metavar="N", help="Text units to read."),
    click.option(
        "--context",
        "context_only",
        is_flag=True,
        help="Print what would be read, and stop before an answer is written.",
    ),
    json_option,
    click.option("--no-stream", is_flag=True, help="Print the answer when it is complete."),
    click.option(
        "--dynamic",
        is_flag=True,
        callback=sets("query.global.dynamic"),
        help="global: rate reports from the root, read what fits.",
    ),
    click.option("--tree", is_flag=True, help="drift: print the tree of questions and answers."),
    click.option(
        "--cypher",
        is_flag=True,
        help="Print the Cypher that shows the evidence in Neo4j; table: that gives its rows.",
    ),
    click.option("--suggest", is_flag=True, help="Propose next questions."),
)


@dataclass(frozen=True, slots=True)
class Asking:
    """The options of `query` and `chat`: how to ask, and what to print."""

    method: QueryMethod | None
    level: int | None
    filters: tuple[str, ...]
    k: int | None
    context_only: bool
    as_json: bool
    no_stream: bool
    dynamic: bool
    tree: bool
    cypher: bool
    suggest: bool

    @classmethod
    def of(cls, options: Mapping[str, object]) -> Asking:
        """Raises UsageError on options that contradict one another."""
        asking = cls(**options)  # pyright: ignore[reportArgumentType] # click made them
        if asking.context_only and (asking.tree or asking.cypher or asking.suggest):
            raise UsageError(
                "--context stops before there is an answer to show more of",
                hint="Leave out --context, or --tree, --cypher and --suggest.",
            )
        if asking.dynamic and asking.method not in (None, "auto", "global"):
            raise UsageError(
                f"--dynamic does nothing for --method {asking.method}", hint="Use global."
            )
        return asking

    @property
    def is_streamed(self) -> bool:
        return not (self.as_json or self.no_stream)

    def arguments(self, history: Sequence[Turn] = ()) -> QueryArguments:
        return QueryArguments(
            method="global" if self.dynamic else self.method,
            level=self.level,
            k=self.k,
            filters=self.filters,
            history=history,
        )


def asks(command: Command) -> Command:
    """Give `command` the options of a question; `Asking.of` takes them."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def print_found(found: Retrieved, asking: Asking, *, json_lines: bool = False) -> None:
    """What would be read to answer."""
    if asking.as_json:
        print_json(found.as_dict(), is_line=json_lines)
    else:
        print_context(found)


def print_answer(
    rag: GraphRAG, answer: Answer, reply: Reply, asking: Asking, *, json_lines: bool = False
) -> None:
    """What `reply` has not shown yet, the sources, notes, and what else was asked for."""
    if asking.as_json:
        print_json(answer.as_dict() | _extras(rag, answer, asking), is_line=json_lines)
        return
    reply.finish(answer)
    print_sources(answer, reply.terminal, root=rag.root, with_quotes=is_verbose())
    print_notes(answer)
    _print_extras(rag, answer, asking)


def _extras(rag: GraphRAG, answer: Answer, asking: Asking) -> dict[str, object]:
    extra: dict[str, object] = {}
    if asking.suggest:
        extra["suggestions"] = rag.suggest(answer)
    if asking.cypher:
        extra["cypher"] = _cypher(rag, answer)
    return extra


def _print_extras(rag: GraphRAG, answer: Answer, asking: Asking) -> None:
    suggestions = rag.suggest(answer) if asking.suggest else ()
    if asking.tree:
        from graphrag.query.drift.tree import render_tree

        say(render_tree(answer.trace) or "No tree: only drift makes one.")
    if asking.cypher and answer.method == "table" and not answer.table:
        say("No Cypher: the question cannot be asked of this graph.", err=True)
    elif asking.cypher:
        say(_cypher(rag, answer))
    for question in suggestions:
        say(f"Next: {question}")


def _cypher(rag: GraphRAG, answer: Answer) -> str:
    planned = answer.trace.get("cypher") if answer.method == "table" else None
    if planned:
        return str(planned)
    from graphrag.stores.neo4j.cypher import evidence_cypher

    return evidence_cypher(answer, namespace=rag.settings.namespace)
