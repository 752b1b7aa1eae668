"""Planted quotes: every true one is verified, no false one is."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphrag.query.answering.citations import check
from graphrag.text import sentences
from tests.hostile import SOAK

# Sentences of ours; each unit is one text, so that a quote can go wrong across its sentences.
UNITS = (
    "The lighthouse at Skarv Point was lit for the first time on 4 October 1867. It stands 31.5 "
    "metres above the sea and is not open to visitors in winter. Its first keeper, Ingrid Solheim, "
    "served for 22 years and never missed a night. When she died, the harbour master Anders Lund "
    "wrote that “nobody on this coast owed her less than his life”.",
    "Brennan & Oyelaran Ltd. reported revenue of $4.2 million in 2019, up 17% from 2018, but the "
    "company did not pay a dividend. Its founder, Tunde Oyelaran, sold no shares. Maeve Brennan "
    "left the board in March 2020 after 11 years; the reasons were never made public. The audit by "
    "Castell Partners found that 3 of 14 contracts had been signed twice.",
    "The river Orlava rises in the Kamen Hills and flows 412 km north to the Gulf of Tesh. Unlike "
    "its neighbour, the Drava Mala, it has no dams. In the flood of 1931 – the worst on record – "
    "the town of Velin lost 68 houses and both of its bridges. The poet Jana Krall's best-known "
    "elegy, “The Drowned Street”, is about that night; she hadn’t been in Velin herself.",
    "Compound VX-12 melts at -38.5 °C and boils at 201 °C. It cannot be stored in copper vessels. "
    "Dr. Paolo Ferri and Dr. Lina Haddad first made it in Turin in 1974; Haddad, not Ferri, "
    "described its structure. A litre costs about €1,250, roughly 1.5 times the price of VX-9.",
    "Queen Marguerite of Aubrac married Duke Renaud of Sancy in 1388, and their son Philippe was "
    "born two years later. Renaud was killed at the siege of Montclar. Marguerite ruled without a "
    "council until 1402, when Philippe came of age. The chronicler Odo of Lisle calls her "
    "“neither cruel nor kind, but exact”.",
)  # fmt: skip

PARAPHRASES = (
    (0, "The Skarv Point lighthouse was first lit on 4 October 1867."),
    (0, "It is 31.5 metres above sea level and closed to visitors in winter."),
    (0, "Its first keeper, Ingrid Solheim, worked there for 22 years and never missed a night."),
    (0, "Her first keeper, Ingrid Solheim, served for 22 years and always missed a night."),
    (0, "The lighthouse at Skarv Point was lit for the last time on 4 October 1867."),
    (1, "Brennan & Oyelaran Ltd. reported profit of $4.2 million in 2019, up 17% from 2018"),
    (1, "Brennan & Oyelaran Ltd. reported revenue of $4.2 million in 2019, down 17% from 2018"),
    (1, "Maeve Brennan joined the board in March 2020 after 11 years"),
    (1, "The audit by Castell Partners found that 3 of 14 contracts had been signed once."),
    (1, "Its founder, Tunde Oyelaran, bought no shares."),
    (2, "The river Orlava rises in the Kamen Hills and flows 412 km south to the Gulf of Tesh."),
    (2, "The river Orlava starts in the Kamen Hills and runs 412 km north to the Gulf of Tesh."),
    (2, "In the flood of 1931 – the best on record – the town of Velin lost 68 houses"),
    (2, "the town of Velin gained 68 houses and both of its bridges"),
    (2, "The poet Jana Krall's least-known elegy, “The Drowned Street”, is about that night"),
    (3, "Compound VX-12 boils at -38.5 °C and melts at 201 °C."),
    (3, "It cannot be kept in copper containers."),
    (3, "Haddad, and Ferri, described its structure."),
    (3, "A litre costs almost €1,250, roughly 1.5 times the price of VX-9."),
    (4, "Queen Marguerite of Aubrac divorced Duke Renaud of Sancy in 1388"),
    (4, "Renaud was wounded at the siege of Montclar."),
    (4, "Marguerite ruled with a council until 1402, when Philippe came of age."),
    (4, "their daughter Philippe was born two years later"),
    (4, "their son Philippe was born two years earlier"),
)

INVENTED = (
    (0, "The lamp was made in Paris by Henri Lepaute."),
    (0, "Ingrid Solheim saved forty sailors in the storm of 1875."),
    (1, "Castell Partners was founded in Dublin by two brothers."),
    (1, "The company employs 240 people in Lagos and Cork."),
    (2, "Jana Krall was born in Velin and drowned in the Orlava."),
    (2, "The dam at Kamen was finished in 1956 after ten years of work."),
    (3, "Lina Haddad won the national prize for chemistry."),
    (3, "VX-12 is used to clean lenses and mirrors."),
    (4, "Odo of Lisle was the queen's confessor and her cousin."),
    (4, "The siege of Montclar lasted eleven months."),
)

HAND_TRUE = (
    (0, "lit for the first time on 4 October 1867"),
    (0, "is not open to visitors in winter"),
    (0, '"nobody on this coast owed her less than his life"'),
    (0, "served for 22 years and never missed a night"),
    (0, "IT STANDS 31.5 METRES ABOVE THE SEA"),
    (0, "Its first keeper, Ingrid Solheim … never missed a night"),
    (0, "Its first keeper ... served for 22 years"),
    (0, "The lighthouse at Skarv Point [...] stands 31.5 metres above the sea"),
    (0, "… its first keeper, Ingrid Solheim, served for 22 years …"),
    (1, "revenue of $4.2 million in 2019, up 17 % from 2018"),
    (1, "Its founder, Tunde Oyelaran, sold no shares"),
    (1, "the company did not pay a dividend."),
    (1, "Brennan & Oyelaran Ltd. ... did not pay a dividend"),
    (1, "found that **3 of 14 contracts** had been signed twice"),
    (2, "In the flood of 1931 - the worst on record - the town of Velin lost 68 houses"),
    (2, "In the flood of 1931—the worst on record—the town of Velin lost 68 houses"),
    (2, "The poet Jana Krall’s best‑known elegy, 'The Drowned Street', is about that night"),
    (2, "she hadn't been in Velin herself"),
    (2, "it has no dams"),
    (2, "The poet Jana Krall's best known elegy, The Drowned Street, is about that night"),
    (3, "Compound VX-12 melts at −38.5 °C and boils at 201 °C"),
    (3, "It cannot be stored in copper vessels"),
    (3, "Haddad, not Ferri, described its structure"),
    (3, "first made it in Turin in １９７４"),
    (3, "Dr Paolo Ferri and Dr Lina Haddad first made it in Turin in 1974"),
    (4, "Marguerite ruled without a council until 1402"),
    (4, '"neither cruel nor kind, but exact"'),
    (4, "Queen Marguerite of Aubrac married Duke Renaud of Sancy … and their son Philippe"),
    (4, "their son Phi\u00adlippe was born two\u200b years later"),
    (4, "the siege of\n    Montclar. Marguerite ruled without"),
)

HAND_FALSE = (
    # what was left out turns the meaning round
    (0, "is ... open to visitors in winter"),
    (0, "open to visitors in winter"),
    (0, "Ingrid Solheim ... missed a night"),
    (1, "the company did ... pay a dividend"),
    (1, "the company did pay a dividend"),
    (1, "the reasons were ... made public"),
    (2, "it has ... dams"),
    (3, "It can be stored in copper vessels"),
    (4, "ruled ... a council until 1402"),
    # added
    (0, "The lighthouse at Skarv Point was not lit for the first time on 4 October 1867"),
    (1, "The audit by Castell Partners never found that 3 of 14 contracts had been signed twice"),
    (2, "the town of Velin lost no 68 houses and both of its bridges"),
    (4, "Renaud wasn't killed at the siege of Montclar"),
    # cut numbers, signs and words
    (0, "It stands 1.5 metres above the sea"),
    (0, "5 metres above the sea and is"),
    (1, "up 17 from 2018, but the company"),
    (1, "2 million in 2019, up 17% from 2018"),
    (3, "melts at 38.5 °C and boils at 201 °C"),
    (3, "38.5 °C and boils at 201 °C"),
    (3, "A litre costs about €1.250, roughly 1.5 times"),
    (2, "like its neighbour, the Drava Mala, it"),
    # put together from several places
    (0, "Ingrid Solheim ... Anders Lund ... life"),
    (1, "Tunde Oyelaran ... left the board in March 2020"),
    (3, "Paolo Ferri ... described its structure"),
    (4, "Queen Marguerite ... was killed at the siege of Montclar"),
    (0, "wrote that Ingrid Solheim, served for 22 years"),
    (4, "born two years later Renaud was killed"),
    # another order
    (1, "but the company did not pay a dividend ... reported revenue of $4.2 million"),
    (4, "but exact, neither cruel nor kind"),
)

SHORT = ("", " ", "…", "...", '""', "a", "the", "in", "of the", "was", "He is", "19", "1867", "[1]")


def _numbers(sentence: str) -> Iterator[str]:
    for match in re.finditer(r"\d+", sentence):
        changed = str(int(match[0]) + 1)
        yield sentence[: match.start()] + changed + sentence[match.end() :]


def _negations(sentence: str) -> Iterator[str]:
    for match in re.finditer(r"\b(?:not|no|never|nobody|without|neither)\b ?|n[’']t\b", sentence):
        yield sentence[: match.start()] + sentence[match.end() :]
    for match in re.finditer(r"\b(?:was|is|are|were|has|had|can|did|will)\b", sentence):
        yield f"{sentence[: match.end()]} not{sentence[match.end() :]}"


def _swapped_names(sentence: str) -> Iterator[str]:
    names = list(re.finditer(r"\b[A-Z][a-z]{3,}\b", sentence))
    for one, other in pairwise(names):
        if one[0] != other[0]:
            between = sentence[one.end() : other.start()]
            yield sentence[: one.start()] + other[0] + between + one[0] + sentence[other.end() :]


def _typography(sentence: str) -> Iterator[str]:
    yield sentence
    yield sentence.replace(" ", "  \n ")
    yield sentence.replace(" ", "\u00a0")
    yield unicodedata.normalize("NFD", sentence)
    yield f"“{sentence}”"
    yield sentence.replace("“", '"').replace("”", '"').replace("’", "'")
    yield sentence.replace("fi", "ﬁ").replace("ff", "ﬀ")
    yield sentence.replace("e", "e\u00ad")
    yield sentence.replace("i", "\u200bi")
    yield sentence.replace(" – ", "—").replace(" the ", " *the* ")
    yield sentence.rstrip(".") + " ..."


def _elided(sentence: str) -> Iterator[str]:
    words = sentence.split()
    left_out = words[4:-4]
    if len(left_out) > 1 and not any(map(_vital, words)):
        for mark in ("…", "...", "[…]", "[...]", ". . ."):
            yield " ".join([*words[:4], mark, *words[-4:]])


_VITAL = re.compile(
    r"\b(?:not|no|never|nobody|neither|nor|without|cannot)\b|n[’']t\b", re.IGNORECASE
)


def _vital(word: str) -> bool:
    return bool(_VITAL.search(word))


def _table(make: Callable[[str], Iterator[str]], units: tuple[str, ...]) -> list[tuple[str, str]]:
    return [
        (quote, unit)
        for unit in units
        for start, end in sentences(unit)
        for quote in make(unit[start:end])
    ]


TRUE = [
    *((quote, UNITS[unit]) for unit, quote in HAND_TRUE),
    *_table(_typography, UNITS),
    *_table(_elided, UNITS),
]
FALSE = [
    *((quote, UNITS[unit]) for unit, quote in (*HAND_FALSE, *PARAPHRASES, *INVENTED)),
    *((quote, unit) for unit in UNITS for quote in SHORT),
    *_table(_numbers, UNITS),
    *_table(_negations, UNITS),
    *_table(_swapped_names, UNITS),
]


def test_the_table_is_large() -> None:
    assert len(TRUE) >= 100
    assert len(FALSE) >= 100


@pytest.mark.parametrize(("quote", "unit"), TRUE)
def test_true_quotes_are_verified(quote: str, unit: str) -> None:
    assert check(quote, unit)


@pytest.mark.parametrize(("quote", "unit"), FALSE)
def test_false_quotes_are_not(quote: str, unit: str) -> None:
    assert not check(quote, unit)


@pytest.mark.data
def test_quotes_from_real_passages(test_data: Path) -> None:
    lines = (test_data / "2wiki" / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    units = tuple(json.loads(line)["text"] for line in lines[: 120 if SOAK else 40])
    missed = [
        pair for make in (_typography, _elided) for pair in _table(make, units) if not _is_fit(pair)
    ]
    wrong = [
        pair
        for make in (_numbers, _negations, _swapped_names)
        for pair in _table(make, units)
        if check(*pair)
    ]
    assert missed == []
    assert wrong == []


def _is_fit(pair: tuple[str, str]) -> bool:
    """Verified, or too short to be asked for."""
    return check(*pair) or len(re.findall(r"\w+", pair[0])) < 5


@given(st.text(max_size=80), st.text(max_size=200))
def test_any_text_can_be_checked(quote: str, unit: str) -> None:
    assert check(quote, unit) in (True, False)


@given(st.integers(0, len(UNITS) - 1), st.integers(0, 60), st.integers(5, 20))
def test_any_run_of_words_is_verified(unit: int, start: int, count: int) -> None:
    words = UNITS[unit].split()
    run = words[start : start + count]
    around = words[max(0, start - 1) : start + count + 1]
    if len(run) >= 5 and not any(map(_vital, around)):
        assert check(" ".join(run), UNITS[unit])


def test_a_quote_of_another_unit_is_not_verified() -> None:
    quote = "Renaud was killed at the siege of Montclar."
    assert check(quote, UNITS[4])
    assert not any(check(quote, unit) for unit in UNITS[:4])


def test_one_slip_in_a_long_word_is_forgiven_and_two_are_not() -> None:
    unit = "The commission examined the accommodation of all its members in the eastern province."
    assert check(unit.replace("accommodation", "accomodation"), unit)
    worse = unit.replace("accommodation", "accomodation").replace("commission", "comission")
    assert not check(worse, unit)


def test_scripts_without_spaces() -> None:
    unit = "福尔摩斯住在贝克街221号。他不喜欢音乐会，但是喜欢小提琴。"
    assert check("福尔摩斯住在贝克街221号", unit)
    assert check("但是喜欢小提琴", unit)
    assert not check("福尔摩斯住在贝克街222号", unit)
    assert not check("他喜欢音乐会", unit)
    assert not check("喜欢音乐会", unit)
