"""`graphrag eval` as a user runs it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import pytest

from graphrag.testing import TestServer
from tests.e2e.conftest import Shell
from tests.judges import JUDGE, WRITER, prefers


@pytest.mark.data
def test_all_model_free_methods_side_by_side(shell: Shell, test_data: Path) -> None:
    folder = test_data / "2wiki"
    assert shell.run("index", folder / "corpus.jsonl").code == 0
    table = shell.run("eval", "retrieval", folder / "questions.jsonl", "--name", "all")
    assert table.code == 0, table.err
    assert "51 of 51 questions scored" in table.out
    head = next(line for line in table.out.splitlines() if "basic" in line)
    assert head.split() == ["basic", "local", "path", "lazy", "hybrid"]
    recall = next(line for line in table.out.splitlines() if line.startswith("recall@5 "))
    assert recall.count("[") == 5
    kept = shell.root / ".graphrag" / "evaluations" / "retrieval-all.json"
    result = json.loads(kept.read_text(encoding="utf-8"))
    methods = cast(Mapping[str, Mapping[str, Mapping[str, float]]], result["methods"])
    for values in methods.values():
        for value in values.values():
            assert list(value) == ["mean", "low", "high"]
            assert 0 <= value["low"] <= value["mean"] <= value["high"] <= 1
    assert methods["path"]["recall@5"]["low"] > methods["basic"]["recall@5"]["high"]


def test_the_sample_questions_can_be_scored(shell: Shell, examples: Path) -> None:
    assert shell.run("index", examples / "documents", "--method", "fast").code == 0
    done = shell.run("eval", "retrieval", examples / "questions.jsonl", "-m", "basic", "--json")
    assert done.code == 0, done.err
    result = json.loads(done.out)
    lines = (examples / "questions.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    unanswerable = [row["question"] for row in rows if row["kind"] == "unanswerable"]
    assert [row["question"] for row in result["without_gold"]] == unanswerable
    assert result["not_in_corpus"] == []
    assert result["scored"] == len(rows) - len(unanswerable)
    assert result["methods"]["basic"]["recall@5"]["mean"] > 0.5


def test_bad_files_exit_2_and_say_why(shell: Shell, examples: Path) -> None:
    empty = shell.root / "empty.jsonl"
    empty.write_text("")
    done = shell.run("eval", "retrieval", empty)
    assert done.code == 2
    assert "holds no question" in done.err
    assert "Hint" in done.err


def test_a_users_round_from_questions_to_a_bound_in_ci(shell: Shell, examples: Path) -> None:
    """Generate a set, look at the retrieval, have answers judged, and guard a metric."""
    assert shell.run("index", examples / "documents", "--method", "fast").code == 0
    with TestServer(rules=[*WRITER, *JUDGE, prefers("\n")]) as server:
        env = {
            "OPENAI_BASE_URL": server.url,
            "OPENAI_API_KEY": "key",
            "GRAPHRAG__CHAT__MODEL": "gpt-4.1-mini",
            "GRAPHRAG__EMBEDDING__MODEL": "null",
        }
        dry = shell.run("eval", "generate", "set.jsonl", "-n", "6", "--dry-run", env=env)
        assert dry.code == 0, dry.err
        assert "per 1,000 questions" in dry.out
        assert "Nothing was called." in dry.out
        assert server.stats() == {}
        made = shell.run("eval", "generate", "set.jsonl", "-n", "6", "--json", env=env)
        assert made.code == 0, made.err
        assert made.json()["by_kind"] == {"local": 2, "multi-hop": 2, "global": 2}
        cut = shell.run(
            "eval",
            "generate",
            "cut.jsonl",
            "-n",
            "40",
            "--seed",
            "2",
            "--max-cost",
            "0.01",
            env=env | {"GRAPHRAG__CHAT__MAX_OUTPUT_TOKENS": "300"},
        )
        assert cut.code == 3, cut.err
        assert "the budget was spent" in cut.err
        assert 0 < len((shell.root / "cut.jsonl").read_text("utf-8").splitlines()) < 40
        sides = ("-s", "basic", "-s", "method=path,model=none,name=plain")
        judged = shell.run("eval", "answers", "set.jsonl", *sides, "--json", env=env)
        assert judged.code == 0, judged.err
        pair = cast(Sequence[Mapping[str, object]], judged.json()["pairwise"])[0]
        assert (pair["one"], pair["other"]) == ("basic", "plain")
    scored = shell.run("eval", "retrieval", "set.jsonl", "--name", "now", "-m", "path", "--json")
    assert scored.code == 0, scored.err
    result = scored.json()
    assert result["scored"] == 6
    # A change that loses every passage.
    methods = cast(dict[str, dict[str, dict[str, float]]], result["methods"])
    rows = cast(list[dict[str, dict[str, dict[str, dict[str, float]]]]], result["per_question"])
    for row in rows:
        row["methods"]["path"]["metrics"]["recall@5"] = 0.0
    methods["path"]["recall@5"]["mean"] = 0.0
    worse = shell.root / "worse.json"
    worse.write_text(json.dumps(result), encoding="utf-8")
    before = cast(str, result["result"])
    held = shell.run("eval", "compare", before, worse, "--bound", "recall@5=1")
    assert held.code == 0, held.err
    fell = shell.run("eval", "compare", before, worse, "--bound", "path:recall@5=0.02")
    assert fell.code == 4, fell.out
    assert "path: recall@5 fell from" in fell.err
    assert Path(shell.root / ".graphrag" / "evaluations").is_dir()
    twice = shell.run("eval", "duplicates", "--json")
    assert twice.code == 0, twice.err
    assert set(twice.json()) == {"similarity", "documents", "passages", "groups"}
