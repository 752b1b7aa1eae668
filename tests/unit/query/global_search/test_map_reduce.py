"""Reports packed into batches, points ranked and packed."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from graphrag.core.answers import ReportHit
from graphrag.query.answering.writing import markers
from graphrag.query.context import Unit
from graphrag.query.global_search.map_reduce import Point, pack_batches, pack_points, rank_points
from graphrag.query.global_search.reports import CitableFinding, CitableReport, Support
from graphrag.text import tokens

UNIT = Unit("u1", "d1", 0, "Ada Lovelace wrote it. Nobody read it.", 10, "a.md", "Ada", "en")


def report(number: int, *sizes: int) -> CitableReport:
    findings = tuple(
        CitableFinding(number * 100 + place, f"Finding {place}", "word " * size, ("u1",))
        for place, size in enumerate(sizes)
    )
    hit = ReportHit(f"c{number}", 0, f"Report {number}", "What it is about.")
    return CitableReport(hit, 5.0, findings)


@settings(max_examples=40)
@given(
    st.lists(st.lists(st.integers(0, 150), max_size=6), min_size=1, max_size=6),
    st.integers(80, 400),
)
def test_batches_hold_everything_within_their_budget(sizes: list[list[int]], limit: int) -> None:
    reports = [report(number, *some) for number, some in enumerate(sizes, start=1)]
    batches = pack_batches(reports, {}, max_tokens=limit)
    assert all(count <= limit for count in tokens.counts(batches))
    found = [number for batch in batches for number in markers(batch)]
    assert found == [one.number for each in reports for one in each.findings]
    for each in reports:
        assert any(f"# {each.hit.title} " in batch for batch in batches)


def test_a_report_that_goes_on_repeats_its_title() -> None:
    batches = pack_batches([report(1, 60, 60, 60)], {}, max_tokens=150)
    assert len(batches) > 1
    assert all(batch.startswith("# Report 1 (rating 5)") for batch in batches)


def test_findings_stand_beside_the_sentence_they_rest_on() -> None:
    finding = CitableFinding(7, "Lovelace wrote it", "It was she who wrote it [3].", ("u1",))
    one = CitableReport(ReportHit("c", 0, "Ada", ""), 8.0, (finding,))
    (batch,) = pack_batches([one], {7: Support("Ada Lovelace wrote it.", UNIT)}, max_tokens=500)
    assert batch.splitlines() == [
        "# Ada (rating 8)",
        "[7] Lovelace wrote it",
        "It was she who wrote it (3).",
        "> Ada Lovelace wrote it.",
    ]


def test_points_are_ranked_and_cite_only_findings() -> None:
    known = {number: CitableFinding(number, "", "", ("u1",)) for number in (1, 2)}
    points = [
        Point(description="Third [2].", score=10),
        Point(description="Nothing [1].", score=0),
        Point(description="First [1][9].", score=250),
        Point(description=" ", score=90),
        Point(description="Second [9].", score=10.5),
    ]
    ranked = rank_points(points, known)
    assert [(one.text, one.score, one.numbers) for one in ranked] == [
        ("First [1].", 100, (1,)),
        ("Second .", 10.5, ()),
        ("Third [2].", 10, (2,)),
    ]


def test_points_fit_their_budget_with_the_sentences_behind_them() -> None:
    known = {number: CitableFinding(number, "", "", ("u1",)) for number in range(1, 60)}
    support = {number: Support(f"Sentence {number} of the text.", UNIT) for number in known}
    points = [Point(description=f"Point [{number}].", score=50) for number in known]
    packed = pack_points(rank_points(points, known), support, max_tokens=300)
    assert tokens.count(packed.text) <= 300
    assert 0 < packed.n_points < 59
    assert packed.numbers == list(range(1, packed.n_points + 1))
    assert "[1] Sentence 1 of the text." in packed.text
