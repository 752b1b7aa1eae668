from __future__ import annotations

import asyncio
from pathlib import Path

import polars as pl
import pytest

from graphrag.core.answers import Citation
from graphrag.core.settings import ChunkSettings
from graphrag.core.tables import empty
from graphrag.indexing.documents.files import Document, documents_frame
from graphrag.indexing.text_units.chunks import split_documents
from graphrag.query.answering.citations import check
from graphrag.query.answering.places import find, locate
from graphrag.stores import Snapshot
from graphrag.stores.sqlite.store import SQLiteStore

TEXT = (
    "###### Page 1\n\n# The lock\n\nIt was built in **1822** by Ann Lee, “the best smith of the "
    "coast”.\n\n## Gates\n\nThe gates are of oak and were\nrenewed twice, for they rot in salt\n\n"
    "###### Page 2\n\nwater after thirty years.\n\n| gate | width |\n|---|---|\n| upper | 4 m |\n"
    "| lower | 5 metres and a half |\n"
)
WHOLE = 0, len(TEXT)


@pytest.mark.parametrize(
    ("quote", "found"),
    [
        ("by Ann Lee", "by Ann Lee"),
        ('built in 1822 by Ann Lee, "the best', "built in **1822** by Ann Lee, “the best"),
        ("The gates are of oak and were renewed", "The gates are of oak and were\nrenewed"),
        (
            "they rot in salt water after thirty years.",
            "they rot in salt\n\n###### Page 2\n\nwater after thirty years.",
        ),
        (
            "It was built in 1822 … the best smith",
            "It was built in **1822** by Ann Lee, “the best smith",
        ),
        (
            "The gates are of oak and were renewd twice",
            "The gates are of oak and were\nrenewed twice",
        ),
        ("| gate | width |\n| lower | 5 metres and a half |", "| lower | 5 metres and a half |"),
    ],
)  # fmt: skip
def test_a_quote_is_found_letter_for_letter_or_nearly(quote: str, found: str) -> None:
    span = find(quote, TEXT, WHOLE)
    assert span is not None
    assert TEXT[slice(*span)] == found


@pytest.mark.parametrize("quote", ["The mill burned down in a night.", "lee 1", "(…)"])
def test_what_is_not_said_has_no_place(quote: str) -> None:
    assert find(quote, TEXT, WHOLE) is None


def test_only_what_the_unit_covers_is_looked_at_and_what_it_repeats_before_it() -> None:
    twice = "One gate is open.\n\nOne gate is open."
    assert find("One gate is open.", twice, (19, len(twice))) == (19, len(twice))
    assert find("one gate IS open.", twice, (19, len(twice))) == (19, len(twice))
    lower = TEXT.index("| lower")
    assert find("| gate | width |", TEXT, (lower, len(TEXT))) is not None
    assert find("5 metres and a half", TEXT, (0, lower)) is None


def located(tmp_path: Path, quotes: list[str], *, keeps_text: bool = True) -> list[Citation]:
    document = Document(source="lock.md", text=TEXT, title="Lock")
    units = split_documents([document], settings=ChunkSettings(max_tokens=64, overlap=0))
    documents = documents_frame([document])
    if not keeps_text:
        documents = documents.with_columns(pl.lit(None, pl.String).alias("text"))
        units = units.with_columns(pl.lit(None, pl.Int64).alias(name) for name in ("start", "end"))
    tables = {
        name: empty(name) for name in ("windows", "entities", "relationships", "mentions", "claims")
    }
    tables |= {name: empty(name) for name in ("communities", "reports")}
    tables |= {"documents": documents, "text_units": units.sort("id")}

    texts = dict(units.select("id", "text").iter_rows())
    first = units["id"][0]
    cited = [
        Citation(
            number,
            next((key for key, text in texts.items() if check(quote, text)), first),
            "lock.md",
            "Lock",
            quote,
            verified=True,
        )
        for number, quote in enumerate(quotes, 1)
    ]

    async def main() -> list[Citation]:
        store = await SQLiteStore.open(tmp_path / "graph.db", namespace="default")
        try:
            async with store.writing():
                await store.commit(Snapshot(tables, {}, {}, {}, frozenset(), None, {}))
            return list(await locate(cited, store))
        finally:
            await store.close()

    return asyncio.run(main())


def test_citations_say_heading_page_and_characters(tmp_path: Path) -> None:
    first, second, third = located(
        tmp_path, ["It was built in **1822**", "lower 5 metres and a half", "no such thing at all"]
    )
    assert (first.heading, first.page, first.exact) == ("The lock", "Page 1", True)
    assert TEXT[first.start : first.end] == first.quote
    assert (second.heading, second.page, second.exact) == ("The lock > Gates", "Page 2", False)
    assert TEXT[second.start : second.end] == "lower | 5 metres and a half"
    assert (third.page, third.start, third.end, third.exact) == ("Page 1", None, None, False)


def test_without_the_documents_text_the_unit_says_heading_and_page(tmp_path: Path) -> None:
    (cited,) = located(tmp_path, ["The gates are of oak and were"], keeps_text=False)
    assert (cited.page, cited.start, cited.end, cited.exact) == ("Page 1", None, None, False)
