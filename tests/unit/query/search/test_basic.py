"""A unit of several passages ranks by the one that fits best, too."""

from __future__ import annotations

from dataclasses import replace

from graphrag.query.context import Unit
from graphrag.query.context.words import QuestionWords
from graphrag.query.search.basic import PASSAGE, relevance, spread_documents, with_nearness

WORDS = QuestionWords("boiler valve", "en", {"boiler": 3.0, "valv": 3.0}, 100)
FILLER = "Nothing of this has to do with it at all. " * 20  # longer than a passage


def unit(key: str, text: str, *, title: str = "") -> Unit:
    return Unit(key, "d", 0, text, 1000, "d", title, "en")


def fits(*units: Unit) -> dict[str, float]:
    return relevance(units, WORDS, usual_tokens=1000)


def test_words_that_stand_together_beat_words_apart() -> None:
    apart = unit("apart", f"The boiler is new. {FILLER}{FILLER}The valve is old.")
    near = unit("near", f"{FILLER}The boiler has a valve. {FILLER}")
    scores = fits(apart, near)
    assert scores["near"] > scores["apart"] > 0


def test_a_passage_may_stand_anywhere() -> None:
    for start in range(0, 2 * PASSAGE, PASSAGE // 4):
        text = f"{'word ' * (start // 5)}The boiler has a valve. {FILLER}{FILLER}"
        assert (
            fits(unit("one", text))["one"] > fits(unit("one", f"The boiler. {FILLER * 2}"))["one"]
        )


def test_the_title_speaks_for_every_passage() -> None:
    text = f"{FILLER}The valve is old. {FILLER}"
    scores = fits(unit("plain", text), unit("titled", text, title="Boiler"))
    assert scores["titled"] > scores["plain"]


def test_a_text_without_spaces_is_read_to_its_end() -> None:
    words = QuestionWords("横浜 博多", "ja", {"横浜": 3.0, "博多": 3.0}, 100)
    long = "あ" * (3 * PASSAGE)
    there = Unit("there", "d", 0, f"{long}横浜と博多", 1000, "d", "", "ja")
    absent = Unit("absent", "d", 0, long, 1000, "d", "", "ja")
    scores = relevance([there, absent], words, usual_tokens=1000)
    assert scores["there"] > scores["absent"] == 0


def test_another_document_comes_before_one_more_unit_that_is_hardly_better() -> None:
    of_one = [replace(unit(key, "text"), document_id="one") for key in "abc"]
    other = replace(unit("d", "text"), document_id="other")
    ranked = [*zip(of_one, (1.0, 0.9, 0.88), strict=True), (other, 0.85)]
    spread = spread_documents(ranked)
    assert [one.id for one, _ in spread] == ["a", "d", "b", "c"]
    assert spread_documents(ranked[:3])[0] == (of_one[0], 1.0)
    alone = [pair for pair in spread if pair[0].document_id == "one"]
    assert spread_documents(ranked[:3]) == alone  # its own order stays


def test_words_decide_where_they_are_sure_and_vectors_where_they_are_not() -> None:
    near = {"nearest": 0.8, "near": 0.7, "last": 0.6}
    sure = with_nearness({"named": 0.9, "nearest": 0.2, "near": 0.2, "last": 0.2}, near)
    assert max(sure, key=sure.__getitem__) == "named"
    unsure = with_nearness({"named": 0.3, "nearest": 0.1, "near": 0.1, "last": 0.1}, near)
    assert sorted(unsure, key=unsure.__getitem__, reverse=True) == [
        "nearest",
        "near",
        "named",
        "last",
    ]


def test_without_vectors_words_alone_count() -> None:
    assert with_nearness({"a": 0.5, "b": 0.25}, {}) == {"a": 0.5, "b": 0.25}
    assert with_nearness({"a": 0.5}, {"a": 0.9}) == {"a": 0.5}
