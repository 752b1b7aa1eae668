"""What the soak test runs in a process of its own: index, edit, ask and delete, again and again.

`python -m tests.soak ROOT STORE NAMESPACE SECONDS` prints a line of JSON for each cycle, when all
documents of it are deleted. No cycle sees a text that an earlier one saw.
"""

from __future__ import annotations

import json
import mmap
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from graphrag import Document, GraphRAG

CACHE_MB = 5.0
DOCUMENTS = 12
PARAGRAPHS = 6
METHODS = ("basic", "local", "global", "path", "lazy", "drift", "hybrid")
SYLLABLES = ("bel", "cor", "dan", "fer", "gal", "hol", "jun", "kar", "lin", "mor", "nor", "pel")


@dataclass(frozen=True, slots=True)
class Cycle:
    """Bytes of memory, of the store's files and of those beside it, after one cycle."""

    seconds: float
    memory: int
    store: int
    beside: int


def cycles(root: Path, store: str | None, namespace: str, *, seconds: float) -> Iterator[Cycle]:
    """Run cycles until `seconds` are over; two at least."""
    started = time.monotonic()
    options: dict[str, object] = {"limits.max_cache_mb": CACHE_MB}
    with GraphRAG.open(root, store=store, namespace=namespace, options=options) as rag:
        number = 0
        while number < 2 or time.monotonic() - started < seconds:
            _cycle(rag, number)
            number += 1
            yield Cycle(
                round(time.monotonic() - started, 1),
                _memory(),
                _size(root, "graph.db*") + _size(root, "neo4j/data/databases/neo4j/**/*"),
                _size(root, "cache.db*") + _size(root, "paths/**/*"),
            )


def _cycle(rag: GraphRAG, number: int) -> None:
    words = random.Random(number)
    documents = [
        Document(source=f"{place}.md", text=_text(words), metadata={"year": 1850 + place})
        for place in range(DOCUMENTS)
    ]
    rag.index(documents=documents)
    edited = [Document(source=one.source, text=_edited(one.text)) for one in documents[::3]]
    result = rag.index(documents=edited)
    if result.failed or result.documents != DOCUMENTS:
        raise AssertionError(f"cycle {number}: {result}")
    name = documents[0].text.split(" met ")[0].removeprefix("# Notes\n\n")
    for place in range(3):
        method = METHODS[(3 * number + place) % len(METHODS)]
        rag.query(f"Whom did {name} meet? ({number})", method=method)
    rag.delete([one.source for one in documents])


def _text(words: random.Random) -> str:
    names = [_name(words) for _ in range(8)]
    paragraphs = [
        " ".join(
            "{} met {} in {} and told of the {}.".format(
                *words.choices(names, k=3), _name(words).lower()
            )
            for _ in range(12)
        )
        for _ in range(PARAGRAPHS)
    ]
    return "# Notes\n\n" + "\n\n".join(paragraphs)


def _name(words: random.Random) -> str:
    return " ".join("".join(words.choices(SYLLABLES, k=3)).capitalize() for _ in range(2))


def _edited(text: str) -> str:
    return text.replace(" met ", " wrote to ", 5)


def _memory() -> int:
    """Of this process, resident."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE


def _size(root: Path, pattern: str) -> int:
    files = (root / ".graphrag").glob(pattern)
    # Neo4j keeps the ids that it may use again in files of a fixed size, which it then drops.
    return sum(_bytes(path) for path in files if not path.name.startswith("id-buffer"))


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except FileNotFoundError:  # a server's own, gone meanwhile
        return 0


def main() -> None:
    root, store, namespace, seconds = sys.argv[1:]
    for cycle in cycles(Path(root), store or None, namespace, seconds=float(seconds)):
        sys.stdout.write(json.dumps(asdict(cycle)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
