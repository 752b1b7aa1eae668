"""Corrections: what is read and refused, what a line says, what they do to names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl
import pytest

from graphrag.core.errors import NotFoundError, SettingsError
from graphrag.core.settings import ResolutionSettings
from graphrag.indexing.extraction.evidence import CurrentEvidence
from graphrag.indexing.resolution.corrections import (
    FILE_NAME,
    add_correction,
    corrections_of,
    read_corrections,
    remove_correction,
    tell_apart,
    warnings,
)
from graphrag.indexing.resolution.resolve import resolve
from tests.hostile import HOSTILE

MENTIONS = {"Fram": 3, "the Fram of 1892": 1, "Nansen": 5, "Fridtjof Nansen": 2, "Gjøa": 4}


def names(
    rows: Sequence[Mapping[str, object]], **settings: tuple[tuple[str, ...], ...]
) -> dict[str, str]:
    """The name of its entity, by mentioned name."""
    resolution = resolve(
        MENTIONS,
        aliases=[],
        settings=ResolutionSettings(**settings),  # pyright: ignore[reportArgumentType]
        corrections=corrections_of(rows),
    )
    of = {alias: key for key, held in resolution.aliases.items() for alias in held}
    return {name: resolution.names[of[name]] if name in of else name for name in MENTIONS}


def test_merges_and_renames_give_the_name() -> None:
    told = names([{"merge": ["Fridtjof Nansen", "Nansen"]}, {"rename": "Gjøa", "to": "Gjoa"}])
    assert told["Nansen"] == told["Fridtjof Nansen"] == "Fridtjof Nansen"
    assert told["Gjøa"] == "Gjoa"
    assert told["Fram"] == "Fram"


def test_a_name_is_spelled_as_a_rename_or_a_merge_says() -> None:
    assert names([{"rename": "Fram", "to": "FRAM"}])["Fram"] == "FRAM"
    again = [{"rename": "Fram", "to": "FRAM"}, {"rename": "FRAM", "to": "Fram's"}]
    assert names(again)["Fram"] == names(again[::-1])["Fram"] == "Fram's"
    after = [{"rename": "Gjøa", "to": "Fram"}, {"rename": "Fram", "to": "FRAM"}]
    assert names(after)["Gjøa"] == names(after[::-1])["Fram"] == "FRAM"
    away = [{"rename": "Fram", "to": "FRAM"}, {"rename": "FRAM", "to": "Gjøa"}]
    assert names(away)["Fram"] == names(away[::-1])["Gjøa"] == "Gjøa"
    merged = names([{"merge": ["FRAM", "Fram", "Gjøa"]}])
    assert merged["Fram"] == merged["Gjøa"] == "FRAM"


def test_renames_follow_one_another() -> None:
    told = names([{"rename": "Fram", "to": "A"}, {"rename": "A", "to": "B"}])
    assert told["Fram"] == "B"


def test_corrections_win_over_settings() -> None:
    merged = names(
        [{"merge": ["Fram", "Gjøa"]}],
        never_join=(("Fram", "Gjøa", "Nansen"),),
        always_join=(("the Fram of 1892", "Fram"), ("Gjøa", "Nansen")),
    )
    assert merged["Gjøa"] == merged["Fram"] == merged["the Fram of 1892"] == "Fram"
    assert merged["Nansen"] == "Nansen"
    apart = names(
        [{"split": "Fram", "to": "the Fram of 1892", "documents": ["a"]}],
        always_join=(("Fram", "the Fram of 1892"),),
    )
    assert apart["the Fram of 1892"] != apart["Fram"]


@pytest.mark.parametrize(
    "rows",
    [
        [{"rename": "A", "to": "X"}, {"rename": "A", "to": "Y"}],
        [{"rename": "A", "to": "a"}, {"rename": "A", "to": "A's"}],
        [{"rename": "A", "to": "a"}, {"rename": "a", "to": "A"}],
        [{"rename": "A", "to": "a"}, {"rename": "A", "to": "B"}],
        [{"merge": ["A", "B"]}, {"merge": ["B", "A"]}],
        [{"merge": ["A", "B"]}, {"hide": "b"}],
        [{"hide": "A"}, {"retype": "A", "to": "ship"}],
        [{"merge": ["A", "B"]}, {"retype": "A", "to": "ship"}, {"retype": "B", "to": "person"}],
        [{"split": "A", "to": "B", "context": ["x"]}, {"rename": "B", "to": "A"}],
        [{"split": "A", "to": "B", "context": ["x"]}, {"hide": "B"}],
        [
            {"split": "A", "to": "B", "documents": ["x", "y"]},
            {"split": "a", "to": "C", "documents": ["y"]},
        ],
        [
            {"split": "A", "to": "B", "context": ["x"]},
            {"split": "A", "to": "C", "context": ["z", "X"]},
        ],
    ],
)
def test_contradictions_are_named(rows: list[dict[str, object]]) -> None:
    for given in (rows, rows[::-1]):
        with pytest.raises(SettingsError, match=r"items \d(, \d)+ contradict each other"):
            corrections_of([{"retype": "Z", "to": "z"}, *given])
    for row in rows:
        corrections_of([row])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{merge: [A, B]}", "no list"),
        ("- merge: [A]", "item 1 .merge.: merge"),
        ("- hide: Note\n- rename: A", "item 2 .rename.: 'to' is missing"),
        ("- hide: A\n  merge: [A, B]", "item 1 is no correction"),
        ("- just words", "item 1 is no correction"),
        ("- hide: ''", "item 1 .hide."),
        ("- {hide: A, colour: red}", "colour"),
        ("- {split: A, to: B}", "say documents, or context"),
        ("- {split: A, to: a, context: [x]}", "the two names are one"),
        ("- {rename: A, to: ' A'}", "item 1 .rename.: these are one name already"),
        ("- {merge: [A, A]}", "item 1 .merge.: these are one name already"),
        ("- {split: A, to: B, context: [x], documents: [y]}", "say documents, or context"),
        ("- [", "cannot be read"),
        ("- !!python/object:os.system {}", "cannot be read"),
    ],
)
def test_bad_files_are_refused_with_their_item(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / FILE_NAME).write_text(text)
    with pytest.raises(SettingsError, match=said):
        read_corrections(tmp_path)


def test_a_line_is_added_and_comments_stay(tmp_path: Path) -> None:
    assert read_corrections(tmp_path).items == ()
    line = add_correction(tmp_path, {"merge": ["Fram", "the Fram: of 1892"]})
    file = tmp_path / FILE_NAME
    file.write_text(file.read_text() + "# because she was renamed\n")
    add_correction(tmp_path, {"hide": "Note"})
    lines = file.read_text().splitlines()
    assert lines[1:] == [f"- {line}", "# because she was renamed", "- {hide: Note}"]
    with pytest.raises(SettingsError, match="the new correction contradicts item 2: 'Note'") as one:
        add_correction(tmp_path, {"retype": "Note", "to": "ship"})
    assert "not written" in one.value.hint
    assert add_correction(tmp_path, {"merge": [" Fram", "the Fram: of 1892"]}) == line
    assert file.read_text().splitlines() == lines


def test_a_file_in_another_form_is_not_spoilt(tmp_path: Path) -> None:
    file = tmp_path / FILE_NAME
    file.write_text("[{hide: A}]\n")
    assert len(read_corrections(tmp_path).items) == 1
    with pytest.raises(SettingsError):
        add_correction(tmp_path, {"hide": "B"})
    assert file.read_text() == "[{hide: A}]\n"


def test_hostile_names_come_back_as_they_were(tmp_path: Path) -> None:
    texts = [text.strip() for text in HOSTILE.values() if text.strip() and "\ud800" not in text]
    for text in texts:
        add_correction(tmp_path, {"hide": text})
    read = read_corrections(tmp_path)
    assert [item.model_dump()["hide"] for item in read.items] == texts
    assert len((tmp_path / FILE_NAME).read_text(encoding="utf-8").split("\n- ")) == len(texts) + 1


def said(rows: Sequence[Mapping[str, object]]) -> list[str]:
    texts = {"sky.md": "Mercury has an orbit.", "lab.md": "Quicksilver pours."}
    documents = pl.DataFrame({"id": list(texts), "source": [f"notes/{name}" for name in texts]})
    units = pl.DataFrame(
        {"text_unit_id": list(texts), "document_id": list(texts), "text": list(texts.values())}
    )
    entities = pl.DataFrame(
        {"text_unit_id": list(texts), "norm": ["mercury", "quicksilver"], "name": ["Mercury", "Q"]}
    )
    ends = ("text_unit_id", "source_norm", "target_norm", "subject", "object")
    no_ends = pl.DataFrame(schema=dict.fromkeys(ends, pl.String))
    evidence = CurrentEvidence(units, entities, no_ends, no_ends, [])
    corrections = corrections_of(rows)
    names = set(tell_apart(evidence, corrections, documents).entities["norm"])
    found = warnings(corrections.notes(evidence, documents, names))
    return [one.removeprefix(f"{FILE_NAME}, ").split(";")[0] for one in found]


def test_what_is_not_there_is_said_once_with_its_items() -> None:
    assert said([{"retype": "Mercury", "to": "god"}, {"merge": ["New", "Mercury"]}]) == []
    assert said([{"hide": "Note"}, {"merge": ["X", "Mercury", "Maud"]}]) == [
        "item 1: nothing is called 'Note'",
        "item 2: nothing is called 'Maud'",
    ]
    twice = [{"rename": "Typo", "to": "TYPO"}, {"retype": "Typo", "to": "god"}]
    assert said(twice) == ["item 1: nothing is called 'Typo'"]
    assert said([{"retype": "Note", "to": "a"}] * 2) == ["items 1, 2: nothing is called 'Note'"]
    renamed = [{"rename": "Mercury", "to": "Hermes"}, {"retype": "Hermes", "to": "god"}]
    assert said(renamed) == []


def test_a_split_that_finds_nothing_says_what() -> None:
    def split(**where: list[str]) -> Mapping[str, object]:
        return {"split": "Mercury", "to": "Quicksilver", **where}

    assert said([split(documents=["sky.md"])]) == said([split(context=["ORBIT"])]) == []
    after: Mapping[str, object] = {"retype": "Quicksilver", "to": "metal"}
    for where, what in (
        (split(documents=["no.md"]), "no document is 'no.md'"),
        (split(context=["xyzzy"]), "no text has 'xyzzy'"),
        (split(context=["xyzzy", "orbit"]), "no text has 'xyzzy'"),
        (split(context=["pours"]), "nothing is called 'Mercury' where it is split, by 'pours'"),
    ):
        assert said([where, after]) == [f"item 1: {what}"]
    assert said([split(context=["pours", "xyzzy"])]) == [
        "item 1: no text has 'xyzzy'",
        "item 1: nothing is called 'Mercury' where it is split, by 'pours'",
    ]


def test_an_item_is_taken_out_by_its_number(tmp_path: Path) -> None:
    file = tmp_path / FILE_NAME
    file.write_text(
        "# one\n- {hide: A}\n- retype: B\n  to: ship\n# about C\n- hide: C  # it is none\n"
    )
    remove_correction(tmp_path, 2)
    assert file.read_text() == "# one\n- {hide: A}\n# about C\n- hide: C  # it is none\n"
    for number in (0, 3, -1):
        with pytest.raises(NotFoundError, match=f"no item {number}"):
            remove_correction(tmp_path, number)
    remove_correction(tmp_path, 2)
    remove_correction(tmp_path, 1)
    assert read_corrections(tmp_path).items == ()
    add_correction(tmp_path, {"hide": "D"})
    assert [item.model_dump() for item in read_corrections(tmp_path).items] == [{"hide": "D"}]
    file.write_text("[{hide: A}, {hide: B}]\n")
    with pytest.raises(SettingsError, match="no item a line"):
        remove_correction(tmp_path, 1)
    assert file.read_text() == "[{hide: A}, {hide: B}]\n"
