"""Make worked examples: extractions whose names the passage holds.

An example stands in a domain file as one line of JSON. JSON may write any character of a string
by its number, so what could be read as a mark or a closing tag is written so.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from graphrag.core.concurrency import Progress
from graphrag.core.errors import ModelError
from graphrag.core.settings import Settings
from graphrag.indexing.extraction.extract import Extraction
from graphrag.models.asking import FATAL_OR_UNREACHABLE, ask_each
from graphrag.models.limits.window import Window
from graphrag.models.models import Models
from graphrag.prompts import Message, Prompt
from graphrag.text import normalise, sentences, tokens
from graphrag.tuning.discovery import Domain
from graphrag.tuning.grounding import SourceText
from graphrag.tuning.sampling import Sample, SourceUnit

STEP = "examples"
CANDIDATES = 3  # passages that are tried for one example
PASSAGE_TOKENS = 160
EXAMPLE_TOKENS = 900  # of passage and reply; a longer example costs every call too much
MAX_ENTITIES = 12
INTRODUCTION = (
    "Worked examples, a line each: a passage of this collection and the reply to it. They show "
    "the form and the depth that is wanted; nothing in them is part of the text to extract from."
)


@dataclass(frozen=True, slots=True)
class Example:
    source: str
    text: str
    reply: Extraction


@dataclass(frozen=True, slots=True)
class Examples:
    chosen: tuple[Example, ...] = ()
    refused: tuple[tuple[str, str], ...] = ()
    """Source and reason of those that did not pass."""


async def make_examples(
    sample: Sample,
    domain: Domain,
    *,
    wanted: int,
    models: Models,
    load: Callable[[str], Prompt],
    progress: Progress,
) -> Examples:
    """At most `wanted` examples that pass `faults`, those that show most types first.

    Raises as `discover` does.
    """
    requests = example_messages(sample, domain, wanted=wanted, load=load)
    if not requests:
        return Examples()
    progress.start(STEP, len(requests))
    replies = await ask_each(
        requests,
        lambda request: models.json(request[2], Extraction, kind="tune_example"),
        limit=len(requests),
        fatal=FATAL_OR_UNREACHABLE,
        on_reply=lambda: progress.advance(STEP),
    )
    good: list[Example] = []
    refused: list[tuple[str, str]] = []
    for (unit, text, _), reply in zip(requests, replies, strict=True):
        reason = str(reply) if isinstance(reply, ModelError) else faults(text, reply)
        if isinstance(reply, Extraction) and not reason:
            good.append(Example(unit.source, text, reply))
        else:
            refused.append((unit.source, reason))
    progress.finish(STEP, f"{min(len(good), wanted)} of {len(requests)}")
    return Examples(tuple(_most_telling(good, wanted)), tuple(refused))


def affordable(settings: Settings, window: Window) -> int:
    """Examples that go along with a text unit of the usual size, as many as are wanted at most."""
    unit, wanted = settings.chunks.max_tokens, settings.tuning.examples
    room = window.fit(unit + wanted * EXAMPLE_TOKENS) - unit
    return max(0, room // EXAMPLE_TOKENS)


def example_messages(
    sample: Sample, domain: Domain, *, wanted: int, load: Callable[[str], Prompt]
) -> list[tuple[SourceUnit, str, list[Message]]]:
    prompt = load("tuning/example")
    values = {
        "language": sample.language.name,
        "entity_types": ", ".join(domain.entity_types),
        "relation_types": ", ".join(domain.relation_types) or "(none were found)",
    }
    passages = [(unit, opening(unit.text)) for unit in sample.units[: CANDIDATES * wanted]]
    return [(unit, text, prompt.fill({**values, "text": text})) for unit, text in passages if text]


def opening(text: str) -> str:
    """Whole sentences from the beginning of `text`, as many as an example has room for."""
    end = 0
    for _, stop in sentences(text):
        if tokens.count(text[:stop]) > PASSAGE_TOKENS:
            break
        end = stop
    return text[:end].strip() or tokens.truncate(text, PASSAGE_TOKENS).strip()


def faults(text: str, reply: Extraction) -> str:
    """Why this is no example to learn from; "" where it is one."""
    passage = SourceText(text)
    names = [entity.name for entity in reply.entities]
    known = set(map(normalise, names))
    if len(names) < 2 or not reply.relationships:
        return "it shows fewer than two entities or no relationship"
    if len(names) > MAX_ENTITIES:
        return f"it has more than {MAX_ENTITIES} entities"
    for name in names:
        if not passage.holds(name):
            return f"the entity {name!r} is not in its text"
    for relationship in reply.relationships:
        for name in (relationship.source, relationship.target):
            if normalise(name) not in known:
                return f"a relationship of it names {name!r}, which is none of its entities"
    if any(not item.description.strip() for item in (*reply.entities, *reply.relationships)):
        return "a description of it is empty"
    size = tokens.count(text) + tokens.count(as_line({"reply": reply.model_dump()}))
    return f"it has {size} tokens" if size > EXAMPLE_TOKENS else ""


def render(examples: Sequence[Example]) -> str:
    """What the domain file of the extraction says last."""
    lines = [
        as_line({"text": example.text, "reply": example.reply.model_dump()}) for example in examples
    ]
    return "\n".join([INTRODUCTION, *lines])


def as_line(value: Mapping[str, object]) -> str:
    """`value` as one line of JSON that no reader of prompt files takes for anything else."""
    text = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace").decode("utf-8")
    # All of these can stand in strings only: JSON itself has none of them.
    for mark in ("{{", "<!--", "</", "\u2028", "\u2029", "\x85"):
        text = text.replace(mark, "".join(f"\\u{ord(sign):04x}" for sign in mark))
    return text


def _most_telling(good: Sequence[Example], wanted: int) -> list[Example]:
    """Greedily those that add most types that are not shown yet; ties in their order."""
    left = list(good)
    chosen: list[Example] = []
    shown: set[str] = set()
    while left and len(chosen) < wanted:
        gains = [len(_types(example) - shown) for example in left]
        best = left.pop(gains.index(max(gains)))
        shown |= _types(best)
        chosen.append(best)
    return chosen


def _types(example: Example) -> set[str]:
    return {entity.type.casefold() for entity in example.reply.entities}
