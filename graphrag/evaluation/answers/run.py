"""Have systems answer questions, grade the answers and compare them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from graphrag.core.concurrency import Progress, map_ordered
from graphrag.core.errors import UsageError
from graphrag.core.settings import Settings
from graphrag.evaluation.answers import report
from graphrag.evaluation.answers.grading import (
    Graded,
    draw_assertions,
    grade_assertions,
    grade_factuality,
    grade_groundedness,
    grade_rubric,
    read_examples,
)
from graphrag.evaluation.answers.pairwise import Judged, judge_pair, score_matches
from graphrag.evaluation.answers.scoring import (
    WAYS,
    AnswerScores,
    Grades,
    Way,
    calibrate,
    side_metrics,
)
from graphrag.evaluation.answers.sides import Replies, Side, answer_all, parse_side
from graphrag.evaluation.gold import find_gold
from graphrag.evaluation.html_report import render
from graphrag.evaluation.intervals import SEED, too_few
from graphrag.evaluation.judge import Asker, Lost, need_chat
from graphrag.evaluation.questions import EvalQuestion, read_questions
from graphrag.evaluation.results import Finished, keep
from graphrag.evaluation.targets import Target
from graphrag.models.models import Models
from graphrag.models.servers import open_models
from graphrag.models.spending import Ledger, counted_together
from graphrag.stores import opened_store

MAX_SOURCE = 12_000  # characters of gold text from which assertions are drawn


@dataclass(frozen=True, slots=True)
class AnswerOptions:
    """`sides` as `parse_side` reads them. Without `ways`: pairwise for two sides or more, and
    what the questions have the ground for. `judge`: a model in place of chat.model."""

    sides: Sequence[str]
    ways: Sequence[Way] = ()
    trials: int = 1
    judge: str | None = None
    examples: Path | None = None
    limit: int | None = None
    seed: int = SEED
    name: str | None = None


async def run_answers(
    file: Path, target: Target, options: AnswerOptions, *, progress: Progress
) -> Finished:
    """Have every side answer and the judge compare; the result is kept under the target's root.

    What was judged before the budget ran out is kept and scored. Raises SettingsError without a
    model to judge, UsageError, NoIndexError, ModelAuthError.
    """
    questions = read_questions(file, limit=options.limit)
    base = target.with_options(chat__model=options.judge)
    sides = [parse_side(text, target) for text in options.sides]
    if len({side.name for side in sides}) < len(sides):
        raise UsageError("two sides have the same name", hint="Add name=… to one of them.")
    with base.opened() as engine:
        async with engine as rag:
            settings, root = rag.settings, rag.root
    ledger = Ledger(max_cost_usd=settings.limits.max_cost_usd)
    with counted_together(ledger):
        models = open_models(settings, root=root)
        try:
            need_chat(models)
            await models.preflight()
            judging = _Judging(questions, options, settings, root, models, progress)
            scores = await judging.run(sides)
        finally:
            await models.close()
    result = report.as_result(
        scores,
        matches=score_matches(scores.judged, seed=options.seed),
        metrics={
            side.name: side_metrics([*scores.grades[side.name].values()], seed=options.seed)
            for side in sides
        },
        calibrations={side.name: calibrate(_sure(scores, side)) for side in sides},
        about={"questions": file.name, "judge": scores.judge, "trials": options.trials},
        usage=ledger.total,
    )
    subtitle = f"{file.name}; judged by {scores.judge}"
    html = render("Answers", subtitle, report.parts(result))
    kept = keep(target.root, result, html=html, name=options.name)
    return Finished(result, kept, scores.is_partial)


@dataclass(slots=True)
class _Judging:
    """The calls of one evaluation."""

    questions: Sequence[EvalQuestion]
    options: AnswerOptions
    settings: Settings
    root: Path
    models: Models
    progress: Progress

    async def run(self, sides: Sequence[Side]) -> AnswerScores:
        ways = self._ways(sides)
        examples = read_examples(self.options.examples)
        asker = Asker(self.models, self.root)
        answers: dict[str, Replies] = {}
        for side in sides:
            answers[side.name] = await answer_all(
                side, self.questions, confident="factuality" in ways, progress=self.progress
            )
        judged: dict[tuple[str, str], tuple[Judged, ...]] = {}
        if "pairwise" in ways:
            for one, other in combinations(answers, 2):
                judged[one, other] = await judge_pair(
                    (one, other),
                    (answers[one], answers[other]),
                    self.questions,
                    asker,
                    trials=self.options.trials,
                    progress=self.progress,
                    limit=self.settings.chat.concurrency,
                )
        needed = await self._assertions(asker) if "assertions" in ways else {}
        grades = {
            name: await self._grade(name, replies, ways, asker, needed, examples)
            for name, replies in answers.items()
        }
        unanswered = [
            reply
            for replies in answers.values()
            for reply in replies.values()
            if isinstance(reply, Lost)
        ]
        return AnswerScores(
            sides=tuple(sides),
            questions=tuple(self.questions),
            answers=answers,
            grades=grades,
            judged=judged,
            ways=tuple(ways),
            judge=self.models.chat.name if self.models.chat else "",
            warnings=(*self._warnings(unanswered, ways, needed), *asker.warnings()),
            lost=dict(sorted(asker.lost.items())),
            is_partial=asker.is_partial or bool(unanswered),
        )

    def _ways(self, sides: Sequence[Side]) -> list[Way]:
        """The ways asked for, or those that there is ground for. Raises UsageError."""
        if not sides:
            raise UsageError("no side is named", hint="Name one: --side local, or two to compare.")
        asked = self.options.ways
        if "pairwise" in asked and len(sides) < 2:
            raise UsageError("pairwise judging needs two sides", hint="Add another --side.")
        if "factuality" in asked and not any(one.answer for one in self.questions):
            raise UsageError(
                "factuality needs right answers", hint='Add "answer" to the questions.'
            )
        if asked:
            return [way for way in WAYS if way in asked]
        ways: list[Way] = ["pairwise"] if len(sides) > 1 else []
        if any(one.assertions for one in self.questions):
            ways.append("assertions")
        if any(one.answer for one in self.questions):
            ways.append("factuality")
        return ways or ["groundedness"]

    async def _assertions(self, asker: Asker) -> dict[int, tuple[str, ...]]:
        """By line of the question; from its gold in the judge's index where it brings none."""
        sources: dict[int, str] = {}
        lacking = [one for one in self.questions if one.gold and not one.assertions]
        if lacking:
            async with opened_store(self.settings, self.root) as store:
                golds = await find_gold(lacking, store)
                for one, gold in zip(lacking, golds, strict=True):
                    ids = sorted({min(units) for units in gold.items.values()})
                    rows = await store.read("text_units", where=("id", ids), columns=["text"])
                    sources[one.line] = "\n\n".join(rows["text"])[:MAX_SOURCE]

        async def draw(question: EvalQuestion) -> tuple[str, ...]:
            return await draw_assertions(question, sources.get(question.line, ""), asker)

        drawn = await map_ordered(self.questions, draw, limit=self.settings.chat.concurrency)
        return {one.line: texts for one, texts in zip(self.questions, drawn, strict=True)}

    async def _grade(
        self,
        name: str,
        replies: Replies,
        ways: Sequence[Way],
        asker: Asker,
        needed: Mapping[int, Sequence[str]],
        examples: str,
    ) -> dict[int, Grades]:
        """The grades of one side's answers, by line."""
        step = f"grades of {name}"
        asked: list[Way] = [way for way in ways if way != "pairwise"]
        self.progress.start(step, len(self.questions) * len(asked))

        async def grade(question: EvalQuestion) -> dict[Way, Graded | None]:
            given = replies[question.line]
            if isinstance(given, Lost):
                return {}
            grades: dict[Way, Graded | None] = {}
            for way in asked:
                match way:
                    case "assertions":
                        grades[way] = await grade_assertions(
                            question, given, needed[question.line], asker
                        )
                    case "factuality":
                        grades[way] = await grade_factuality(question, given, asker)
                    case "groundedness":
                        grades[way] = await grade_groundedness(given, asker)
                    case "rubric":
                        grades[way] = await grade_rubric(question, given, asker, examples=examples)
                    case "pairwise":
                        pass
                self.progress.advance(step)
            return grades

        found = await map_ordered(self.questions, grade, limit=self.settings.chat.concurrency)
        self.progress.finish(step)
        return {one.line: grades for one, grades in zip(self.questions, found, strict=True)}

    def _warnings(
        self,
        unanswered: Sequence[Lost],
        ways: Sequence[Way],
        needed: Mapping[int, Sequence[str]],
    ) -> list[str]:
        few = too_few(len(self.questions))
        warnings = [few] if few else []
        if unanswered:
            warnings.append(
                f"{len(unanswered)} answers are missing and not judged: {unanswered[0].detail}"
            )
        without = sum(not needed.get(one.line) for one in self.questions)
        if "assertions" in ways and without:
            warnings.append(f"{without} questions have no assertions and no gold to draw them from")
        without = sum(not one.answer for one in self.questions)
        if "factuality" in ways and without:
            warnings.append(f"{without} questions have no right answer to grade against")
        return warnings


def _sure(scores: AnswerScores, side: Side) -> list[tuple[float, bool]]:
    """Confidence and correctness of the answers that were attempted."""
    pairs: list[tuple[float, bool]] = []
    for line, grades in scores.grades[side.name].items():
        given, graded = scores.answers[side.name][line], grades.get("factuality")
        if isinstance(given, Lost) or given.confidence is None or graded is None:
            continue
        if graded.grade != "not_attempted":
            pairs.append((given.confidence, graded.grade == "correct"))
    return pairs
