"""Read files in a process of its own that limits on time and memory can end.

Parsers of html, pdf and office files can be led by a file that was made for it into loops and
into memory without end, and some die with their process. So they run apart, and so do those of
large files of rows: a document that takes too long ends that process and is listed, and the next
one gets a new process. One serves all files of a run; none is started for plain text alone.

On the way out: a line of JSON with kind, size and settings, then the bytes. On the way back: a
line of JSON.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO, cast

from graphrag.core.errors import InputError
from graphrag.core.settings import InputSettings
from graphrag.indexing.documents import readers
from graphrag.indexing.documents.result import Item, Reading

ALWAYS_APART = frozenset({"html", "pdf", "docx", "pptx", "xlsx"})
_ROWS = frozenset({"csv", "json", "jsonl"})
_LARGE_ROWS = 2_000_000  # bytes; rows take many times the file's size, so apart too from there
_PER_BYTE = 8  # of a file, that its text may take beside the limit
_PATIENCE = 10  # times the seconds of CPU: on a busy machine a good file takes long
_STARTING_S = 60.0  # for the process to start
_OUT_OF_TIME = int(getattr(signal, "SIGPROF", 0))  # where the system counts CPU time
_READY = b"ready\n"
_PROGRAM = (
    "import sys; sys.path.append(sys.argv[1]);"
    "from graphrag.indexing.documents import sandbox; sandbox.serve()"
)
_KEPT = ("LANG", "LC_", "PATH", "PYTHON", "SYSTEMROOT", "TEMP", "TMP")  # of the environment: no key


class LimitError(InputError):
    """A file took too long, which it need not on another day."""


class Worker:
    """Reads files in another process, which starts with the first and ends with the context."""

    def __init__(self, settings: InputSettings) -> None:
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._n_read = 0  # by this process

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def read(
        self, data: bytes, *, kind: readers.Kind, settings: InputSettings | None = None
    ) -> Reading:
        """What `readers.read` gives. Raises InputError with the reason, a limit included."""
        is_large = kind in _ROWS and len(data) > _LARGE_ROWS
        if kind not in ALWAYS_APART and not is_large:
            return readers.read(data, kind=kind, settings=settings or self._settings)
        while True:
            is_new = self._n_read == 0
            reply = self._ask(data, kind, settings or self._settings)
            # What others left in its memory must not decide about this document.
            if "memory" not in reply or is_new:
                break
            self._end()
        if "memory" in reply:
            self._end()
            raise InputError(
                "needs more memory than input.max_memory_mb allows, or breaks its reader",
                hint="Raise input.max_memory_mb if you trust the file.",
            )
        if "error" in reply:
            raise InputError(cast(str, reply["error"]), hint=cast(str, reply.get("hint", "")))
        return _reading(reply)

    def _ask(
        self, data: bytes, kind: readers.Kind, settings: InputSettings
    ) -> Mapping[str, object]:
        if self._process is None:
            self._start()
        self._n_read += 1
        asked = {"kind": kind, "size": len(data), "settings": settings.model_dump()}
        head = json.dumps(asked).encode() + b"\n"
        line, is_late = self._exchange(head + data, seconds=_PATIENCE * settings.max_seconds)
        if line.endswith(b"\n"):
            return cast(dict[str, object], json.loads(line))
        self._end()
        if is_late:
            raise LimitError(
                "takes longer to read than input.max_seconds allows",
                hint="Raise input.max_seconds if you trust the file.",
            )
        return {"memory": True}

    def _exchange(self, sent: bytes, *, seconds: float) -> tuple[bytes, bool]:
        """The line that the process answers with, and whether it was ended for being late."""
        process = cast("subprocess.Popen[bytes]", self._process)
        late = threading.Event()

        def end() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(seconds, end)
        timer.daemon = True
        timer.start()
        try:
            # It may die while it is written to.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                received = cast(IO[bytes], process.stdin)
                received.write(sent)
                received.flush()
            line = cast(IO[bytes], process.stdout).readline()
            has_died = not line.endswith(b"\n") and process.wait() == -_OUT_OF_TIME
            return line, late.is_set() or has_died
        finally:
            timer.cancel()

    def _start(self) -> None:
        package = str(Path(__file__).resolve().parents[3])
        kept = {name: value for name, value in os.environ.items() if name.startswith(_KEPT)}
        self._process = subprocess.Popen(  # noqa: S603 - this Python and a text of our own
            # -P: a module in the current folder is not ours.
            [sys.executable, "-P", "-c", _PROGRAM, package],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=kept,
        )
        self._n_read = 0
        greeting, _ = self._exchange(b"", seconds=_STARTING_S)
        if greeting != _READY:
            self._end()
            raise LimitError("cannot be read: the process that reads such files does not start")

    def _end(self) -> None:
        process, self._process, self._n_read = self._process, None, 0
        if process is None:
            return
        process.kill()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            process.communicate()


def serve() -> None:
    """What the process does: reads until its input ends."""
    received = sys.stdin.buffer
    sent = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a parser prints is no reply
    sent.write(_READY)
    sent.flush()
    base = _memory_used()
    while line := received.readline():
        asked = cast(dict[str, object], json.loads(line))
        settings = InputSettings.model_validate(asked["settings"])
        data = received.read(cast(int, asked["size"]))
        if base:
            _limit_memory(base + int(settings.max_memory_mb * 1_000_000) + _PER_BYTE * len(data))
        if _OUT_OF_TIME:  # a signal that ends this process
            signal.setitimer(signal.ITIMER_PROF, settings.max_seconds)
        try:
            reply = _reply(data, cast(readers.Kind, asked["kind"]), settings)
            written = json.dumps(reply, default=str).encode()
        except MemoryError:
            written = b'{"memory": true}'
        if _OUT_OF_TIME:
            signal.setitimer(signal.ITIMER_PROF, 0)
        sent.write(written + b"\n")
        sent.flush()


def _reply(data: bytes, kind: readers.Kind, settings: InputSettings) -> Mapping[str, object]:
    try:
        reading = readers.read(data, kind=kind, settings=settings)
    except InputError as error:
        return {"error": str(error), "hint": error.hint}
    return {
        "items": [(one.text, one.title, one.metadata, one.id, one.where) for one in reading.items],
        "problems": reading.problems,
        "warnings": reading.warnings,
    }


def _memory_used() -> int:
    """The bytes of address space that this process has, or 0 where the system does not say."""
    pages = Path("/proc/self/statm")
    return int(pages.read_text().split()[0]) * mmap.PAGESIZE if pages.is_file() else 0


def _limit_memory(most: int) -> None:
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def _reading(reply: Mapping[str, object]) -> Reading:
    items = cast(list[tuple[str, str, Mapping[str, object], str, str]], reply["items"])
    problems = cast(list[list[str]], reply["problems"])
    return Reading(
        [
            Item(text, title, metadata, id=key, where=where)
            for text, title, metadata, key, where in items
        ],
        [(where, problem) for where, problem in problems],
        cast(list[str], reply["warnings"]),
    )
