"""Write what each prompt should know of a domain, which its packaged frame has a place for.

The frame keeps the task, the shape of the reply and the warning against instructions in data, so
nothing that the model writes can break a prompt: its notes are put in as data, whatever they hold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from graphrag import prompts
from graphrag.core.concurrency import Progress
from graphrag.core.errors import ModelError
from graphrag.models.asking import FATAL_OR_UNREACHABLE, ask_each
from graphrag.models.models import Models
from graphrag.prompts import DIVIDER, Message, Prompt
from graphrag.text import tokens
from graphrag.tuning.discovery import Domain
from graphrag.tuning.examples import Example, render
from graphrag.tuning.sampling import Language

STEP = "write"
# What depends on the domain. `query/answer` is local's, and that of the methods like it.
TUNED: tuple[str, ...] = (
    "indexing/extract",
    "indexing/extract_claims",
    "indexing/summarise",
    "indexing/report",
    "indexing/context",
    "query/global_map",
    "query/global_reduce",
    "query/answer",
    "query/drift_primer",
    "query/drift_follow_up",
    "query/drift_reduce",
    "query/lazy_relevance",
    "query/rewrite",
)
WITH_EXAMPLES = "indexing/extract"
WITH_NAMES = ("indexing/extract", "indexing/extract_claims", "query/rewrite")
NOTES_TOKENS = 400  # of the model's notes, which go along with every call
SHOWN_TERMS = 20


@dataclass(frozen=True, slots=True)
class Draft:
    """What prompt `name` is to know. `made` says how; `fault` why there are no notes, if none."""

    name: str
    text: str
    made: str
    fault: str = ""


async def write(
    domain: Domain,
    *,
    language: Language,
    examples: Sequence[Example],
    models: Models,
    load: Callable[[str], Prompt],
    progress: Progress,
) -> list[Draft]:
    """A draft for every prompt in TUNED. Raises as `discover` does."""
    progress.start(STEP, len(TUNED))
    replies = await ask_each(
        TUNED,
        lambda name: models.text(
            write_messages(name, domain, language, load=load), kind="tune_write"
        ),
        limit=len(TUNED),
        fatal=FATAL_OR_UNREACHABLE,
        on_reply=lambda: progress.advance(STEP),
    )
    drafts = [
        _draft(name, domain, language, reply, examples=examples if name == WITH_EXAMPLES else ())
        for name, reply in zip(TUNED, replies, strict=True)
    ]
    progress.finish(STEP, f"{sum(not draft.fault for draft in drafts)} of {len(drafts)}")
    return drafts


def write_messages(
    name: str, domain: Domain, language: Language, *, load: Callable[[str], Prompt]
) -> list[Message]:
    """The request for the notes of one prompt."""
    values = {
        "language": language.name,
        "collection": _lines(_about(domain) | _names(domain)),
        "instructions": prompts.load(name).text.partition(DIVIDER)[0].strip(),
    }
    return load("tuning/write").fill(values)


def _draft(
    name: str,
    domain: Domain,
    language: Language,
    reply: str | ModelError,
    *,
    examples: Sequence[Example],
) -> Draft:
    rows = _about(domain) | (_names(domain) if name in WITH_NAMES else {})
    if language.code != "und":
        rows["language"] = language.name
    parts = [_lines(rows)]
    made = "what was found out"
    if isinstance(reply, str):
        parts.append(tokens.truncate(reply, NOTES_TOKENS).strip())
        made += ", notes by the model"
    if examples:
        parts.append(render(examples))
        made += f", {len(examples)} examples"
    fault = str(reply) if isinstance(reply, ModelError) else ""
    return Draft(name, "\n\n".join(parts) + "\n", made, fault)


def _about(domain: Domain) -> dict[str, str]:
    return {
        "what it is about": domain.domain,
        "reader": domain.persona,
        "what makes a part of it important": domain.rating_criterion,
    }


def _names(domain: Domain) -> dict[str, str]:
    return {
        "kinds of things": ", ".join(domain.entity_types),
        "kinds of relationships": ", ".join(domain.relation_types),
        "terms with several forms": "; ".join(map(", ".join, domain.terms[:SHOWN_TERMS])),
    }


def _lines(rows: dict[str, str]) -> str:
    return "\n".join(f"{name}: {value}" for name, value in rows.items() if value)
