from __future__ import annotations

import pytest

from graphrag.text import normalise
from graphrag.text.subjects import defined_name, opening_names, title_names


@pytest.mark.parametrize(
    ("title", "names"),
    [
        ("Blood Street (film)", {"blood street film": 1.0, "blood street": 1.0}),
        ("The Ems, a river", {"the ems a river": 1.0, "ems a river": 0.9, "the ems": 0.6}),
        ("Ems – Gazetteer", {"ems gazetteer": 1.0, "ems": 0.6}),
        ("", {}),
    ],
)
def test_the_names_of_a_title(title: str, names: dict[str, float]) -> None:
    assert title_names(title, key=normalise) == names


@pytest.mark.parametrize(
    ("title", "text", "names"),
    [
        ("", "Ada King Lovelace wrote it.",
         {"ada king lovelace": 0.7, "ada lovelace": 0.5, "king lovelace": 0.5}),
        ("Lovelace", "Ada Lovelace wrote it.", {"ada lovelace": 0.7}),
        ("Engines", "Ada Lovelace wrote it.", {}),
        ("", "# Engines\n\nAda Lovelace wrote it.", {"ada lovelace": 0.7}),
        ("", "It rains. Ada left.", {}),
        ("", "In 1977 the Ems rose.", {"ems": 0.7}),
        ("", "it rains", {}),
    ],
)  # fmt: skip
def test_the_names_of_an_opening(title: str, text: str, names: dict[str, float]) -> None:
    assert opening_names(text, title=title, key=normalise) == names


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Leo Fong (born 1928) acted.", "leo fong"),
        ('"Blood Street" was a film.', "blood street"),
        ("Robert N. Bradbury was a director.", "robert n bradbury"),
        ("Anton – ein Dorf in Sachsen.", "anton"),
        ("# Ems\nThe Ems is a river.", "the ems"),
        ("It rained. Leo was late.", ""),
        ("Leo left early.", ""),
        ("Nobody who came was late.", ""),
        ("", ""),
    ],
)
def test_a_definition_begins_with_its_name(text: str, name: str) -> None:
    assert defined_name(text).casefold() == name
