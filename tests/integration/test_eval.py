"""Evaluation against real indexes, and judges over real HTTP with planted verdicts."""

from __future__ import annotations

import asyncio
import csv
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import pytest

import graphrag.prompts
from graphrag import Document, GraphRAG
from graphrag.core.concurrency import Silent
from graphrag.core.errors import NoIndexError, SettingsError, UsageError
from graphrag.evaluation.answers.run import AnswerOptions, run_answers
from graphrag.evaluation.compare import parse_bound, run_comparison
from graphrag.evaluation.generate.run import (
    GenerationOptions,
    GenerationPlan,
    GenerationResult,
    run_generation,
)
from graphrag.evaluation.near_duplicates import find_duplicates
from graphrag.evaluation.results import read_result
from graphrag.evaluation.retrieval.run import Finished, RetrievalOptions, run_retrieval
from graphrag.evaluation.targets import Target
from graphrag.testing import ChatRequest, Fault, Rule, TestServer
from tests.judges import JUDGE, WRITER, pairwise, prefers

PEOPLE = {
    "Ada Lovelace": "Ada Lovelace wrote the first program for the Analytical Engine in 1843. "
    "She was a friend of Mary Somerville, who taught her mathematics.",
    "Charles Babbage": "Charles Babbage designed the Analytical Engine in London and never "
    "finished it. His son Henry built a part of it.",
    "Mary Somerville": "Mary Somerville wrote on astronomy and introduced Ada Lovelace to "
    "Charles Babbage at a dinner.",
    "George Boole": "George Boole taught at Cork and wrote The Laws of Thought, on an algebra "
    "of logic.",
    "Augustus De Morgan": "Augustus De Morgan taught mathematics in London and wrote letters to "
    "George Boole for years.",
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people")
    with GraphRAG.open(folder, chat=None, embed=None) as rag:
        rag.index(
            documents=[
                Document(source=f"people/{title}.md", title=title, text=text)
                for title, text in PEOPLE.items()
            ]
        )
    return folder


@pytest.fixture
def examples() -> Path:
    return Path(__file__).parents[2] / "examples"


def write(folder: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    path = folder / "questions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def retrieval(file: Path, root: Path, options: RetrievalOptions | None = None) -> Finished:
    run = run_retrieval(file, Target(root), options or RetrievalOptions(), progress=Silent())
    return asyncio.run(run)


def means(done: Finished, method: str) -> dict[str, float]:
    methods = cast(dict[str, dict[str, dict[str, float]]], done.result["methods"])
    return {name: value["mean"] for name, value in methods[method].items()}


def test_every_kind_of_gold_finds_its_text_units(root: Path, tmp_path: Path) -> None:
    text = "Ada Lovelace wrote the first program for the Analytical Engine in 1843."
    rows = [
        {"question": "Who wrote the first program?", "gold_titles": ["ada  LOVELACE"]},
        {"question": "Who wrote the first program?", "gold_documents": ["Ada Lovelace.md"]},
        {"question": "Who wrote the first program?", "gold_documents": ["people/Ada Lovelace.md"]},
        {"question": "Who wrote the first program?", "gold_texts": [text]},
        # Longer than any text unit: those that lie in it count.
        {"question": "Who wrote the first program?", "gold_texts": [" ".join(PEOPLE.values())]},
    ]
    options = RetrievalOptions(methods=["basic"], ks=(1, 5))
    done = retrieval(write(tmp_path, rows), root, options)
    per_question = cast(Sequence[Mapping[str, object]], done.result["per_question"])
    ranks: list[object] = []
    for row in per_question:
        methods = cast(Mapping[str, Mapping[str, Mapping[str, int]]], row["methods"])
        ranks += methods["basic"]["found_at"].values()
    assert ranks == [1] * 5
    assert means(done, "basic")["recall@1"] == 1.0
    assert done.result["not_in_corpus"] == []
    assert "chat_calls" in cast(Mapping[str, object], done.result["usage"])


def test_gold_that_the_corpus_lacks_is_listed_and_not_scored(root: Path, tmp_path: Path) -> None:
    rows = [
        {"question": "Who taught at Cork?", "gold_titles": ["George Boole"]},
        {"question": "Who was Alan Turing?", "gold_titles": ["Alan Turing", "Ada Lovelace"]},
        {"question": "What is missing?", "gold_texts": ["Nothing of the kind was ever written."]},
        {"question": "What has no gold?"},
    ]
    done = retrieval(write(tmp_path, rows), root)
    assert done.result["scored"] == 1
    assert done.result["questions"] == 4
    assert done.result["not_in_corpus"] == [
        {"line": 2, "question": "Who was Alan Turing?", "missing": ["Alan Turing"]},
        {
            "line": 3,
            "question": "What is missing?",
            "missing": ["Nothing of the kind was ever written."],
        },
    ]
    assert done.result["without_gold"] == [{"line": 4, "question": "What has no gold?"}]
    assert means(done, "basic")["recall@5"] == 1.0
    assert not done.is_partial
    assert set(cast(Mapping[str, object], done.result["methods"])) == {
        "basic",
        "local",
        "path",
        "lazy",
        "hybrid",
    }


def test_few_questions_have_means_without_intervals_and_that_is_said(
    root: Path, tmp_path: Path
) -> None:
    rows = [{"question": "Who taught at Cork?", "gold_titles": ["George Boole"]}]
    done = retrieval(write(tmp_path, rows), root, RetrievalOptions(methods=["basic"]))
    methods = cast(Mapping[str, Mapping[str, object]], done.result["methods"])
    assert methods["basic"]["mrr"] == {"mean": 1.0, "low": None, "high": None}
    assert "fewer than the 10" in cast(Sequence[str], done.result["warnings"])[0]


def test_the_same_evaluation_gives_the_same_result(root: Path, tmp_path: Path) -> None:
    rows = [
        {"question": f"Who was {title}?", "gold_titles": [title]} for title in [*PEOPLE, *PEOPLE]
    ]
    file = write(tmp_path, rows)
    options = RetrievalOptions(methods=["basic", "path"], ks=(2,))
    first, again = retrieval(file, root, options), retrieval(file, root, options)
    assert first.kept == again.kept
    assert first.result["methods"] == again.result["methods"]
    assert read_result(again.kept.result)["methods"] == first.result["methods"]
    page = again.kept.report.read_text(encoding="utf-8")
    assert "<svg" in page
    assert "Augustus De Morgan" in page


def test_what_cannot_be_evaluated_is_refused(root: Path, tmp_path: Path) -> None:
    unknown = write(tmp_path, [{"question": "Who?", "gold_titles": ["Nobody"]}])
    with pytest.raises(UsageError, match="none of the 1 questions can be scored: 1 have gold"):
        retrieval(unknown, root)
    with pytest.raises(UsageError, match="no method 'nope'"):
        retrieval(unknown, root, RetrievalOptions(methods=["nope"]))
    with pytest.raises(NoIndexError):
        retrieval(unknown, tmp_path)


QUESTIONS = [
    {"question": f"Question {number}?", "answer": "1843", "gold_titles": ["Ada Lovelace"]}
    for number in range(12)
]


def answers_file(folder: Path, name: str, rows: Sequence[Mapping[str, object]]) -> Path:
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def said(folder: Path, name: str, text: str, **more: object) -> str:
    """A side that gives the same answer to every question."""
    rows = [{"question": row["question"], "answer": text, **more} for row in QUESTIONS]
    return f"answers={answers_file(folder, name, rows)},name={name}"


def judge(
    root: Path,
    file: Path,
    options: AnswerOptions,
    *,
    rules: Sequence[Rule],
    faults: Sequence[Fault] = (),
    **settings: object,
) -> Finished:
    with TestServer(rules=rules, faults=faults) as server:
        chosen = {
            "chat.base_url": server.url,
            "chat.api_key": "key",
            "chat.max_retries": 0,
            "embedding.model": None,
            **{name.replace("__", "."): value for name, value in settings.items()},
        }
        run = run_answers(file, Target(root, options=chosen), options, progress=Silent())
        return asyncio.run(run)


def pair(done: Finished) -> Mapping[str, Mapping[str, Mapping[str, object]]]:
    return cast(
        Sequence[Mapping[str, Mapping[str, Mapping[str, object]]]], done.result["pairwise"]
    )[0]


@pytest.fixture
def fresh(root: Path, tmp_path: Path) -> Path:
    """The same index in a root of its own, so that no reply is known from another test."""
    folder = tmp_path / "index"
    (folder / ".graphrag").mkdir(parents=True)
    for file in (root / ".graphrag").glob("graph.db*"):
        shutil.copy(file, folder / ".graphrag" / file.name)
    return folder


def test_a_judge_that_prefers_a_position_gives_half_and_is_flagged(
    fresh: Path, tmp_path: Path
) -> None:
    sides = [said(tmp_path, "short", "Yes."), said(tmp_path, "long", "Yes, and more of it.")]
    options = AnswerOptions(sides, ways=["pairwise"], trials=2)
    rules = [pairwise(lambda first, second: "first")]
    done = judge(fresh, write(tmp_path, QUESTIONS), options, rules=rules)
    for score in pair(done)["criteria"].values():
        assert cast(Mapping[str, float], score["win_rate"])["mean"] == 0.5
        assert score["ties"] == 12
        assert score["significant"] is False
    assert pair(done)["position"]["biased"] is True
    assert pair(done)["position"]["first"] == 12 * 2 * 2 * 4
    assert "prefers a position" in cast(Sequence[str], done.result["warnings"])[-1]
    assert not done.is_partial


def test_planted_better_answers_win(fresh: Path, tmp_path: Path) -> None:
    sides = [said(tmp_path, "worse", "Somebody."), said(tmp_path, "better", "GOOD: Ada, in 1843.")]
    file = write(tmp_path, QUESTIONS)
    done = judge(fresh, file, AnswerOptions(sides, ways=["pairwise"]), rules=[prefers("GOOD")])
    for score in pair(done)["criteria"].values():
        assert cast(Mapping[str, float], score["win_rate"])["mean"] == 0.0
        assert (score["wins"], score["losses"]) == (0, 12)
        assert score["significant"] is True
    assert pair(done)["position"]["biased"] is False
    assert done.result["warnings"] == []
    assert "against" in done.kept.report.read_text(encoding="utf-8")


def test_unusable_verdicts_are_counted_and_never_scored(fresh: Path, tmp_path: Path) -> None:
    sides = [said(tmp_path, "worse", "Somebody."), said(tmp_path, "better", "GOOD: Ada, in 1843.")]
    rows = [*QUESTIONS[:10], {"question": "MALFORMED?"}, {"question": "REFUSED?"}]
    for name, text in (("worse", "Somebody."), ("better", "GOOD")):
        more = [{"question": row["question"], "answer": text} for row in rows]
        answers_file(tmp_path, name, more)
    faults = [
        Fault("wrong_json", kind="pairwise", match="MALFORMED"),
        Fault("refusal", kind="pairwise", match="REFUSED"),
    ]
    done = judge(
        fresh,
        write(tmp_path, rows),
        AnswerOptions(sides, ways=["pairwise"]),
        rules=[prefers("GOOD")],
        faults=faults,
    )
    assert done.result["lost"] == {"malformed": 2, "refused": 2}
    assert pair(done)["questions"] == 10
    assert pair(done)["criteria"]["relevance"]["losses"] == 10
    assert any("could not be used" in text for text in cast(list[str], done.result["warnings"]))
    assert any("model refused" in text for text in cast(list[str], done.result["warnings"]))


def test_a_judge_that_refuses_everything_scores_nothing(fresh: Path, tmp_path: Path) -> None:
    sides = [said(tmp_path, "one", "Somebody."), said(tmp_path, "two", "GOOD")]
    done = judge(
        fresh,
        write(tmp_path, QUESTIONS),
        AnswerOptions(sides, ways=["pairwise", "factuality"]),
        rules=[*JUDGE, prefers("GOOD")],
        faults=[Fault("refusal", kind=kind) for kind in ("pairwise", "factuality")],
    )
    assert done.result["pairwise"] == []
    assert done.result["methods"] == {"one": {}, "two": {}}
    assert done.result["lost"] == {"refused": 48}


def test_grades(fresh: Path, tmp_path: Path) -> None:
    right = "The first program was written in 1843. [1] It was never run [1]. Nobody knows why."
    rows = [
        {"question": row["question"], "answer": right, "sources": {"1": PEOPLE["Ada Lovelace"]}}
        for row in QUESTIONS[:6]
    ]
    rows += [{"question": row["question"], "answer": "In 1850."} for row in QUESTIONS[6:9]]
    rows += [{"question": row["question"], "answer": "It is unknown."} for row in QUESTIONS[9:]]
    rows = [row | {"confidence": 0.8} for row in rows]
    ada = "Ada Lovelace wrote the first program for the Analytical Engine in 1843."
    asked = [row | {"assertions": ["1843", "1850", "It was never run"]} for row in QUESTIONS]
    side = f"answers={answers_file(tmp_path, 'mixed', rows)},name=mixed"
    ways = ("assertions", "factuality", "groundedness", "rubric")
    done = judge(fresh, write(tmp_path, asked), AnswerOptions([side], ways=ways), rules=JUDGE)
    found = means(done, "mixed")
    assert found["correct"] == 0.5
    assert found["incorrect"] == 0.25
    assert found["not-attempted"] == 0.25
    # Half of all correct, two thirds of the attempted: harmonic mean 4/7.
    assert found["f-score"] == pytest.approx(4 / 7)
    assert found["assertions"] == pytest.approx((6 * 2 / 3 + 3 * 1 / 3) / 12)
    assert found["groundedness"] == 0.0  # the sentences are not in the source, or cite none
    assert found["rubric"] == pytest.approx((6 * 1 + 3 * 2 / 3 + 3 * 1 / 3) / 12)
    calibration = cast(Mapping[str, Mapping[str, float]], done.result["calibration"])["mixed"]
    assert calibration["count"] == 9
    assert calibration["error"] == pytest.approx(abs(0.8 - 6 / 9))
    rows = [
        {
            "question": row["question"],
            "answer": f"{ada} [1] Ada Lovelace wrote nothing else [1].",
            "sources": {"1": PEOPLE["Ada Lovelace"]},
        }
        for row in QUESTIONS
    ]
    side = f"answers={answers_file(tmp_path, 'grounded', rows)},name=grounded"
    done = judge(
        fresh,
        write(tmp_path, QUESTIONS),
        AnswerOptions([side], ways=("groundedness",)),
        rules=JUDGE,
    )
    assert means(done, "grounded")["groundedness"] == pytest.approx((1 + 0.5) / 2)


def test_sides_are_answered_by_the_engine_and_assertions_drawn_from_gold(
    fresh: Path, tmp_path: Path
) -> None:
    rows = [
        {"question": "Who wrote the first program?", "gold_titles": ["Ada Lovelace"]},
        {"question": "Who taught at Cork?", "gold_titles": ["George Boole"]},
    ]
    prompts = tmp_path / "prompts" / "query"
    prompts.mkdir(parents=True)
    own = Path(graphrag.prompts.__file__).parent / "query" / "answer.md"
    (prompts / "answer.md").write_text("OTHER PROMPT. " + own.read_text(encoding="utf-8"))
    seen: list[str] = []

    def answer(request: ChatRequest) -> str:
        seen.append(request.instructions)
        word = "Else" if "OTHER" in request.instructions else "Mine"
        return f"{word}. " + PEOPLE["Ada Lovelace"]

    sides = [
        "basic",
        f"method=basic,prompts={tmp_path / 'prompts'},name=else",
        "method=basic,model=none,name=extractive",
    ]
    options = AnswerOptions(sides, ways=["pairwise", "assertions"])
    rules = [*JUDGE, prefers("Else"), Rule("answer", lambda asked: asked.schema is None, answer)]
    done = judge(fresh, write(tmp_path, rows), options, rules=rules)
    assert any(text.startswith("OTHER PROMPT") for text in seen)
    assert len(cast(Sequence[object], done.result["pairwise"])) == 3
    rates = pair(done)["criteria"]["relevance"]["win_rate"]
    assert cast(Mapping[str, object], rates)["mean"] == 0.0
    found = {side: means(done, side)["assertions"] for side in ("basic", "else", "extractive")}
    assert found["basic"] == found["else"] == 0.5  # both sentences on Ada, none on Boole
    assert found["extractive"] > 0.5


def test_a_budget_that_runs_out_keeps_what_was_judged(fresh: Path, tmp_path: Path) -> None:
    sides = [said(tmp_path, "worse", "Somebody."), said(tmp_path, "better", "GOOD")]
    done = judge(
        fresh,
        write(tmp_path, QUESTIONS),
        AnswerOptions(sides, ways=["pairwise"]),
        rules=[prefers("GOOD")],
        limits__max_cost_usd=0.004,
        chat__price={"input": 0.4, "output": 1.6},
        chat__concurrency=1,
        chat__max_output_tokens=400,
    )
    assert done.is_partial
    assert 0 < cast(int, pair(done)["questions"]) < 12
    assert cast(Mapping[str, int], done.result["lost"])["budget"] > 0
    assert cast(float, cast(Mapping[str, object], done.result["usage"])["cost_usd"]) <= 0.004


def test_answers_that_cannot_be_judged_are_refused(root: Path, tmp_path: Path) -> None:
    file = write(tmp_path, [{"question": "Who?"}])
    cases = [
        (AnswerOptions([]), "no side"),
        (AnswerOptions(["local"], ways=["pairwise"]), "needs two sides"),
        (AnswerOptions(["local"], ways=["factuality"]), "needs right answers"),
        (AnswerOptions(["local", "local"]), "same name"),
        (AnswerOptions(["methode=local"]), "does not describe a side"),
        (AnswerOptions(["prompts=nowhere"]), "no folder of prompts"),
    ]
    for options, named in cases:
        with pytest.raises(UsageError, match=named):
            judge(root, file, options, rules=JUDGE)
    run = run_answers(file, Target(root), AnswerOptions(["local"]), progress=Silent())
    with pytest.raises(SettingsError, match="needs a chat model"):
        asyncio.run(run)


def test_generated_questions_carry_gold_and_go_back_into_retrieval(
    examples: Path, tmp_path: Path
) -> None:
    with GraphRAG.open(tmp_path, chat=None, embed=None) as rag:
        rag.index([examples / "documents"])
        rag.export(tmp_path / "csv", format="csv")
    with (tmp_path / "csv" / "text_units.csv").open(encoding="utf-8", newline="") as table:
        units = {row["id"]: row["text"] for row in csv.DictReader(table)}
    file, plans = tmp_path / "made.jsonl", list[GenerationPlan]()
    with TestServer(rules=WRITER) as server:
        target = Target(
            tmp_path,
            options={
                "chat.base_url": server.url,
                "chat.api_key": "key",
                "chat.model": "gpt-4.1-mini",
                "embedding.model": None,
            },
        )

        def make(**options: object) -> GenerationResult:
            chosen = GenerationOptions(**{"count": 15, **options})  # type: ignore[arg-type] # by name
            run = run_generation(file, target, chosen, on_plan=plans.append, progress=Silent())
            return asyncio.run(run)

        dry = make(dry_run=True)
        assert server.stats().get("chat", {}) == {}
        assert not file.exists()
        assert dry.plan.cost_per_1000_usd == pytest.approx(
            1000 * cast(float, dry.plan.cost_usd) / 15
        )
        made = make()
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 15
    assert [row["kind"] for row in rows].count("multi-hop") == 5
    for row in rows:
        assert row["gold_texts"]
        for text in row["gold_texts"]:
            assert any(text in units[unit] for unit in row["text_unit_ids"]), row
        assert "Whitehouse" not in row["question"]
        assert {name: value["score"] for name, value in row["critique"].items()} == {
            "groundedness": 5,
            "relevance": 5,
            "stand_alone": 5,
        }
    local = [row["documents"][0] for row in rows if row["kind"] == "local"]
    assert len(set(local)) == 5  # in turn over documents
    assert all(len(set(row["text_unit_ids"])) == 2 for row in rows if row["kind"] == "multi-hop")
    assert all(row["assertions"] for row in rows if row["kind"] == "global")
    assert made.usage is not None
    assert made.usage.chat_calls > 0
    assert plans[0] == plans[1]
    done = retrieval(file, tmp_path, RetrievalOptions(methods=["basic"], ks=(8,)))
    assert done.result["scored"] == 15
    assert done.result["not_in_corpus"] == []
    assert means(done, "basic")["recall@8"] > 0.5


def comparison(
    before: Path, after: Path, base: Path, *, bounds: Sequence[str] = (), file: Path | None = None
) -> Finished:
    run = run_comparison(
        (before, after),
        Target(base),
        bounds=[parse_bound(text) for text in bounds],
        questions=file,
        options=RetrievalOptions(methods=["basic"], ks=(1, 5)),
        progress=Silent(),
    )
    return asyncio.run(run)


def test_a_worse_index_is_told_from_a_better_one(root: Path, tmp_path: Path) -> None:
    worse = tmp_path / "worse"
    with GraphRAG.open(worse, chat=None, embed=None) as rag:
        # Every text is there, under titles that stand before the wrong one.
        titles = list(PEOPLE)
        rag.index(
            documents=[
                Document(source=f"{place}.md", title=title, text=PEOPLE[titles[place - 1]])
                for place, title in enumerate(titles)
            ]
        )
    asked = [(title, text.split(". ")[0]) for title, text in PEOPLE.items()]
    rows = [
        {"question": f"{number}: {text}", "gold_titles": [title]}
        for title, text in asked
        for number in range(4)
    ]
    file = write(tmp_path, rows)
    done = comparison(
        root, worse, tmp_path, bounds=["recall@1=0.05", "basic:recall@5=1"], file=file
    )
    changes = {
        str(change["metric"]): change
        for change in cast(Sequence[Mapping[str, object]], done.result["changes"])
    }
    lost = changes["recall@1"]
    assert cast(float, lost["after"]) < cast(float, lost["before"]) - 0.05
    assert lost["fell"] is True
    assert cast(float, lost["p"]) < 0.05
    assert cast(Mapping[str, float], lost["difference"])["high"] < 0
    assert lost["questions"] == 20
    assert len(cast(Sequence[str], done.result["fell"])) == 1
    # Without questions the roots stand for their latest results; the other way round it rises.
    back = comparison(worse, root, tmp_path, bounds=["recall@1=0"])
    assert back.result["fell"] == []
    same = comparison(root, root, tmp_path, bounds=["recall@1=0", "mrr=0"], file=file)
    assert same.result["fell"] == []
    assert "FELL" in done.kept.report.read_text(encoding="utf-8")


def test_settings_and_results_are_compared(root: Path, tmp_path: Path) -> None:
    file = write(tmp_path, [{"question": "Who taught at Cork?", "gold_titles": ["George Boole"]}])
    settings = tmp_path / "other.yaml"
    settings.write_text("query:\n  basic:\n    max_per_document: 1\nchunks:\n  max_tokens: 50\n")
    kept = retrieval(file, root, RetrievalOptions(methods=["basic"], ks=(1, 5))).kept.result
    done = comparison(kept, settings, root, file=file)
    warnings = " ".join(cast(Sequence[str], done.result["warnings"]))
    assert "other values in chunks" in warnings
    assert "fewer than the 10" in warnings
    for bad, named in (
        (["nope=0.1"], "nothing to hold to the bound on 'nope'"),
        (["path:mrr=0.1"], "of 'path'"),
    ):
        with pytest.raises(UsageError, match=named):
            comparison(kept, kept, tmp_path, bounds=bad)
    for text in ("recall@5", "recall@5=x", "=0.1", "mrr=-1"):
        with pytest.raises(UsageError, match="is no bound"):
            parse_bound(text)
    with pytest.raises(UsageError, match="no result, root or settings file"):
        comparison(tmp_path / "nothing.txt", kept, tmp_path)
    with pytest.raises(UsageError, match="there is no result"):
        comparison(tmp_path, kept, tmp_path)
    other = tmp_path / "answers.json"
    other.write_text('{"kind": "answers", "methods": {}}')
    with pytest.raises(UsageError, match="one result is of retrieval"):
        comparison(kept, other, tmp_path)


def lines(source: str, *, without: int = -1) -> Document:
    """Forty sentences that are like nothing else; one may be left out."""
    text = " ".join(
        f"On day {number} of the voyage the {number}th mile of the cable went over the stern."
        for number in range(40)
        if number != without
    )
    return Document(source=source, title=source, text=text)


def skipping(root: Path) -> GraphRAG:
    return GraphRAG.open(root, chat=None, embed=None, options={"input.near_duplicates": "skip"})


def exported(rag: GraphRAG, folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in rag.export(folder, format="csv")}


def test_near_duplicates_are_reported(tmp_path: Path) -> None:
    boole = Document(source="boole.md", text=PEOPLE["George Boole"])
    with GraphRAG.open(tmp_path, chat=None, embed=None) as rag:
        rag.index(documents=[lines("b.md", without=20), boole, lines("a.md")])
    found = asyncio.run(find_duplicates(Target(tmp_path)))
    assert [(pair.one, pair.other) for pair in found.documents] == [("a.md", "b.md")]
    assert 0.9 <= found.documents[0].similarity < 1
    assert found.could_go == 1
    assert found.as_dict()["groups"] == [["a.md", "b.md"]]
    higher = Target(tmp_path, options={"input.near_duplicate_similarity": 1.0})
    assert asyncio.run(find_duplicates(higher)).documents == ()


def test_near_duplicates_are_skipped_listed_and_taken_back(tmp_path: Path) -> None:
    a, b, boole = (
        lines("a.md"),
        lines("b.md", without=20),
        Document(source="boole.md", text=PEOPLE["George Boole"]),
    )
    with skipping(tmp_path / "one") as rag:
        first = rag.index(documents=[b, boole])
        assert (first.documents, first.skipped) == (2, ())
        second = rag.index(documents=[a, b, boole])
        assert second.documents == 2
        assert [item.source for item in second.skipped] == ["b.md"]
        assert second.skipped[0].reason.startswith("nearly the same as 'a.md' (similarity 0.9")
        assert second.failed == ()
        assert rag.status()["documents"] == {"ok": 2, "skipped": 1}
        third = rag.index(documents=[a, b, boole])
        assert not third.changed
        assert third.skipped == second.skipped
        with skipping(tmp_path / "two") as rebuilt:
            rebuilt.index(documents=[boole, b, a])
            assert exported(rebuilt, tmp_path / "x") == exported(rag, tmp_path / "y")
        gone = rag.delete(["a.md"])
        assert "b.md" in " ".join(gone.warnings)
        back = rag.index(documents=[b, boole])
        assert (back.documents, back.skipped) == (2, ())
    with GraphRAG.open(tmp_path / "two", chat=None, embed=None) as keeping:
        kept = keeping.index(documents=[a, b, boole])
        assert (kept.documents, kept.skipped) == (3, ())


def test_no_model_is_asked_by_default_and_a_failing_one_is_told(
    fresh: Path, tmp_path: Path
) -> None:
    file = write(
        tmp_path,
        [
            {"question": "Who taught at Cork?", "gold_titles": ["George Boole"]},
            {"question": "Who was BROKEN in London?", "gold_titles": ["Charles Babbage"]},
        ],
    )
    fault = Fault("status", status=400, match="BROKEN")
    with TestServer(faults=[fault]) as server:
        chosen = {
            "chat.base_url": server.url,
            "chat.api_key": "key",
            "chat.max_retries": 0,
            "embedding.model": None,
            # The search goes on without them when they fail.
            "query.basic.rewrite": True,
            "rerank.method": "listwise",
        }
        target = Target(fresh, options=chosen)
        free = run_retrieval(file, target, RetrievalOptions(), progress=Silent())
        assert asyncio.run(free).result["scored"] == 2
        assert server.stats().get("chat", {}) == {}
        named = RetrievalOptions(methods=["basic"])
        done = asyncio.run(run_retrieval(file, target, named, progress=Silent()))
        assert server.stats()["chat"]
    warnings = cast(Sequence[str], done.result["warnings"])
    assert any(text.startswith("basic, 1 questions: ") for text in warnings), warnings
    assert cast(Mapping[str, int], done.result["usage"])["chat_calls"] > 0
