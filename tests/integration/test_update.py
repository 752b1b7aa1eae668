"""Whatever happened before, an index equals one that was built at once from what it holds now."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graphrag import Document, GraphRAG
from graphrag.core.errors import ModelError, NoIndexError, UsageError
from graphrag.testing import Fault, TestServer
from tests.integration.conftest import Place

TEXTS = (
    "Cyrus Field founded the Atlantic Telegraph Company. Charles Bright was its engineer.",
    "Charles Bright laid the cable from Valentia to Trinity Bay. Cyrus Field was on board.",
    "# Ships\n\nThe Great Eastern was built by Isambard Brunel.\n\n# Captains\n\n"
    "James Anderson commanded the Great Eastern. Daniel Gooch hired him.\n\n"
    "Daniel Gooch led the Telegraph Construction and Maintenance Company.",
    "William Thomson built the mirror galvanometer. Wildman Whitehouse burnt the cable.",
    "Wildman Whitehouse quarrelled with William Thomson in Valentia.",
    "Nothing is named in here at all, only the rain and the sea.",
)
SOURCES = ("a.md", "b.md", "c.md", "d.md")
OPTIONS: dict[str, object] = {
    "chunks.max_tokens": 40,
    "chunks.overlap": 0,
    "communities.update": "exact",
    "chat.max_retries": 0,
}


@dataclass(frozen=True, slots=True)
class Step:
    """`text` is put at `source`; with `moved_from` it is the text of that source, which goes.

    Without either the source is deleted. `failing`: the share of model calls that fail meanwhile.
    """

    source: str
    text: str | None = None
    moved_from: str | None = None
    failing: float = 0.0


sources = st.sampled_from(SOURCES)
failing = st.sampled_from([0.0, 0.0, 0.4, 1.0])
steps = st.one_of(
    st.builds(Step, sources, st.sampled_from(TEXTS), failing=failing),
    st.builds(Step, sources, st.none(), sources, failing=failing),
    st.builds(Step, sources, failing=failing),
)


@pytest.fixture(scope="module")
def server() -> Iterator[TestServer]:
    with TestServer() as running:
        yield running


@pytest.mark.parametrize("modelled", [False, True], ids=["fast", "standard"])
def test_update_equals_rebuild(
    modelled: bool, place: Place, server: TestServer, tmp_path: Path
) -> None:
    options = OPTIONS | ({"chat.base_url": server.url, "chat.model": "m"} if modelled else {})
    numbers = count()
    held: dict[str, str] = {}

    def open_index(name: str, *, store: str | None = None) -> GraphRAG:
        namespace = f"{place.prefix}{name}"
        root = place.root if store else tmp_path / name
        if modelled:
            return GraphRAG.open(
                root, store=store, namespace=namespace, embed=None, options=options
            )
        return GraphRAG.open(
            root, store=store, namespace=namespace, chat=None, embed=None, options=options
        )

    @settings(
        max_examples=max(2, place.examples // 2 if modelled else place.examples),
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(st.lists(steps, min_size=1, max_size=6))
    def check(sequence: Sequence[Step]) -> None:
        number = next(numbers)
        # Making a namespace takes a server long: there each sequence follows on the one before.
        with open_index("updated" if place.url else f"updated{number}", store=place.url) as rag:
            if held and place.url:
                rag.delete(sorted(held))
            held.clear()
            for step in sequence:
                server.set_faults(Fault(rate=step.failing))
                _take(rag, step, held)
            server.set_faults()
            if not held:
                return
            result = rag.index(documents=_documents(held))
            assert not result.failed
            updated = rag.export(tmp_path / f"exports{number}" / "updated", format="csv")
        with open_index(f"rebuilt{number}") as rag:
            rag.index(documents=_documents(held))
            rebuilt = rag.export(tmp_path / f"exports{number}" / "rebuilt", format="csv")
        for one, other in zip(sorted(updated), sorted(rebuilt), strict=True):
            assert one.name == other.name
            assert one.read_bytes() == other.read_bytes(), one.name
        shutil.rmtree(tmp_path / f"exports{number}")

    check()


def _take(rag: GraphRAG, step: Step, held: dict[str, str]) -> None:
    """Take `step`, and note in `held` what the index holds after it."""
    text = held.get(step.moved_from) if step.moved_from else step.text
    gone = step.moved_from if text and step.moved_from != step.source else None
    if text is None:
        gone = step.source
    if gone in held:
        del held[gone]
        # All calls may fail, or did so when the source was new: then it is not there to delete.
        with suppress(ModelError, NoIndexError, UsageError):
            rag.delete([gone])
    if text is not None:
        held[step.source] = text
        with suppress(ModelError):
            rag.index(documents=_documents({step.source: text}))


def _documents(held: dict[str, str]) -> list[Document]:
    return [Document(source=source, text=text) for source, text in sorted(held.items())]
