"""Note the claims in relevant text units and fit the best into a budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import BaseModel

from graphrag import prompts
from graphrag.core.errors import ModelError
from graphrag.models.asking import ask_each, raise_if_all_failed
from graphrag.models.replies.items import Scale
from graphrag.query.answering.citations import check
from graphrag.query.context import Resources, Unit, estimate_tokens, one_line, plain
from graphrag.query.global_search.reports import CitableFinding, find_support

HEADINGS_TOKENS = 20

Numbered = tuple[int, Unit]


class ClaimReply(BaseModel):
    statement: str
    source: int
    quote: str = ""
    score: Annotated[float, Scale(100)]


class ClaimsReply(BaseModel):
    """What one map call replies."""

    claims: list[ClaimReply]


@dataclass(frozen=True, slots=True)
class Claim:
    """`quote`: what the source says word for word, or nothing."""

    statement: str
    number: int
    unit_id: str
    quote: str
    score: float


@dataclass(frozen=True, slots=True)
class Notes:
    """The claims of all batches, best first."""

    claims: tuple[Claim, ...]
    batches: int
    warnings: tuple[str, ...]  # one for each batch that could not be read


async def note_claims(sources: Sequence[Numbered], *, question: str, resources: Resources) -> Notes:
    """The claims in `sources`, whose order keeps communities together.

    Raises ModelError when no batch could be read.
    """
    prompt = prompts.load("query/lazy_claims", root=resources.root)
    batches = _batches(sources, max_tokens=resources.settings.query.lazy.batch_tokens)
    texts = ["\n\n".join(_render(number, unit) for number, unit in batch) for batch in batches]
    replies = await ask_each(
        [prompt.fill({"sources": text, "question": question}) for text in texts],
        lambda messages: resources.models.json(messages, ClaimsReply, kind="claims"),
        limit=resources.settings.chat.concurrency,
    )
    raise_if_all_failed(f"read any of the {len(batches)} batches of text", replies)
    warnings = tuple(
        f"batch {place} of {len(batches)} of the relevant text could not be read: {reply}"
        for place, reply in enumerate(replies, start=1)
        if isinstance(reply, ModelError)
    )
    claims = [
        claim
        for batch, reply in zip(batches, replies, strict=True)
        if isinstance(reply, ClaimsReply)
        for claim in _checked(reply, dict(batch))
    ]
    claims.sort(key=lambda claim: -claim.score)
    return Notes(tuple(claims), len(batches), warnings)


async def pack_claims(claims: Sequence[Claim], resources: Resources) -> tuple[int, str]:
    """How many claims fit into the reduce call, and their text with the sentences behind."""
    unquoted = [
        CitableFinding(place, claim.statement, "", (claim.unit_id,))
        for place, claim in enumerate(claims)
        if not claim.quote
    ]
    support = await find_support(unquoted, resources)
    lines: list[str] = []
    sentences: dict[str, None] = {}
    left = resources.settings.query.lazy.reduce_tokens - HEADINGS_TOKENS
    for place, claim in enumerate(claims):
        line = f"- ({claim.score:g}) {claim.statement} [{claim.number}]"
        quote = claim.quote or (support[place].quote if place in support else "")
        sentence = f"[{claim.number}] {one_line(quote)}" if quote else ""
        new = [sentence] if sentence and sentence not in sentences else []
        left -= sum(estimate_tokens(text) + 1 for text in [line, *new])
        if left < 0:
            break
        lines.append(line)
        sentences.update(dict.fromkeys(new))
    text = "\n".join(["## Points", *lines, "", "## Source sentences", *sentences])
    return len(lines), text


def _batches(sources: Sequence[Numbered], *, max_tokens: int) -> list[list[Numbered]]:
    """In order, each batch as full as it gets; a unit that is too long alone is cut."""
    batches: list[list[Numbered]] = []
    left = 0
    for number, unit in sources:
        head = estimate_tokens(_head(number, unit))
        if unit.n_tokens + head > max_tokens:
            from graphrag.text import tokens

            most = max(1, max_tokens - head)
            text = tokens.truncate(unit.text, most)
            unit = replace(unit, text=text, n_tokens=most)
        size = unit.n_tokens + head
        if size > left:
            batches.append([])
            left = max_tokens
        batches[-1].append((number, unit))
        left -= size
    return batches


def _head(number: int, unit: Unit) -> str:
    return f"[{number}] {one_line(unit.title)}\n"


def _render(number: int, unit: Unit) -> str:
    return f"{_head(number, unit)}{plain(unit.text)}"


def _checked(reply: ClaimsReply, units: dict[int, Unit]) -> list[Claim]:
    """The claims that help and name a source of the batch; a quote only where it is one."""
    claims: list[Claim] = []
    for claim in reply.claims:
        statement = one_line(claim.statement)
        unit = units.get(claim.source)
        if unit is None or not statement or claim.score <= 0:
            continue
        quote = claim.quote if claim.quote and check(claim.quote, unit.text) else ""
        claims.append(Claim(statement, claim.source, unit.id, quote, min(claim.score, 100.0)))
    return claims
