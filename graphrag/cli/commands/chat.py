"""`graphrag chat`: questions that may refer to what was said before, each with its answer."""

from __future__ import annotations

import importlib
import io
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO, cast

import click

from graphrag.cli.answer_output import Reply, print_sources
from graphrag.cli.asking import Asking, asks, print_answer, print_found
from graphrag.cli.options import EXIT_PARTIAL, Interrupted, say, show_error, tell, with_index
from graphrag.cli.terminal import Terminal

if TYPE_CHECKING:
    from graphrag import GraphRAG
    from graphrag.core.answers import Answer

PROMPT = "> "
HELP = """\
/sources  the sources of the last answer, with their quotes
/new      begin a new conversation
/help     this list
/quit     end; so does Ctrl-D

Ctrl-C stops an answer. All else is a question, which may refer to those before."""


@click.command()
@asks
@with_index
def chat(rag: GraphRAG, **options: object) -> None:
    """Hold a conversation: a question a line, from the terminal or a pipe.

    Each question may refer to the ones before it. /help lists what else a line can say. An error
    ends its question alone; from a pipe the exit code is 3 then.
    """
    asking = Asking.of(options)
    is_typed = sys.stdin.isatty()
    stdin = cast(TextIO, sys.stdin)
    if isinstance(stdin, io.TextIOWrapper):
        stdin.reconfigure(errors="replace")
    if is_typed:
        if sys.stdout.isatty():
            with suppress(ImportError):
                importlib.import_module("readline")  # input() uses it
        say(f"Questions to {rag.root.resolve().name}. /help says more, Ctrl-D ends.", err=True)
    with _ending_on_sigterm():
        n_failed = Conversation(rag, asking).hold(_read_typed if is_typed else _read_piped)
    if n_failed and not is_typed:
        sys.exit(EXIT_PARTIAL)


class Conversation:
    """Questions and answers since the last /new."""

    def __init__(self, rag: GraphRAG, asking: Asking) -> None:
        self._rag = rag
        self._asking = asking
        self._answers: list[Answer] = []

    def hold(self, read: Callable[[], str | None]) -> int:
        """Answer what `read` gives until /quit or None; how many questions failed."""
        n_failed = 0
        while True:
            try:
                line = read()
                if line is None or line.strip() in ("/quit", "/exit"):
                    return n_failed
                n_failed += not self._obey(line.strip())
            except KeyboardInterrupt:  # of a line, or between an answer and the next prompt
                if not sys.stdin.isatty():
                    raise
                say("", err=True)

    def _obey(self, line: str) -> bool:
        match line:
            case "":
                pass
            case "/help":
                say(HELP)
            case "/new":
                self._answers.clear()
                tell("A new conversation.")
            case "/sources":
                self._print_sources()
            case _ if line[0] == "/" and line[1:].isalpha():
                tell(f"There is no {line}; /help lists what there is.")
            case _:
                return self._answer(line)
        return True

    def _answer(self, question: str) -> bool:
        """Whether it went well; what went wrong is shown."""
        try:
            self._ask(question)
        except KeyboardInterrupt:
            if not sys.stdin.isatty():
                raise
            tell("Stopped.")
            return False
        except (BrokenPipeError, click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            show_error(error)
            return False
        return True

    def _ask(self, question: str) -> None:
        asking = self._asking
        history = [(answer.question, answer.answer) for answer in self._answers]
        arguments = asking.arguments(history)
        if asking.context_only:
            print_found(self._rag.context(question, **arguments), asking, json_lines=True)
            return
        with Reply(Terminal.attached()) as reply:
            answer = self._rag.query(
                question, on_text=reply.add if asking.is_streamed else None, **arguments
            )
        print_answer(self._rag, answer, reply, asking, json_lines=True)
        if not asking.as_json:
            say("")
        self._answers.append(answer)

    def _print_sources(self) -> None:
        if not self._answers or not self._answers[-1].citations:
            tell("No answer with sources yet.")
            return
        terminal = Terminal.attached()
        print_sources(self._answers[-1], terminal, root=self._rag.root, with_quotes=True)
        terminal.write("\n")


def _read_typed() -> str | None:
    """A line from the terminal, edited and recalled by readline where it was loaded."""
    try:
        if sys.stdout.isatty():
            return input(PROMPT)
        say(PROMPT, err=True, nl=False)  # input() would put it among the answers
        return sys.stdin.readline() or None
    except EOFError:
        say("", err=True)
        return None


def _read_piped() -> str | None:
    return sys.stdin.readline() or None


@contextmanager
def _ending_on_sigterm() -> Generator[None]:
    """SIGTERM ends the session, where Ctrl-C ends an answer; by default both are the same."""

    def end(*_: object) -> None:
        raise Interrupted(1)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
