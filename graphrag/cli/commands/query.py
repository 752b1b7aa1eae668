"""`graphrag query`: an answer with its sources, or what would be read for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from graphrag.cli.answer_output import Reply
from graphrag.cli.asking import Asking, asks, print_answer, print_found
from graphrag.cli.options import with_index
from graphrag.cli.terminal import Terminal

if TYPE_CHECKING:
    from graphrag import GraphRAG


@click.command()
@click.argument("question")
@asks
@with_index
def query(rag: GraphRAG, question: str, **options: object) -> None:
    """Answer QUESTION from the index, with citations that were checked.

    With -v the quotes of each source are printed too.
    """
    asking = Asking.of(options)
    arguments = asking.arguments()
    if asking.context_only:
        print_found(rag.context(question, **arguments), asking)
        return
    with Reply(Terminal.attached()) as reply:
        answer = rag.query(question, on_text=reply.add if asking.is_streamed else None, **arguments)
    print_answer(rag, answer, reply, asking)
