"""Define what a query returns: answers, citations, passages, and what they cost."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal, TypeAlias

_WORD = re.compile(r"\w+")

State: TypeAlias = Literal["verified", "fuzzy", "not verified"]
EXTRACTIVE = "No model wrote this: passages word for word; judge whether they answer."


@dataclass(frozen=True, slots=True)
class Usage:
    """Calls and tokens. `cost_usd` is None when a price is unknown; cached calls cost nothing."""

    chat_calls: int = 0
    embedding_calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_calls: int = 0
    cost_usd: float | None = 0.0

    def __add__(self, other: Usage) -> Usage:
        cost = (
            None
            if self.cost_usd is None or other.cost_usd is None
            else self.cost_usd + other.cost_usd
        )
        return Usage(
            self.chat_calls + other.chat_calls,
            self.embedding_calls + other.embedding_calls,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cached_calls + other.cached_calls,
            cost,
        )

    @property
    def numbers(self) -> dict[str, str | int | float]:
        """What stands in the record of a run: all that is not nothing."""
        return {name: value for name, value in asdict(self).items() if value}


@dataclass(frozen=True, slots=True)
class Passage:
    """One retrieved text unit. `document` is its document's source.

    A higher `score` is better, within one answer only: each method has a scale of its own.
    """

    id: str
    document: str
    title: str
    text: str
    score: float


@dataclass(frozen=True, slots=True)
class Citation:
    """`[number]` in the answer. `verified`: the quote was found in the cited text unit.

    `heading`: the headings it stands under, outermost first, joined by " > ". `page`: the page,
    slide or sheet it stands on ("Page 3", "Sheet: Costs"), where the document has them. `start`
    and `end`: the characters of the document's text, None where the quote is not found in it or
    the index was made before it was kept. `exact`: these characters are the quote, letter for
    letter. `marks`: the characters of the quote, as start and end, that fit the question.
    """

    number: int
    text_unit_id: str
    document: str
    title: str
    quote: str
    verified: bool
    heading: str = ""
    page: str = ""
    start: int | None = None
    end: int | None = None
    exact: bool = False
    marks: tuple[tuple[int, int], ...] = ()

    @property
    def locator(self) -> str:
        """Its page, or the headings it stands under, without one that repeats the title."""
        headings = self.heading.split(" > ")
        return self.page or trail(*headings[_words(headings[0]) == _words(self.title) :])

    @property
    def state(self) -> State:
        """How sure it is that the source says so; "fuzzy": nearly in these words."""
        if not self.verified:
            return "not verified"
        return "fuzzy" if self.start is not None and not self.exact else "verified"


def trail(*names: str) -> str:
    """A title and headings, outermost first, without one that the next begins with.

    "git-commit(1)" says nothing above "git-commit(1) Manual Page".
    """
    kept: list[str] = []
    for name in filter(None, names):
        if kept and (last := _words(kept[-1])) and _words(name)[: len(last)] == last:
            kept.pop()
        kept.append(name)
    return " › ".join(kept)


def _words(name: str) -> list[str]:
    return _WORD.findall(name.casefold())


@dataclass(frozen=True, slots=True)
class EntityHit:
    id: str
    name: str
    type: str
    description: str


@dataclass(frozen=True, slots=True)
class RelationshipHit:
    id: str
    source: str  # the names, for reading
    target: str
    type: str
    description: str
    weight: float


@dataclass(frozen=True, slots=True)
class ReportHit:
    community_id: str
    level: int
    title: str
    summary: str


@dataclass(frozen=True, slots=True)
class AnswerContext:
    """What was read to answer: the evidence shown to the model, or ranked without one."""

    text_units: tuple[Passage, ...] = ()
    entities: tuple[EntityHit, ...] = ()
    relationships: tuple[RelationshipHit, ...] = ()
    reports: tuple[ReportHit, ...] = ()


@dataclass(frozen=True, slots=True)
class AnswerTable:
    """The rows of an answer that counts. `citations`: by row, the numbers of its sources.

    `total`: rows that there are, of which `rows` may be the first.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str | int | float | None, ...], ...]
    citations: tuple[tuple[int, ...], ...]
    total: int


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one question; `as_dict()` is the shape of `graphrag query --json`.

    `answered` is False when the context does not hold the answer. `unsupported` lists the
    answer's sentences that no verified citation supports. `extractive`: no model wrote it, it is
    what the passages say. `also_searched`: the known words that were looked for in place of
    unknown ones. `table`: what method `table` counted, or None.
    """

    question: str
    answer: str
    answered: bool
    method: str
    reason: str = ""
    extractive: bool = False
    also_searched: tuple[str, ...] = ()
    citations: tuple[Citation, ...] = ()
    unsupported: tuple[str, ...] = ()
    context: AnswerContext = field(default_factory=AnswerContext)
    usage: Usage = field(default_factory=Usage)
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()
    trace: Mapping[str, object] = field(default_factory=dict[str, object])
    table: AnswerTable | None = None

    def as_dict(self) -> dict[str, object]:
        """Plain dicts, lists and scalars, ready for `json.dumps`."""
        return asdict(self)

    def to_html(self) -> str:
        """One HTML document: the answer, and its quotes marked in the passages they stand in.

        It runs no script and loads nothing, so it can be sent and opened without a network.
        """
        from graphrag.core.html import answer_page

        return answer_page(self)

    def _repr_html_(self) -> str:
        """Show the answer in a notebook."""
        from graphrag.core.html import answer_fragment

        return answer_fragment(self)
