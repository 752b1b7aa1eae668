"""Hold what every method shares: the question, its resources, and the numbered sources.

A method turns a Question into Evidence; `pack` fits ranked text units into a token budget, and
`render_*` make the plain text that a prompt shows. Only sources have numbers, so only they can
be cited; a "[3]" in a document's own text becomes "(3)".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from graphrag.core.answers import AnswerContext, EntityHit, Passage, RelationshipHit, ReportHit
from graphrag.core.concurrency import together
from graphrag.core.settings import Settings
from graphrag.query.context.rows import DocumentRow, UnitRow
from graphrag.query.context.words import QuestionWords
from graphrag.stores import Filter, GraphStore

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from graphrag.models.models import Models

MAX_HISTORY_CHARACTERS = 2000  # of one turn
_NUMBER_MARK = re.compile(r"\[(\d+(?:\s*[,;]\s*\d+)*)\]")
_WIDE = re.compile("[\u2e80-\U0010ffff]")
_CHARACTERS_PER_TOKEN = 3  # an estimate on the safe side for short lines


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. `history` holds (question, answer) turns, the oldest first.

    `vector`: the embedding of `text`, where it was made with those of other questions.
    """

    text: str
    method: str = "auto"
    k: int | None = None
    level: int | None = None
    filters: tuple[Filter, ...] = ()
    history: tuple[tuple[str, str], ...] = ()
    vector: NDArray[np.float32] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Resources:
    """What a method works with, for one question."""

    store: GraphStore
    models: Models
    settings: Settings
    root: Path
    _meta: dict[str, str] = field(default_factory=dict[str, str], repr=False)

    async def meta(self) -> Mapping[str, str]:
        """The store's, read once."""
        if not self._meta:
            self._meta.update(await self.store.meta())
        return self._meta


@dataclass(frozen=True, slots=True)
class Budget:
    """Tokens of a context: for text units, for community reports, for the rest of the graph."""

    text: int
    reports: int
    graph: int

    @classmethod
    def shared(cls, tokens: int, *, text: float, reports: float) -> Budget:
        """`tokens` by the shares of text and reports; the graph has what they leave."""
        of_text, of_reports = int(tokens * text), int(tokens * reports)
        return cls(of_text, of_reports, max(0, tokens - of_text - of_reports))


@dataclass(frozen=True, slots=True)
class Unit:
    """A text unit with what is known of its document."""

    id: str
    document_id: str
    ordinal: int
    text: str
    n_tokens: int
    document: str
    title: str
    language: str
    headings: tuple[str, ...] = ()  # outermost first

    def passage(self, score: float) -> Passage:
        return Passage(self.id, self.document, self.title, self.text, round(score, 6))


@dataclass(frozen=True, slots=True)
class Source:
    """What `[number]` stands for: a text unit, or a finding with the units that it rests on."""

    number: int
    units: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one method found for a question, best first, within its token budget.

    `candidates`: those it was chosen from, where the method ranked by the question itself.
    """

    units: tuple[tuple[Unit, float], ...]
    words: QuestionWords
    candidates: tuple[Unit, ...] = ()
    entities: tuple[EntityHit, ...] = ()
    relationships: tuple[RelationshipHit, ...] = ()
    reports: tuple[ReportHit, ...] = ()
    warnings: tuple[str, ...] = ()
    trace: Mapping[str, object] = field(default_factory=dict[str, object])

    @property
    def passages(self) -> tuple[Passage, ...]:
        return tuple(unit.passage(score) for unit, score in self.units)

    @property
    def sources(self) -> tuple[Source, ...]:
        """The passages, numbered from 1 in their order."""
        return tuple(Source(number, (one,)) for number, one in enumerate(self.passages, start=1))

    @property
    def context(self) -> AnswerContext:
        return AnswerContext(self.passages, self.entities, self.relationships, self.reports)


def earlier_questions(question: Question, *, turns: int) -> str:
    """The questions of the last `turns`, the latest first."""
    asked = [earlier for earlier, _ in question.history[-turns:]] if turns else []
    return "\n".join(reversed(asked))


async def load_units(store: GraphStore, ids: Iterable[str]) -> dict[str, Unit]:
    """The text units of `ids` that exist, by id."""
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    async with together() as tasks:
        rows = tasks.create_task(store.rows("text_units", UnitRow, where=("id", wanted)))
        documents = tasks.create_task(store.documents_of(wanted, DocumentRow))
    known = {
        identity: (source, title or source, language or "und")
        for identity, source, title, language in documents.result()
    }
    units: dict[str, Unit] = {}
    for key, document_id, ordinal, text, n_tokens, headings in rows.result():
        source, title, language = known.get(document_id, ("", "", "und"))
        units[key] = Unit(
            key,
            document_id,
            ordinal,
            text,
            n_tokens,
            source,
            title,
            language,
            tuple(headings or ()),
        )
    return units


def pack(
    ranked: Sequence[tuple[Unit, float]], *, k: int, max_tokens: int
) -> tuple[tuple[Unit, float], ...]:
    """The best `k` units that fit into `max_tokens` together; the best one is cut to fit.

    The line with its number and title counts for each.
    """
    chosen: list[tuple[Unit, float]] = []
    left = max_tokens
    for unit, score in ranked:
        if len(chosen) == k:
            break
        size = unit.n_tokens + _head_tokens(unit)
        if size <= left:
            chosen.append((unit, score))
            left -= size
    if not chosen and ranked and k > 0:
        from graphrag.text import tokens

        unit, score = ranked[0]
        most = max(1, max_tokens - _head_tokens(unit))
        text = tokens.truncate(unit.text, most)
        chosen.append((replace(unit, text=text, n_tokens=most), score))
    return tuple(chosen)


def _head_tokens(unit: Unit) -> int:
    return estimate_tokens(f"[10] {unit.title}")


def estimate_tokens(text: str) -> int:
    """Roughly how many tokens a line takes, without loading the tokenizer; rather too many."""
    wide = 0 if text.isascii() else len(_WIDE.findall(text))
    return wide + (len(text) - wide) // _CHARACTERS_PER_TOKEN + 1


def plain(text: str) -> str:
    """Text of a document that cannot be taken for a citation: [3] becomes (3)."""
    return _NUMBER_MARK.sub(r"(\1)", text)


def one_line(text: str) -> str:
    return plain(" ".join(text.split()))


def render_context(evidence: Evidence, numbers: Mapping[str, int] | None = None) -> str:
    """The evidence as the prompt shows it: what is known of the graph, then the sources.

    `numbers`: of the text units by id, where they are not 1, 2, 3.
    """
    blocks = [
        _section("Entities", map(render_entity, evidence.entities)),
        _section("Relationships", map(render_relationship, evidence.relationships)),
        _section("Reports", map(render_report_line, evidence.reports)),
        _section(
            "Sources",
            (
                f"[{numbers[unit.id] if numbers else number}] {one_line(unit.title)}\n"
                f"{plain(unit.text)}\n"
                for number, (unit, _) in enumerate(evidence.units, start=1)
            ),
        ),
    ]
    return "\n\n".join(block for block in blocks if block)


def render_entity(entity: EntityHit) -> str:
    return f"- {one_line(entity.name)} ({one_line(entity.type)}): {one_line(entity.description)}"


def render_relationship(relationship: RelationshipHit) -> str:
    ends = f"{one_line(relationship.source)} – {one_line(relationship.target)}"
    said = one_line(relationship.description)
    return f"- {ends} ({one_line(relationship.type)}): {said}"


def render_report_line(report: ReportHit) -> str:
    return f"- {one_line(report.title)}: {one_line(report.summary)}"


def distinct_warnings(*warnings: Sequence[str]) -> tuple[str, ...]:
    """All of them once, in the order in which they came."""
    return tuple(dict.fromkeys(text for some in warnings for text in some))


def render_history(question: Question, *, turns: int) -> str:
    """The last turns of the conversation, or "none"."""
    if not turns or not question.history:
        return "none"
    return "\n".join(
        f"Q: {plain(asked[:MAX_HISTORY_CHARACTERS])}\nA: {plain(told[:MAX_HISTORY_CHARACTERS])}"
        for asked, told in question.history[-turns:]
    )


def _section(name: str, lines: Iterable[str]) -> str:
    body = "\n".join(lines)
    return f"## {name}\n{body}" if body else ""
