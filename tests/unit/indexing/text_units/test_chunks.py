from __future__ import annotations

import itertools
import random
import re
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphrag.core.errors import SettingsError
from graphrag.core.settings import ChunkSettings
from graphrag.core.tables import TEXT_UNITS, stable_id
from graphrag.indexing.documents.files import Document, document_id
from graphrag.indexing.text_units.chunks import split_documents
from graphrag.text import tokens
from graphrag.text.blocks import blocks, first_heading
from tests.hostile import SOAK

SMALL = ChunkSettings(max_tokens=60, overlap=12)
LINES = st.sampled_from(
    [
        "", "", "", "# Top", "## Part one", "### Deep *part*", "Title\n=====", "---", "```", "~~~",
        "- item one", "1. first. Second", "  indented", "| a | b |", "|---|---|", "| one | two |",
        "One sentence. Another one! A third?", "日本語ab。次の文cd。", "endless", "    ",
        "word " * 60, "| cell " * 30 + "|", "/path/after\n\n/a/break", "\u2028odd\u00a0space",
    ]
)  # fmt: skip


def number_words(lines: list[str]) -> str:
    """Every word once only, so that a unit is found in one place."""
    count = itertools.count()

    def replace(match: re.Match[str]) -> str:
        word = match.group()
        return "".join(f"q{next(count)}" for _ in range(40 if word == "endless" else 1)) + word

    return re.sub(r"[a-z]{2,}", replace, "\n".join(lines))


TEXTS = st.lists(LINES, max_size=40).map(number_words)


def units(text: str, chunk_settings: ChunkSettings = SMALL) -> pl.DataFrame:
    return split_documents([Document(source="doc", text=text)], settings=chunk_settings)


def paragraph(name: str, n_words: int) -> str:
    return " ".join(f"{name}{number}" for number in range(n_words)) + "."


@given(TEXTS, st.integers(16, 80), st.integers(0, 7))
def test_units_fit_cover_the_text_and_count_their_tokens(
    text: str, max_tokens: int, overlap: int
) -> None:
    frame = units(text, ChunkSettings(max_tokens=max_tokens, overlap=overlap))
    assert frame.schema == TEXT_UNITS
    assert frame["id"].n_unique() == frame.height
    assert frame["ordinal"].to_list() == list(range(frame.height))
    at = 0
    for unit in frame["text"]:
        assert tokens.count(unit) <= max_tokens
        assert unit == unit.strip() != ""
        # It begins at or before the first character that is not covered, and covers it.
        at += len(text[at:]) - len(text[at:].lstrip())
        rest = unit
        found = text.rfind(rest, 0, at + len(rest))
        while found < 0 and "\n" in rest:  # it repeats the head of a table
            rest = rest.split("\n", 1)[1].lstrip()
            found = text.rfind(rest, 0, at + len(rest))
        assert 0 <= found <= at < found + len(rest)
        at = found + len(rest)
    assert text[at:].strip() == ""
    for start, end, unit in frame.select("start", "end", "text").iter_rows():
        assert unit.endswith(text[start:end])
        assert text[start:end] == text[start:end].strip() != ""
    assert frame["n_tokens"].to_list() == tokens.counts(frame["text"].to_list())


def test_a_unit_says_where_it_stands_without_what_it_repeats() -> None:
    pages = "\n\n".join(f"###### Page {n}\n\n{paragraph(f'p{n}w', 60)}" for n in (1, 2, 3))
    rows = "\n".join(f"| row {n} | {n * n} apples |" for n in range(40))
    text = f"  \n{pages}\n\n## Table\n\n| name | what |\n|---|---|\n{rows}\n"
    frame = units(text, ChunkSettings(max_tokens=80, overlap=20))
    covered = [text[start:end] for start, end in frame.select("start", "end").iter_rows()]
    repeated = [unit.removesuffix(own) for unit, own in zip(frame["text"], covered, strict=True)]
    assert "###### Page 2\n\n" in repeated
    assert "###### Page 3\n\n| name | what |\n|---|---|\n" in repeated
    assert {"Page 1", "Page 2", "Page 3"} == set(frame["page"])
    for page, start in frame.select("page", "start").iter_rows():
        mark = text.rfind("###### Page", 0, start + len("###### Page"))
        assert text[mark:].startswith(f"###### {page}")


def test_a_short_document_is_one_unit_with_its_heading_path() -> None:
    frame = units("# Title\n\nSome text.\n\n## Part\n\nMore text.\n")
    assert frame["text"].to_list() == ["# Title\n\nSome text.\n\n## Part\n\nMore text."]
    assert frame["headings"].to_list() == [["Title"]]
    assert frame["context"].to_list() == [None]
    assert frame["evidence_key"].to_list() == [""]


def test_an_empty_document_has_no_unit() -> None:
    assert units(" \n\n ").is_empty()
    assert split_documents([], settings=SMALL).schema == TEXT_UNITS


def test_ids_name_document_text_and_occurrence() -> None:
    same = paragraph("w", 22)
    frame = units(f"# A\n\n{same}\n\n# A\n\n{same}\n")
    text = frame["text"][0]
    assert frame["text"].to_list() == [text, text]
    owner = document_id("doc")
    assert frame["id"].to_list() == [
        stable_id("text_unit", owner, text, "0"),
        stable_id("text_unit", owner, text, "1"),
    ]


def test_units_follow_sections_and_carry_their_path() -> None:
    text = (
        "# Guide\n\nIntro.\n\n"
        f"## Large\n\n{paragraph('a', 18)}\n\n{paragraph('b', 18)}\n\n"
        "## Small one\n\nFew words.\n\n## Small two\n\nFew more.\n\n"
        f"# Second\n\n{paragraph('c', 18)}\n"
    )
    frame = units(text)
    paths = {
        body.strip(): path
        for unit, path in zip(frame["text"], frame["headings"].to_list(), strict=True)
        for body in re.findall(r"^(?!#).+$", unit, re.MULTILINE)
    }
    assert paths[paragraph("b", 18)] == ["Guide", "Large"]
    assert paths["Few words."] == paths["Few more."] == ["Guide"]  # they share a unit
    assert paths[paragraph("c", 18)] == ["Second"]
    large = next(unit for unit in frame["text"] if "b17." in unit)
    assert "Small" not in large


def test_a_heading_stays_with_its_text() -> None:
    text = "".join(f"## H{n}\n\n{paragraph(f'w{n}x', 9)}\n\n" for n in range(12))
    for unit in units(text)["text"]:
        assert unit.startswith("## ")
        assert not unit.rsplit("\n", 1)[-1].startswith("#")


def test_headings_without_text_share_units() -> None:
    frame = units("# h\n" * 300)
    assert frame.height < 30
    assert "\n".join(frame["text"]) == "# h\n" * 299 + "# h"


def test_headings_in_code_are_no_headings() -> None:
    frame = units("# Real\n\n```sh\n# comment\n```\n\ntext\n")
    assert frame["headings"].to_list() == [["Real"]]
    long = units("```sh\n" + "".join(f"# note {n} in code\n" for n in range(40)) + "```\n")
    assert long.height > 1
    assert long["headings"].list.len().to_list() == [0] * long.height


def test_a_table_that_fits_is_kept_whole() -> None:
    table = "| name | year |\n|---|---|\n" + "".join(f"| n{n} | 19{n} |\n" for n in range(10, 14))
    frame = units(f"{paragraph('a', 12)}\n\n{table}\n{paragraph('b', 18)}\n")
    assert frame.height > 1
    assert sum(table.strip() in unit for unit in frame["text"]) == 1


def test_parts_of_a_long_table_repeat_its_head() -> None:
    rows = [f"| name {n} | {n} |" for n in range(40)]
    frame = units("| who | n |\n|---|---|\n" + "\n".join(rows))
    parts = [unit.split("\n") for unit in frame["text"]]
    assert len(parts) > 2
    assert all(part[:2] == ["| who | n |", "|---|---|"] for part in parts)
    assert [row for part in parts for row in part[2:]] == rows


def test_overlap_is_whole_sentences_of_the_same_section() -> None:
    sentences = [f"Fact number {n} is here." for n in range(60)]
    frame = units("# One\n\n" + " ".join(sentences) + "\n\n# Two\n\n" + paragraph("z", 20))
    texts = frame["text"].to_list()
    for before, after in itertools.pairwise(texts):
        if after.startswith("# Two"):
            continue
        shared = next(n for n in range(len(after), -1, -1) if before.endswith(after[:n].rstrip()))
        repeated = after[:shared].strip()
        assert re.fullmatch(r"(?:Fact number \d+ is here\. ?)+", repeated)
        assert tokens.count(repeated) <= SMALL.overlap
    assert not any("Fact" in text for text in texts if "# Two" in text)


def test_without_overlap_nothing_is_repeated() -> None:
    text = " ".join(f"Fact number {n} is here." for n in range(60))
    frame = units(text, ChunkSettings(max_tokens=60, overlap=0))
    assert " ".join(frame["text"].to_list()) == text


def test_long_units_end_at_paragraphs_before_sentences() -> None:
    text = "\n\n".join(f"Start {n}. {paragraph(f'w{n}y', 5)} End {n}." for n in range(30))
    for unit in units(text)["text"]:
        assert re.search(r"End \d+\.$", unit)


@pytest.mark.parametrize("text", ["a" * 5000, "a" * 100_000, "é" * 3000, "=" * 4000])
def test_text_without_any_boundary_is_cut_at_tokens(text: str) -> None:
    frame = units(text)
    assert "".join(frame["text"].to_list()) == text
    assert frame["n_tokens"].max() == pytest.approx(SMALL.max_tokens, abs=SMALL.overlap)


@pytest.mark.parametrize("overlap", [60, 61])
def test_an_overlap_that_leaves_no_room_is_refused(overlap: int) -> None:
    with pytest.raises(SettingsError, match=r"chunks\.overlap") as caught:
        units("text", ChunkSettings(max_tokens=60, overlap=overlap))
    assert "chunks.max_tokens" in caught.value.hint


@pytest.mark.data
def test_units_of_real_prose_are_full_and_few(test_data: Path) -> None:
    files = sorted((test_data / "gutenberg").glob("*.txt"))
    documents = [Document(source=f.name, text=f.read_text(encoding="utf-8")) for f in files]
    frame = split_documents(documents, settings=ChunkSettings())
    whole = sum(tokens.counts([document.text for document in documents]))
    assert frame["n_tokens"].sum() < 1.1 * whole  # what the overlap repeats
    assert frame.height <= 1.3 * whole / ChunkSettings().max_tokens + len(files)


@pytest.mark.data
@pytest.mark.parametrize("name", ["gutenberg/holmes_03.txt", "dulce/operation_dulce.md"])
@pytest.mark.parametrize("flat", [False, True])
def test_an_edit_near_the_beginning_changes_few_units(
    test_data: Path, name: str, flat: bool
) -> None:
    paragraphs = (test_data / name).read_text(encoding="utf-8").split("\n\n")
    joint = " " if flat else "\n\n"  # flat: one paragraph of 100 KB
    before = set(units(joint.join(paragraphs), ChunkSettings())["id"])
    assert len(before) > 20
    choice = random.Random(7)
    changed: list[int] = []
    for _ in range(24 if SOAK else 4):
        edited = list(paragraphs)
        edited[choice.randrange(len(edited) // 5)] += " Somebody put a sentence in here."
        after = units(joint.join(edited), ChunkSettings())["id"]
        changed.append(sum(key not in before for key in after))
    assert sum(changed) / len(changed) <= 2.5
    assert sorted(changed)[-3] <= 4


@given(TEXTS)
def test_blocks_are_the_whole_text(text: str) -> None:
    found = blocks(text)
    assert "".join(text[block.start : block.end] for block in found) == (text if found else "")
    assert bool(found) == bool(text.strip())


def test_blocks_of_every_kind() -> None:
    text = (
        "\n# One #\npara\ngraph\n\n- a\n\n- b\n  more\n\nTwo [link](x) `c`\n---\n"
        "| a |\n| 1 |\n~~~\n# no\n~~~\n#tag is text\n"
    )
    assert [(block.kind, block.level, block.title) for block in blocks(text)] == [
        ("heading", 1, "One"),
        ("paragraph", 0, ""),
        ("list", 0, ""),
        ("heading", 2, "Two link c"),
        ("table", 0, ""),
        ("code", 0, ""),
        ("paragraph", 0, ""),
    ]
    assert first_heading(text) == "One"
    assert first_heading("no heading\n\nhere") == ""
