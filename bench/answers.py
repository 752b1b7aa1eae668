"""Fit what decides whether a question is answered without a model, and show who is refused."""

from __future__ import annotations

import argparse
import asyncio
import random
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from bench.abstention import UNRELATED
from bench.labelled.sets import SETS, LabelledSet, load
from bench.peers.install import cache
from bench.report import heading, table
from graphrag import Document
from graphrag.engine.sync import AsyncGraphRAG

EVERY = 8  # question of another set is asked of a set, too: nothing there answers it
# A set's own question weighs 1, one that only seems to be answered 3. One with the subject of
# another weighs half: some of those are answered by chance.
OWN, NEAR_MISS, FOREIGN, SWAPPED = 1.0, 3.0, 1.0, 0.5
GENERIC = ("2wiki", "musique")  # ask of any subject what is told of every one
REFUSED = 0.08  # of the answerable questions, where the constant is set
NAME = re.compile(r"(?<=\s)[A-Z][\w.'-]*(?:\s+(?:of\s+|the\s+)?[A-Z][\w.'-]*)*")
PENALTY = 0.5  # on the squares of the weights
STEPS = 50  # of Newton's method


@dataclass(frozen=True, slots=True)
class Asked:
    """`features`: of `extractive.Support`, none where nothing had a word of the question."""

    group: str
    asked_of: str  # a set
    answerable: bool
    answered: bool
    features: dict[str, float]
    weight: float


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.answers", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the two smallest sets alone")
    options = parser.parse_args()
    heading("answers")
    sets = [load(name) for name in (SETS[-2:] if options.quick else SETS)]
    asked = [one for labelled in sets for one in asyncio.run(_ask(labelled, sets))]
    scored = [one for one in asked if one.features]
    names = sorted(scored[0].features)
    fitted = _fit(scored, names)
    others = {
        name: _fit([one for one in scored if one.asked_of != name], names)
        for name in {one.asked_of for one in asked}
    }
    table("Fitted weights of the log-odds", ["feature", "weight"], list(fitted.items()))
    groups: dict[tuple[str, bool], list[Asked]] = defaultdict(list)
    for one in asked:
        groups[one.group, one.answerable].append(one)
    rows = [
        (
            group,
            "yes" if answerable else "no",
            len(ones),
            sum(not one.answered for one in ones),
            sum(_log_odds(one, fitted) < 0 for one in ones),
            sum(_log_odds(one, others[one.asked_of]) < 0 for one in ones),
        )
        for (group, answerable), ones in sorted(groups.items())
    ]
    columns = [
        "set",
        "answerable",
        "questions",
        "by the weights in the code",
        "by these",
        "by those of the other sets",
    ]
    table("Refused", columns, rows)


async def _ask(labelled: LabelledSet, sets: Sequence[LabelledSet]) -> list[Asked]:
    files = cache() / "labelled" / "files" / labelled.name
    labelled.unpack(files)
    root = cache() / "labelled" / "answers" / labelled.name
    root.mkdir(parents=True, exist_ok=True)
    own = [
        (labelled.name, question, bool(gold), OWN if gold else NEAR_MISS)
        for question, gold in zip(labelled.questions, labelled.gold, strict=True)
    ]
    foreign = [
        *UNRELATED.read_text("utf-8").splitlines(),
        *(text for other in sets if other is not labelled for text in other.questions[::EVERY]),
    ]
    swapped = [] if labelled.name in GENERIC else _swapped(labelled)
    async with AsyncGraphRAG.open(root, chat=None, embed=None) as rag:
        if labelled.archive is not None:
            await rag.index([files], method="fast")
        else:
            documents = [
                Document(source=source, title=title, text=text)
                for source, title, text in labelled.documents
            ]
            await rag.index(documents=documents, method="fast")
        found: list[Asked] = []
        for group, text, answerable, weight in [
            *own,
            *(("foreign questions", text, False, FOREIGN) for text in foreign),
            *(("subjects swapped", text, False, SWAPPED) for text in swapped),
        ]:
            answer = await rag.query(text)
            features = cast("dict[str, float]", answer.trace.get("support") or {})
            found.append(Asked(group, labelled.name, answerable, answer.answered, features, weight))
    return found


def _swapped(labelled: LabelledSet) -> list[str]:
    """The questions with the longest name of each put in place of one of another question."""
    names = [max(NAME.findall(text), key=len, default="") for text in labelled.questions]
    draw = random.Random(1)
    swapped: list[str] = []
    for text, name, gold in zip(labelled.questions, names, labelled.gold, strict=True):
        others = sorted({one for one in names if one and one not in text and name not in one})
        if name and gold and others:
            swapped.append(text.replace(name, draw.choice(others)))
    return swapped


def _log_odds(asked: Asked, fitted: Mapping[str, float]) -> float:
    if not asked.features:
        return -1.0
    return fitted["constant"] + sum(fitted[name] * value for name, value in asked.features.items())


def _fit(asked: Sequence[Asked], names: Sequence[str]) -> dict[str, float]:
    """Logistic regression by Newton's method; the constant refuses `REFUSED` of the answerable."""
    x = np.array([[*(one.features[name] for name in names), 1.0] for one in asked])
    y = np.array([float(one.answerable) for one in asked])
    weights = np.array([one.weight for one in asked])
    penalty = np.array([PENALTY] * len(names) + [1e-9])
    fitted: NDArray[np.float64] = np.zeros(len(penalty))
    for _ in range(STEPS):
        odds = 1 / (1 + np.exp(-x @ fitted))
        slope = x.T @ (weights * (odds - y)) + penalty * fitted
        curve = (x * (weights * odds * (1 - odds))[:, None]).T @ x + np.diag(penalty)
        fitted = fitted - np.linalg.solve(curve, slope)
    fitted[-1] -= np.quantile((x @ fitted)[y == 1], REFUSED)
    return dict(zip([*names, "constant"], np.round(fitted, 2).tolist(), strict=True))


if __name__ == "__main__":
    main()
