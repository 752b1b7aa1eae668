"""The figures of the proof on extractions whose figures are known, and who wins by them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from graphrag import prompts
from graphrag.indexing.extraction.extract import Extraction, FoundEntity, FoundRelationship
from graphrag.tuning.judging import Preferences, outcome
from graphrag.tuning.measuring import Contender, Figures, compare, figures, verdict
from graphrag.tuning.sampling import SourceUnit

TEXT = "Ada met Charles. It rained. It poured. Mary stayed in London."
UNIT = SourceUnit("u", "a.txt", 0, (), TEXT, 500)
CONTENDER = Contender(prompts.load("indexing/extract"), ("person", "place"))
EVEN = Figures(
    parse_failures=0,
    entities=10,
    entities_per_1k=20.0,
    relationships_per_1k=10.0,
    named_share=0.8,
    named_per_1k=16.0,
    together_share=0.5,
    together_per_1k=5.0,
    type_coverage=0.5,
    type_entropy=1.0,
    agreement=0.8,
    tokens_per_unit=900.0,
)


def found(*entities: tuple[str, str], pairs: tuple[tuple[str, str], ...] = ()) -> Extraction:
    return Extraction(
        entities=[FoundEntity(name=name, type=kind) for name, kind in entities],
        relationships=[FoundRelationship(source=one, target=other) for one, other in pairs],
    )


def test_figures_of_known_extractions() -> None:
    first = found(
        ("Ada", "person"),
        ("Charles", "Person"),
        ("Mary", "person"),
        ("Paris", "city"),
        pairs=(("Ada", "Charles"), ("Ada", "Mary")),
    )
    second = found(("Ada", "person"), ("Mary", "person"))
    told = figures(CONTENDER, [UNIT, UNIT], ([first, None], [second, None]))
    assert told.parse_failures == 2
    assert told.entities == 6
    assert told.entities_per_1k == 6.0  # two runs over 500 tokens
    assert told.relationships_per_1k == 2.0
    assert told.named_share == round(5 / 6, 4)
    assert told.named_per_1k == 5.0
    assert told.together_share == 0.5  # Ada and Mary stand four sentences apart
    assert told.together_per_1k == 1.0
    assert told.type_coverage == 0.5
    assert told.type_entropy == 0.65  # of five persons and a city
    assert told.agreement == 0.5  # two of four names
    assert told.tokens_per_unit > 300


def test_nothing_found_has_no_shares() -> None:
    told = figures(CONTENDER, [UNIT], ([None], [found()]))
    assert (told.named_share, told.together_share, told.type_entropy) == (None, None, None)
    assert (told.agreement, told.entities, told.parse_failures) == (None, 0, 1)
    assert verdict(compare(told, told))[0] == "equal"


@pytest.mark.parametrize(
    ("change", "wins"),
    [
        ({}, "equal"),
        ({"named_share": 0.9}, "tuned"),
        ({"named_share": 0.75}, "packaged"),
        ({"named_share": 0.81}, "equal"),  # within the tolerance
        ({"named_per_1k": 17.0}, "equal"),
        ({"named_per_1k": 30.0}, "tuned"),
        ({"together_per_1k": 2.0}, "packaged"),
        ({"agreement": 0.9, "type_coverage": 0.2}, "equal"),
        ({"agreement": 0.9, "type_coverage": 0.9, "together_share": 0.1}, "tuned"),
        ({"entities_per_1k": 99.0, "tokens_per_unit": 9000.0, "type_entropy": 3.0}, "equal"),
        # Two reasons that nothing outweighs.
        ({"parse_failures": 1, "agreement": 1.0, "type_coverage": 1.0}, "packaged"),
        ({"named_share": 0.65, "agreement": 1.0, "type_coverage": 1.0}, "packaged"),
    ],
)
def test_who_wins(change: dict[str, float], wins: str) -> None:
    side, reason = verdict(compare(EVEN, replace(EVEN, **change)))  # type: ignore[arg-type]
    assert side == wins
    assert reason


def test_the_judge_counts_like_two_figures() -> None:
    rows = compare(EVEN, replace(EVEN, agreement=0.1))
    assert verdict(rows)[0] == "packaged"
    assert verdict(rows, "tuned")[0] == "tuned"
    assert verdict(rows, "equal")[0] == "packaged"


@pytest.mark.parametrize(
    ("straight", "swapped", "said"),
    [
        ("second", "first", "tuned"),
        ("first", "second", "packaged"),
        ("first", "first", "equal"),  # it likes what comes first, whatever that is
        ("second", "second", "equal"),
        ("neither", "first", "equal"),
        ("", "first", ""),
    ],
)
def test_a_verdict_counts_when_it_holds_both_ways_round(
    straight: str, swapped: str, said: str
) -> None:
    assert outcome(straight, swapped) == said


def test_the_judge_goes_by_pairs() -> None:
    assert Preferences("m", 3, 1, 5).better == "tuned"
    assert Preferences("m", 1, 3, 5).better == "packaged"
    assert Preferences("m", 2, 2, 5).better == "equal"
