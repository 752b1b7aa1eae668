"""Suggest three to five questions to ask after an answer.

With a chat model it proposes them in one call. Without one they are names, for a sentence made
of a template would be in one language: pairs of entities that the index connects where the
answer names only one of them, then subjects of community reports, then entities alone. Each is
a question that the engine understands as it stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

from pydantic import BaseModel

from graphrag import prompts
from graphrag import text as analysis
from graphrag.core.answers import Answer
from graphrag.core.errors import ModelError
from graphrag.models.asking import reply_or_error
from graphrag.query.context import (
    Resources,
    estimate_tokens,
    one_line,
    plain,
    render_entity,
    render_relationship,
    render_report_line,
)
from graphrag.query.context.rows import EntityName, MentionRow, RelationshipRow

MAX_QUESTIONS = 5
MAX_QUESTION = 300  # characters of one
CONTEXT_TOKENS = 2000
MAX_ANSWER = 8000  # characters that the model reads
MAX_UNITS = 5  # of the context, whose entities are looked at
MAX_ENTITIES = 20
MAX_RELATIONSHIPS = 50


class SuggestReply(BaseModel):
    questions: list[str]


async def suggest(answer: Answer, resources: Resources) -> tuple[str, ...]:
    """Three to five questions where the context holds as many, best first.

    One chat call, or none. A reply that cannot be read gives the questions made without a model.
    """
    if resources.models.chat is not None:
        proposed = await reply_or_error(_ask(answer, resources))
        if proposed and not isinstance(proposed, ModelError):
            return _distinct(proposed, answer)
    return _distinct(await _from_graph(answer, resources), answer)


async def _ask(answer: Answer, resources: Resources) -> list[str]:
    messages = prompts.load("query/suggest", root=resources.root).fill(
        {
            "context": _context(answer),
            "question": answer.question[:MAX_ANSWER],
            "answer": plain(answer.answer[:MAX_ANSWER]),
        }
    )
    reply = await resources.models.json(messages, SuggestReply, kind="suggest")
    return [text for text in map(one_line, reply.questions) if text]


def _context(answer: Answer) -> str:
    """What the answer was written from, in lines, as much as fits."""
    context = answer.context
    lines = [
        *map(render_report_line, context.reports),
        *map(render_relationship, context.relationships),
        *map(render_entity, context.entities),
        *(f"- {one_line(unit.title)}: {one_line(unit.text)}" for unit in context.text_units),
    ]
    kept: list[str] = []
    left = CONTEXT_TOKENS
    for line in lines:
        cut = line[: 3 * CONTEXT_TOKENS // 4]  # no line takes more than a quarter
        left -= estimate_tokens(cut)
        if left < 0:
            break
        kept.append(cut)
    return "\n".join(kept)


async def _from_graph(answer: Answer, resources: Resources) -> list[str]:
    names = await _entities(answer, resources)
    store = resources.store
    rows = await store.relationships_of(sorted(names), RelationshipRow, most=MAX_RELATIONSHIPS)
    pairs = [(row.source_id, row.target_id) for row in rows]
    known = await _names_of({end for pair in pairs for end in pair}, resources)
    said = f" {analysis.normalise(f'{answer.question} {answer.answer}')} "

    def is_new(name: str) -> bool:
        return f" {analysis.normalise(name)} " not in said

    linked = [
        (known[source], known[target])
        for source, target in pairs
        if {source, target} <= known.keys()
    ]
    # One new name and one that was spoken of lead on; two new ones lead away.
    ranked = sorted(
        linked, key=lambda pair: (sum(map(is_new, pair)) != 1, any(map(_is_common, pair)))
    )
    titles = [report.title for report in answer.context.reports if is_new(report.title)]
    return [
        f"{one_line(text)}?"
        for text in (
            *_alternate([f"{source} – {target}" for source, target in ranked], titles),
            *sorted(names.values(), key=lambda name: not is_new(name)),
        )
        if text.strip()
    ]


async def _entities(answer: Answer, resources: Resources) -> dict[str, str]:
    """Name by id: the entities of the context; else those that its best units are about."""
    known = {entity.id: entity.name for entity in answer.context.entities[:MAX_ENTITIES]}
    if known:
        return known
    cited = {citation.text_unit_id for citation in answer.citations if citation.verified}
    read = [unit.id for unit in answer.context.text_units]
    units = [
        *(unit for unit in read if unit in cited),
        *(unit for unit in read if unit not in cited),
    ]
    wanted = sorted(units[:MAX_UNITS])
    mentions = await resources.store.rows("mentions", MentionRow, where=("text_unit_id", wanted))
    owned: dict[str, float] = {}
    for _, entity, owner in mentions:
        owned[entity] = max(owner or 0.0, owned.get(entity, 0.0))
    best = sorted(owned, key=lambda entity: (-owned[entity], entity))[:MAX_ENTITIES]
    found = await _names_of(best, resources)
    return {entity: found[entity] for entity in best if entity in found}


async def _names_of(ids: Iterable[str], resources: Resources) -> dict[str, str]:
    rows = await resources.store.rows("entities", EntityName, where=("id", sorted(ids)))
    return {row.id: row.name for row in rows}


def _is_common(name: str) -> bool:
    """Whether it is no proper name: a common noun, or a number."""
    return name[:1].islower() or not name[:1].isalpha()


def _alternate(*lists: Sequence[str]) -> Iterator[str]:
    """The first of each list, then the second of each."""
    for items in zip_longest(*lists, fillvalue=""):
        yield from filter(None, items)


def _distinct(questions: Iterable[str], answer: Answer) -> tuple[str, ...]:
    """The first ones, none of which asks what was asked or what another one asks."""
    seen = {_key(answer.question)}
    kept: list[str] = []
    for question in questions:
        key = _key(question)
        if key not in seen and len(kept) < MAX_QUESTIONS:
            seen.add(key)
            kept.append(question[:MAX_QUESTION])
    return tuple(kept)


def _key(question: str) -> tuple[str, ...]:
    return tuple(sorted(analysis.normalise(question).split())) if question.strip() else ()
