"""Corrections: what is read and refused, what a line says, what they do to names."""

from __future__ import annotations

from pathlib import Path

import pytest

from graphrag.core.errors import SettingsError
from graphrag.core.settings import ResolutionSettings
from graphrag.indexing.resolution.corrections import (
    FILE_NAME,
    add_correction,
    corrections_of,
    read_corrections,
    remove_correction,
)
from graphrag.indexing.resolution.resolve import resolve
from tests.hostile import HOSTILE

MENTIONS = {"Fram": 3, "the Fram of 1892": 1, "Nansen": 5, "Fridtjof Nansen": 2, "Gjøa": 4}


def names(rows: list[dict[str, object]], **settings: tuple[tuple[str, ...], ...]) -> dict[str, str]:
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
        [{"merge": ["A", "B"]}, {"merge": ["B", "A"]}],
        [{"merge": ["A", "B"]}, {"hide": "b"}],
        [{"hide": "A"}, {"retype": "A", "to": "ship"}],
        [{"merge": ["A", "B"]}, {"retype": "A", "to": "ship"}, {"retype": "B", "to": "person"}],
        [{"split": "A", "to": "B", "context": ["x"]}, {"rename": "B", "to": "A"}],
        [{"split": "A", "to": "B", "context": ["x"]}, {"hide": "B"}],
    ],
)
def test_contradictions_are_named(rows: list[dict[str, object]]) -> None:
    for given in (rows, rows[::-1]):
        with pytest.raises(SettingsError, match="contradict"):
            corrections_of(given)
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
    with pytest.raises(SettingsError, match="contradict"):
        add_correction(tmp_path, {"retype": "Note", "to": "ship"})
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


def test_names_that_are_not_there_are_said(tmp_path: Path) -> None:
    rows = [{"hide": "Note"}, {"merge": ["New", "Fram", "Maud"]}, {"retype": "Fram", "to": "ship"}]
    said = list(corrections_of(rows).absent({"fram"}, ()))
    assert ["Note" in said[0], "Maud" in said[1], len(said)] == [True, True, 2]


def test_an_item_is_taken_out_by_its_number(tmp_path: Path) -> None:
    file = tmp_path / FILE_NAME
    file.write_text(
        "# one\n- {hide: A}\n- retype: B\n  to: ship\n# about C\n- hide: C  # it is none\n"
    )
    remove_correction(tmp_path, 2)
    assert file.read_text() == "# one\n- {hide: A}\n# about C\n- hide: C  # it is none\n"
    for number in (0, 3, -1):
        with pytest.raises(SettingsError, match=f"no item {number}"):
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
