"""`graphrag query`: an answer with its sources, or what would be read for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from graphrag.cli.options import json_option, say, sets, with_index
from graphrag.cli.output import print_context, print_json, print_notes, print_piece
from graphrag.core.errors import UsageError
from graphrag.engine.options import QueryArguments

if TYPE_CHECKING:
    from graphrag import GraphRAG
    from graphrag.engine.options import QueryMethod


@click.command()
@click.argument("question")
@click.option(
    "--method", metavar="NAME", help="auto, basic, local, global, drift, path, lazy or hybrid."
)
@click.option(
    "--level",
    type=click.IntRange(min=0),
    metavar="N",
    help="global: level of the communities; 0 is the coarsest.",
)
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="K=V",
    help="Only documents with this metadata: k=v, k!=v, k>=v, k<=v, k=v1,v2.",
)
@click.option("-k", type=click.IntRange(1, 10_000), metavar="N", help="Text units to read.")
@click.option(
    "--context",
    "context_only",
    is_flag=True,
    help="Print what would be read, and stop before an answer is written.",
)
@json_option
@click.option("--no-stream", is_flag=True, help="Print the answer when it is complete.")
@click.option(
    "--dynamic",
    is_flag=True,
    callback=sets("query.global.dynamic"),
    help="global: rate reports from the root, read what fits.",
)
@click.option("--tree", is_flag=True, help="drift: print the tree of questions and answers.")
@click.option("--cypher", is_flag=True, help="Print the Cypher that shows the evidence in Neo4j.")
@click.option("--suggest", is_flag=True, help="Propose next questions.")
@with_index
def query(
    rag: GraphRAG,
    question: str,
    method: QueryMethod | None,
    level: int | None,
    filters: tuple[str, ...],
    k: int | None,
    context_only: bool,
    as_json: bool,
    no_stream: bool,
    dynamic: bool,
    tree: bool,
    cypher: bool,
    suggest: bool,
) -> None:
    """Answer QUESTION from the index, with citations that were checked."""
    if context_only and (tree or cypher or suggest):
        raise UsageError(
            "--context stops before there is an answer to show more of",
            hint="Leave out --context, or --tree, --cypher and --suggest.",
        )
    if dynamic and method not in (None, "auto", "global"):
        raise UsageError(f"--dynamic does nothing for --method {method}", hint="Use global.")
    options = QueryArguments(
        method="global" if dynamic else method, level=level, k=k, filters=filters
    )
    if context_only:
        print_context(rag.context(question, **options), as_json=as_json)
        return
    streamed = not (as_json or no_stream)
    answer = rag.query(question, on_text=print_piece if streamed else None, **options)
    suggestions = rag.suggest(answer) if suggest else ()
    statement = ""
    if cypher:
        from graphrag.stores.neo4j.cypher import evidence_cypher

        statement = evidence_cypher(answer, namespace=rag.settings.namespace)
    if as_json:
        extra: dict[str, object] = {"suggestions": suggestions} if suggest else {}
        print_json(answer.as_dict() | extra | ({"cypher": statement} if cypher else {}))
        return
    say("" if streamed else answer.answer)
    print_notes(answer)
    if tree:
        from graphrag.query.drift.tree import render_tree

        say(render_tree(answer.trace) or "No tree: only drift makes one.")
    if cypher:
        say(statement)
    for question_to_ask in suggestions:
        say(f"Next: {question_to_ask}")
