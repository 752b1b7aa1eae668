"""Random bytes and mutated real files of every format: each is read, or listed with a reason."""

from __future__ import annotations

import io
import os
import random
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from graphrag.core.errors import InputError
from graphrag.core.settings import InputSettings
from graphrag.indexing.documents import readers
from graphrag.indexing.documents.sandbox import Worker

DOCUMENTS = Path(__file__).parents[2] / "examples" / "documents"
TIMES = 10 if os.environ.get("GRAPHRAG_SOAK") else 1
SEED = 7
KINDS: tuple[readers.Kind, ...] = get_args(readers.Kind)
MAX_MEMORY = 500_000_000
LATE = "input.max_seconds"
DEAD = "input.max_memory_mb"  # or the process died


class Tally:
    """Reads through one worker and counts what became of each file."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.counts: Counter[str] = Counter()
        self.peak = 0

    def read(self, data: bytes, kind: readers.Kind) -> None:
        try:
            reading = self.worker.read(data, kind=kind)
        except InputError as error:
            self.counts["listed"] += 1
            self.counts["late"] += LATE in str(error)
            self.counts["dead"] += DEAD in str(error)
            self.counts["without reason"] += not str(error).strip() or "\n" in str(error)
        else:
            assert reading.items or reading.problems
            assert all(item.text.strip() for item in reading.items)
            self.counts["read"] += 1
        self.peak = max(self.peak, self._memory())

    def _memory(self) -> int:
        process = self.worker._process
        status = Path(f"/proc/{process.pid}/status") if process else None
        if status is None or not status.exists():
            return 0
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1000


def sample(kind: readers.Kind) -> bytes:
    """A real file of `kind`."""
    if kind == "json":
        rows = (DOCUMENTS / "people.jsonl").read_bytes().splitlines()
        return b"[" + b",".join(rows) + b"]"
    suffixes = [suffix for suffix, of in readers.KINDS.items() if of == kind]
    return next(
        path.read_bytes() for path in sorted(DOCUMENTS.iterdir()) if path.suffix in suffixes
    )


def mutate(data: bytes, rng: random.Random) -> bytes:
    """Bytes changed, put in, taken out and repeated, in one to two hundred places."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 3, 20, 200))):
        at = rng.randrange(len(changed) + 1)
        match rng.randrange(4):
            case 0:
                changed[at : at + 1] = rng.randbytes(1)
            case 1:
                changed[at:at] = rng.randbytes(rng.randint(1, 40))
            case 2:
                del changed[at : at + rng.randint(1, 200)]
            case _:
                begin = rng.randrange(len(changed) + 1)
                changed[at:at] = changed[begin : begin + rng.randint(1, 300)]
    return bytes(changed)


def mutate_part(data: bytes, rng: random.Random) -> bytes:
    """One part of an archive mutated and packed again, so that its checksum is right."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        parts = [name for name in old.namelist() if name.endswith((".xml", ".rels"))]
        chosen = rng.choice(parts)
        change: Callable[[bytes], bytes] = rng.choice((_nested, lambda part: mutate(part, rng)))
        for name in old.namelist():
            part = old.read(name)
            new.writestr(name, change(part) if name == chosen else part)
    return out.getvalue()


def _nested(part: bytes) -> bytes:
    """The part in many layers of an element of its own."""
    head, mark, body = part.partition(b"?>")
    return head + mark + b"<x>" * 400 + (body if mark else part) + b"</x>" * 400


@pytest.fixture(scope="module")
def tally() -> Tally:
    with Worker(InputSettings(max_seconds=120)) as worker:
        tally = Tally(worker)
        rng = random.Random(SEED)
        for number in range(1000 * TIMES):
            head = rng.choice(
                (b"", b"", b"%PDF-1.7\n", b"PK\x03\x04", b"\xff\xfe", b"<p>", b"text,a\n")
            )
            tally.read(head + rng.randbytes(rng.randint(0, 1500)), KINDS[number % len(KINDS)])
        tally.counts["random"] = tally.counts["read"] + tally.counts["listed"]
        for number in range(200 * TIMES):
            kind = KINDS[number % len(KINDS)]
            data = sample(kind)
            inside = kind in ("docx", "pptx", "xlsx") and number % 4
            tally.read(mutate_part(data, rng) if inside else mutate(data, rng), kind)
    return tally


def test_every_file_is_read_or_listed_with_a_reason(tally: Tally) -> None:
    assert tally.counts["random"] == 1000 * TIMES
    assert tally.counts["read"] + tally.counts["listed"] == 1200 * TIMES
    assert tally.counts["without reason"] == 0
    assert tally.counts["read"] > 40 * TIMES  # the mutations do not only break


def test_nothing_hangs_and_memory_stays_small(tally: Tally) -> None:
    assert tally.counts["late"] == tally.counts["dead"] == 0
    assert tally.peak < MAX_MEMORY
