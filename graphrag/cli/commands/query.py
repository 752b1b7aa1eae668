"""`graphrag query`: an answer with its sources, or what would be read for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from graphrag.cli.answer_output import Reply
from graphrag.cli.asking import Asking, asks, print_answer, print_found
from graphrag.cli.options import say, with_index
from graphrag.cli.terminal import Terminal
from graphrag.core.errors import UsageError

if TYPE_CHECKING:
    from graphrag import GraphRAG


@click.command()
@click.argument("question")
@asks
@click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    metavar="FILE",
    help="Also write the answer with its proof as one HTML page.",
)
@with_index
def query(rag: GraphRAG, question: str, html: Path | None, **options: object) -> None:
    """Answer QUESTION from the index, with citations that were checked.

    With -v the quotes of each source are printed too.
    """
    asking = Asking.of(options)
    arguments = asking.arguments()
    if asking.context_only:
        if html:
            raise UsageError(
                "--context stops before there is an answer to write", hint="Leave out one of them."
            )
        print_found(rag.context(question, **arguments), asking)
        return
    with Reply(Terminal.attached()) as reply:
        answer = rag.query(question, on_text=reply.add if asking.is_streamed else None, **arguments)
    print_answer(rag, answer, reply, asking)
    if html:
        from graphrag.core.work_folder import write_file

        write_file(html, answer.to_html())
        say(f"Wrote {html}", err=True)
