"""How many of our functions lie between a command and the SDK's call."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from contextvars import Context, ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import openai
import pytest
from click.testing import CliRunner

import graphrag
from graphrag.cli.main import main
from graphrag.testing import TestServer

PACKAGE = str(Path(graphrag.__file__).parent)
MOST_ON_THE_STACK = 10  # what a debugger that stops at the call shows
MOST_BEFORE_THE_WORK = 5  # from the command to the pipeline of indexing, or the router of queries
# From the command on, through the thread and the tasks between.
MOST_IN_ALL = {"index": 15, "query": 16}
TEXT = "Ada Lovelace wrote notes on the Analytical Engine, which Charles Babbage designed.\n"
# So that every step that may ask a model does.
SETTINGS = """
chunks: {context: true}
extraction: {max_gleanings: 1, summary_tokens: 1}
communities: {min_report_size: 2}
"""
ASKING = {
    "context_lines.write_lines",
    "extract._ask",
    "similar_names.find_similar",
    "verdicts._ask",
    "summaries._ask",
    "embeddings.embed",
    "write.ask",
}

# What the code that started the running task had gone through, outermost first.
above: ContextVar[tuple[str, ...]] = ContextVar("above", default=())


@dataclass(frozen=True, slots=True)
class Call:
    """Our functions that led to one call of the SDK, outermost first."""

    above: tuple[str, ...]
    stack: tuple[str, ...]

    @property
    def chain(self) -> tuple[str, ...]:
        return self.above + self.stack


def stack() -> tuple[str, ...]:
    """Our functions in the running task, or in a thread without one."""
    found: list[str] = []
    frame = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if Path(code.co_filename).parts[-2:] == ("asyncio", "events.py"):
            break  # the loop's own frames; what is below them did not call this task
        if code.co_filename.startswith(PACKAGE):
            found.append(f"{Path(code.co_filename).stem}.{code.co_qualname}")
        frame = frame.f_back
    return tuple(reversed(found))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """Filled with every call of a model while the test runs."""
    post = cast(Callable[..., Awaitable[object]], openai.AsyncOpenAI.post)
    create_task = asyncio.BaseEventLoop.create_task
    run_threadsafe = asyncio.run_coroutine_threadsafe
    found: list[Call] = []

    async def posted(self: openai.AsyncOpenAI, *args: object, **options: object) -> object:
        found.append(Call(above.get(), stack()))
        return await post(self, *args, **options)

    def created(
        self: asyncio.BaseEventLoop,
        work: Coroutine[object, object, object],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> asyncio.Task[object]:
        token = above.set(above.get() + stack())
        try:
            return create_task(self, work, name=name, context=context)
        finally:
            above.reset(token)

    def run_there(
        work: Coroutine[object, object, object], loop: asyncio.AbstractEventLoop
    ) -> Future[object]:
        token = above.set(above.get() + stack())
        try:
            return run_threadsafe(work, loop)
        finally:
            above.reset(token)

    monkeypatch.setattr(openai.AsyncOpenAI, "post", posted)
    monkeypatch.setattr(asyncio.BaseEventLoop, "create_task", created)
    monkeypatch.setattr(asyncio, "run_coroutine_threadsafe", run_there)
    return found


def test_commands_reach_the_sdk_in_few_steps(
    calls: list[Call], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text(TEXT * 3 + TEXT.replace("Ada", "Augusta Ada"), encoding="utf-8")
    (tmp_path / "graphrag.yaml").write_text(SETTINGS, encoding="utf-8")
    with TestServer() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "test")
        for arguments in (
            ["index", str(notes)],
            ["query", "Who designed the Analytical Engine?", "--method", "basic"],
            ["query", "Who designed the Analytical Engine?", "--method", "local"],
            ["query", "What are the main themes?", "--method", "global"],
        ):
            done = CliRunner().invoke(main, [*arguments, "--root", str(tmp_path)])
            assert done.exit_code == 0, done.output
    # The chains are whole: each begins with a command.
    assert {call.chain[1] for call in calls} == {"index.index", "query.query"}
    assert {name for call in calls for name in call.chain} >= ASKING
    for call in calls:
        before = [name.split(".")[0] in ("pipeline", "router") for name in call.chain].index(True)
        assert before <= MOST_BEFORE_THE_WORK, call.chain
    deepest = max((call.stack for call in calls), key=len)
    assert len(deepest) <= MOST_ON_THE_STACK, deepest
    for command, most in MOST_IN_ALL.items():
        chains = [call.chain for call in calls if call.chain[1] == f"{command}.{command}"]
        longest = max(chains, key=len)
        assert len(longest) <= most, longest
