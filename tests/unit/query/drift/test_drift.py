"""The tree of questions: what is asked next, what fits into the reduce call, how it looks."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphrag.core.answers import ReportHit
from graphrag.query.answering.writing import markers
from graphrag.query.context import estimate_tokens
from graphrag.query.drift.primer import fold
from graphrag.query.drift.rounds import RoundState, new_evidence
from graphrag.query.drift.tree import Node, Tree, pack_tree, render_tree, same_question
from graphrag.query.global_search.reports import CitableFinding, CitableReport


def tree() -> Tree:
    good = Node("Why?", answer="It began at the mill [1].", score=80, proposed=("Who owned it?",))
    poor = Node("Why?", answer="Perhaps [2].", score=20, proposed=("Where is Kelso?",))
    owner = Node("Who owned it?", answer="Carrow did [3].", score=90, units=("u3",))
    deeper = Node("When did Carrow die?", answer="In 1919 [4].", score=40, units=("u4", "u5"))
    owner.follow_ups.append(deeper)
    good.follow_ups.append(owner)
    return Tree("Why?", (good, poor))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Who owned the mill?", "who owned the mill", True),
        ("Who owned the old mills?", "Who owned the mills that were old?", True),
        ("What is known about Ned?", "What is known about Tom?", False),
        ("What is known about Holmes?", "What is known about the brother of Holmes?", False),
        ("When was the canal built?", "Where was the canal built?", False),
        ("What did the storm of 1953 break?", "What did the storm of 1935 break?", False),
        ("Was ist bekannt über Köln?", "Was ist bekannt über Ulm?", False),
        ("運河はいつ建設されたか", "運河はいつ建設されたか?", True),
    ],
)
def test_questions_that_ask_the_same(one: str, other: str, same: bool) -> None:
    assert same_question(one, other) is same
    assert same_question(other, one) is same


def test_the_best_answers_questions_come_first_and_none_twice() -> None:
    good = Node("Why?", score=80, proposed=("  Who built\n it? ", "Who paid for it?", "why?", ""))
    poor = Node("Why?", score=20, proposed=("Who built it?", "Where does it stand?"))
    other = Node("Why?", score=75, proposed=("When did it end?",))
    found = Tree("Why?", (poor, good, other)).candidates()
    assert [one.text for one in found] == [
        "Who built it?",
        "When did it end?",
        "Who paid for it?",
        "Where does it stand?",
    ]
    assert found[0].parent is good


def test_asked_questions_are_no_candidates() -> None:
    assert [one.text for one in tree().candidates()] == ["Where is Kelso?"]


def test_all_that_helps_is_reduced_under_the_answer_that_raised_it() -> None:
    given_tree = tree()
    owner = given_tree.primer[0].follow_ups[0]
    shown, text = pack_tree(given_tree, {owner: {3: "Carrow owned it."}}, max_tokens=2000)
    assert shown == 4
    assert text.splitlines() == [
        "## Answers from reports",
        "- (80) It began at the mill [1].",
        "- (20) Perhaps [2].",
        "",
        "## Answers to follow-up questions",
        "- Who owned it?",
        "  (90) Carrow did [3].",
        "  - When did Carrow die?",
        "    (40) In 1919 [4].",
        "",
        "## Source sentences",
        "[3] Carrow owned it.",
    ]


def test_the_lowest_scored_are_dropped_first() -> None:
    shown, text = pack_tree(tree(), {}, max_tokens=100)
    assert shown == 2
    assert markers(text) == [1, 3]


def test_answers_that_do_not_help_are_not_reduced() -> None:
    failed = Node("Why?", error="the reply is not JSON")
    empty = Node("Why?", answer="The reports do not say.", score=0)
    assert pack_tree(Tree("Why?", (failed, empty)), {}, max_tokens=1000) == (0, "")


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(1, 100)), min_size=1, max_size=12),
    st.integers(100, 2000),
)
def test_the_reduce_text_keeps_to_its_budget(answers: list[tuple[int, int]], limit: int) -> None:
    first, *others = (
        Node(f"Question {place}?", answer="word " * size + f"[{place}]", score=score)
        for place, (size, score) in enumerate(answers)
    )
    first.follow_ups.extend(others)
    sentences = {node: {1: "A sentence of the source. " * 3} for node in others[::2]}
    shown, text = pack_tree(Tree("Q?", (first,)), sentences, max_tokens=limit)
    assert estimate_tokens(text) <= limit
    assert shown <= len(answers)


def test_the_tree_is_plain_and_can_be_printed() -> None:
    found = tree()
    found.primer[0].follow_ups.append(Node("Who\x1b[2J?", error="no JSON"))
    trace = {"tree": found.as_dict()}
    root = json.loads(json.dumps(trace))["tree"]
    assert (root["question"], root["answer"], root["score"]) == (
        "Why?",
        "It began at the mill [1].",
        80,
    )
    (asked, failed) = root["follow_ups"]
    assert asked["units"] == ["u3"]
    assert asked["follow_ups"][0]["question"] == "When did Carrow die?"
    assert failed["error"] == "no JSON"
    assert render_tree(trace).splitlines() == [
        "Why?",
        "│  from reports, score 80: It began at the mill [1].",
        "│  from reports, score 20: Perhaps [2].",
        "├─ Who owned it?",
        "│  │  score 90, 1 text unit read: Carrow did [3].",
        "│  └─ When did Carrow die?",
        "│        score 40, 2 text units read: In 1919 [4].",
        "└─ Who[2J?",
        "      score 0, 0 text units read: no JSON",
    ]
    assert render_tree({}) == ""


def report(number: int, words: int) -> CitableReport:
    findings = tuple(
        CitableFinding(10 * number + place, "Said", "word " * words, ("u",)) for place in range(4)
    )
    return CitableReport(ReportHit(f"c{number}", 0, f"Report {number}", "About it."), 5.0, findings)


def test_folds_share_the_best_reports_and_keep_to_their_budget() -> None:
    reports = [report(number, 5) for number in range(5)]
    texts, left_out = fold(reports, folds=2, max_tokens=1000)
    assert left_out == 0
    assert [[line for line in text.splitlines() if line.startswith("#")] for text in texts] == [
        ["# Report 0 (rating 5)", "# Report 2 (rating 5)", "# Report 4 (rating 5)"],
        ["# Report 1 (rating 5)", "# Report 3 (rating 5)"],
    ]
    texts, left_out = fold([report(number, 100) for number in range(5)], folds=3, max_tokens=500)
    assert left_out == 5
    assert all(estimate_tokens(text) <= 500 for text in texts)
    assert fold(reports[:1], folds=5, max_tokens=1000)[0] == [texts_of(reports[0])]


def texts_of(one: CitableReport) -> str:
    return fold([one], folds=1, max_tokens=10_000)[0][0]


def test_gain_is_the_share_of_what_is_new() -> None:
    def state(units: int, new_units: int, entities: int, new_entities: int) -> RoundState:
        return RoundState("Q", 1, ("A?",), units, new_units, entities, new_entities, (), 100)

    assert new_evidence(state(4, 1, 6, 4)) == 0.5
    assert new_evidence(state(4, 0, 6, 0)) == 0
    assert new_evidence(state(0, 0, 0, 0)) == 0
