"""Score every labelled set without a chat model; compare with another checkout or a kept run."""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

from bench.labelled import ask
from bench.labelled.sets import SETS, LabelledSet, load
from bench.measure import environment
from bench.peers.install import REPOSITORY, cache
from bench.report import Cell, heading, into_docs, table
from graphrag.evaluation.intervals import Interval, mean_interval, sign_test

METHODS = ("basic", "local", "path", "lazy", "hybrid", "auto")
RECALL, ALL = "recall@5", "all@8"
DEPTH = 8  # passages
POOLED = "all sets"
JUDGED = "judged"  # how answers are called among the methods
JUDGEMENTS = ("passage", "answer", "refused")
AT_ONCE = 2  # sets
# What only asks: an index is the same whatever stands there.
ASKING = frozenset(("cli", "evaluation", "query", "testing", "tuning"))

Scores = dict[str, dict[str, dict[str, list[float]]]]  # set, method, metric: by question
Rankings = Mapping[str, Sequence[Sequence[str]]]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.labelled", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the two smallest sets alone")
    parser.add_argument("--write-docs", action="store_true", help="into docs/benchmarks.md, too")
    parser.add_argument("--code", type=Path, default=REPOSITORY, help="a checkout, not this one")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--embedding", default="", help="an embedding.model, such as local")
    parser.add_argument("--save", type=Path, help="keep the scores in this file")
    parser.add_argument("--before", type=Path, help="a checkout or kept scores to compare with")
    options = parser.parse_args()
    heading("labelled")
    sets = [load(name) for name in (SETS[-2:] if options.quick else options.sets)]
    methods: list[str] = list(options.methods)
    after = measure(options.code, sets, methods, embedding=options.embedding)
    if options.save:
        options.save.write_text(json.dumps(after, indent=1), encoding="utf-8")
    _show(after)
    if options.write_docs:
        into_docs("benchmarks.md", {"labelled": _overview(after)})
    if before := cast(Path | None, options.before):
        kept = before.is_file()
        old = json.loads(before.read_text("utf-8")) if kept else measure(before, sets, methods)
        _compare(cast(Scores, old), after)


def measure(
    code: Path, sets: Sequence[LabelledSet], methods: Sequence[str], *, embedding: str = ""
) -> Scores:
    """The scores of the code of a checkout, those that are in the cache not made again."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = {
            one.name: pool.submit(_measure_set, code.absolute(), one, methods, embedding)
            for one in sets
        }
        return {name: score.result() for name, score in running.items()}


def _measure_set(
    code: Path, labelled: LabelledSet, methods: Sequence[str], embedding: str
) -> dict[str, dict[str, list[float]]]:
    whole, indexing = _hash(code), _hash(code, without=ASKING)
    means = "/".join([*methods, *filter(None, [embedding])])
    asked = hashlib.sha256(Path(ask.__file__).read_bytes() + means.encode()).hexdigest()
    model = f"-{embedding.replace(':', '-')}" if embedding else ""
    folder = cache() / "labelled"
    kept = folder / "answers" / whole[:16] / f"{labelled.name}-{asked[:8]}.json"
    if not kept.exists():
        files = folder / "files" / labelled.name
        labelled.unpack(files)
        job = ask.Job(
            root=str(folder / "indexes" / indexing[:16] / f"{labelled.name}{model}"),
            files="" if labelled.archive is None else str(files),
            documents=labelled.documents,
            questions=labelled.questions,
            methods=[*methods],
            k=DEPTH,
            scorer=str(labelled.scorer or ""),
            question_file=str(labelled.question_file or ""),
            answers=labelled.answers,
            embedding=embedding,
        )
        Path(job.root).mkdir(parents=True, exist_ok=True)
        if embedding:
            settings = f"embedding:\n  model: {embedding}\n"
            (Path(job.root) / "graphrag.yaml").write_text(settings, encoding="utf-8")
        kept.parent.mkdir(parents=True, exist_ok=True)
        _run(code, job, kept)
    answers = json.loads(kept.read_text("utf-8"))
    scores = _recall(labelled, answers["rankings"])
    return scores | ({JUDGED: _judgements(answers["rows"])} if answers["rows"] else {})


def _hash(code: Path, *, without: frozenset[str] = frozenset()) -> str:
    package = code / "graphrag"
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*")):
        place = path.relative_to(package)
        if path.suffix in (".py", ".md") and place.parts[0] not in without:
            digest.update(f"{place}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def _run(code: Path, job: ask.Job, result: Path) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        fields = {name: getattr(job, name) for name in ask.Job.__slots__}
        json.dump(fields, file)
        file.flush()
        partial = result.with_suffix(".partial")
        # One thread for each of two processes: they would wait for each other.
        threads = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}
        python = {"PYTHONPATH": str(code), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, ask.__file__, file.name, str(partial)]
        done = subprocess.run(
            command,
            env=environment() | threads | python,
            check=False,
            stdout=sys.stderr,
            cwd=job.root,
        )
        if done.returncode:
            sys.exit(f"{job.root} could not be measured with {code}")
        partial.replace(result)


def _recall(labelled: LabelledSet, rankings: Rankings) -> dict[str, dict[str, list[float]]]:
    scores: dict[str, dict[str, list[float]]] = {}
    for method, rows in rankings.items():
        part: list[float] = []
        whole: list[float] = []
        for gold, ranked in zip(labelled.gold, rows, strict=True):
            if gold:
                part.append(_found(gold, ranked[:5]) / len(gold))
                whole.append(float(_found(gold, ranked[:DEPTH]) == len(gold)))
        scores[method] = {RECALL: part, ALL: whole}
    return scores


def _found(gold: frozenset[str], ranked: Sequence[str]) -> int:
    return sum(any(f"/{source}".endswith(f"/{one}") for source in ranked) for one in gold)


def _judgements(rows: Sequence[Mapping[str, object]]) -> dict[str, list[float]]:
    """Whether one of five passages holds the fact, the answer says it; whether it was refused."""
    found = {name: [float(bool(row[name])) for row in rows if name in row] for name in JUDGEMENTS}
    return {name: values for name, values in found.items() if values}


def _show(scores: Scores) -> None:
    rows: list[list[Cell]] = [
        [name, method, metric, len(values), _interval(mean_interval(values))]
        for name, methods in _with_pool(scores).items()
        for method, metrics in methods.items()
        for metric, values in metrics.items()
    ]
    table(
        "No chat model: mean and 95% interval",
        ["set", "method", "metric", "questions", "mean"],
        rows,
    )


def _overview(scores: Scores) -> str:
    pooled = _with_pool(scores)
    shown = [method for method in METHODS if method in pooled[POOLED]]
    rows: list[list[Cell]] = [
        [name, *(_means(methods[method]) for method in shown)] for name, methods in pooled.items()
    ]
    return table(f"{RECALL} / {ALL}", ["set", *shown], rows)


def _means(metrics: Mapping[str, Sequence[float]]) -> str:
    return " / ".join(_share(sum(values) / len(values)) for values in metrics.values())


def _compare(before: Scores, after: Scores) -> None:
    """Differences by question, in the sets and methods that both have."""
    rows: list[list[Cell]] = []
    old, new = _with_pool(before, of=after), _with_pool(after, of=before)
    for name in new:
        for method, metrics in new[name].items():
            for metric, values in metrics.items():
                pairs = list(zip(old[name][method][metric], values, strict=True))
                changes = [b - a for a, b in pairs]
                if any(changes):
                    interval = mean_interval(changes, bounds=(-1.0, 1.0))
                    sums = [sum(side) / len(pairs) for side in zip(*pairs, strict=True)]
                    p = f"{sign_test(changes):.3f}"
                    rows.append([name, method, metric, *map(_share, sums), _interval(interval), p])
    columns = ["set", "method", "metric", "before", "after", "difference", "p (sign test)"]
    table(f"What changed, paired by question ({len(rows)} rows; others are equal)", columns, rows)


def _with_pool(scores: Scores, *, of: Scores | None = None) -> Scores:
    """The scores and, as a set of its own, all questions; only what `of` has, too."""
    other = scores if of is None else of
    pooled: Scores = {
        name: {method: metrics for method, metrics in methods.items() if method in other[name]}
        for name, methods in scores.items()
        if name in other
    }
    everything: dict[str, dict[str, list[float]]] = {}
    for name in sorted(pooled):  # in one order, for pairs
        for method, metrics in pooled[name].items():
            for metric, values in metrics.items():
                everything.setdefault(method, {}).setdefault(metric, []).extend(values)
    return pooled | {POOLED: everything}


def _interval(value: Interval) -> str:
    if value.low is None or value.high is None:
        return _share(value.mean)
    return f"{_share(value.mean)} [{_share(value.low)}, {_share(value.high)}]"


def _share(value: float) -> str:
    return f"{value:.3f}"


if __name__ == "__main__":
    main()
