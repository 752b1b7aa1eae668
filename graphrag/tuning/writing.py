"""Have the model rewrite each packaged prompt for a domain, and check the result.

The model writes instructions only; the data part of a prompt stays as it is packaged. What it
writes must keep every placeholder, reply shape, field name and warning against instructions in
data. It gets one chance to correct a fault; after that the packaged prompt stays.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from graphrag import prompts
from graphrag.core.concurrency import Progress
from graphrag.core.errors import ModelError
from graphrag.models.asking import FATAL_OR_UNREACHABLE, ask_each
from graphrag.models.models import Models
from graphrag.models.replies.parsing import CORRECTION
from graphrag.prompts import DIVIDER, PLACEHOLDER, Message, Prompt
from graphrag.text import detect_language, tokens
from graphrag.tuning.discovery import Domain
from graphrag.tuning.examples import INTRODUCTION, Example, render
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
MAX_GROWTH = 4  # times the tokens of the packaged instructions; other scripts need more tokens
SPARE_TOKENS = 150  # that a rewritten prompt may always add

_SHAPE = re.compile(r"^```\w*\n.*?^```$|^\{[^\n]*\}$", re.MULTILINE | re.DOTALL)
_QUOTED = re.compile(r"`([^`\s]+)`")
_NUMBER = re.compile(r"\[[a-z]?\d+\]")
_GUARD = re.compile(r"[^.\n]*never instructions[^.\n]*\.")
_FENCE = re.compile(r"^```(\w*)$", re.MULTILINE)
_FENCED = re.compile(r"\A```\w*\n(.*)\n```\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Draft:
    """One prompt of the set. `made` says how; `fault` why it is the packaged one, if it is."""

    name: str
    text: str
    made: str
    fault: str = ""

    @property
    def is_tuned(self) -> bool:
        return not self.fault


async def write(
    domain: Domain,
    *,
    language: Language,
    examples: Sequence[Example],
    models: Models,
    load: Callable[[str], Prompt],
    progress: Progress,
) -> list[Draft]:
    """A draft of every prompt in TUNED. Raises as `discover` does."""
    progress.start(STEP, len(TUNED))
    replies = await ask_each(
        TUNED,
        lambda name: _write_one(name, domain, language, examples, models=models, load=load),
        limit=len(TUNED),
        fatal=FATAL_OR_UNREACHABLE,
        on_reply=lambda: progress.advance(STEP),
    )
    drafts = [
        Draft(name, prompts.load(name).text, "packaged", fault=str(reply))
        if isinstance(reply, ModelError)
        else reply
        for name, reply in zip(TUNED, replies, strict=True)
    ]
    progress.finish(STEP, f"{sum(draft.is_tuned for draft in drafts)} of {len(drafts)}")
    return drafts


def write_messages(
    name: str,
    domain: Domain,
    language: Language,
    *,
    with_examples: bool,
    load: Callable[[str], Prompt],
) -> list[Message]:
    """The request for one prompt."""
    values = {
        "language": language.name,
        "collection": _describe(domain),
        "instructions": base_instructions(name, with_examples=with_examples),
    }
    return load("tuning/write").fill(values)


def base_instructions(name: str, *, with_examples: bool) -> str:
    """The packaged instructions of prompt `name`, which mention examples if there will be any."""
    head = prompts.load(name).text.partition(DIVIDER)[0].strip()
    if with_examples and name == WITH_EXAMPLES:
        head, mark, shape = head.rpartition("\n\nReply with")
        head = f"{head}\n\n{INTRODUCTION}{mark}{shape}"
    return head


def assemble(name: str, instructions: str, examples: Sequence[Example]) -> str:
    """The text of the prompt file."""
    parts = [instructions.strip()]
    if examples and name == WITH_EXAMPLES:
        parts.append(render(examples))
    data = prompts.load(name).text.partition(DIVIDER)[2]
    return "\n".join([*parts, DIVIDER]) + data


def find_faults(base: str, written: str, language: Language) -> list[str]:
    """What `written` lost of `base`, or has too much of."""
    faults: list[str] = []
    wanted, found = Counter(PLACEHOLDER.findall(base)), Counter(PLACEHOLDER.findall(written))
    faults += [f"the placeholder {{{{{name}}}}} is missing" for name in sorted(wanted - found)]
    faults += [f"the placeholder {{{{{name}}}}} is too many" for name in sorted(found - wanted)]
    if "<!--" in written:
        faults.append("it holds a comment mark")
    for kind, pattern in (("reply shape", _SHAPE), ("sentence", _GUARD)):
        faults += [
            f"the {kind} {piece.strip()!r} is not there word for word"
            for piece in pattern.findall(base)
            if piece.strip() not in written
        ]
    words: dict[str, None] = dict.fromkeys(_QUOTED.findall(base))
    faults += [f"`{word}` is missing" for word in words if f"`{word}`" not in written]
    if _NUMBER.search(base) and not _NUMBER.search(written):
        faults.append("no citation in square brackets is left")
    most = MAX_GROWTH * tokens.count(base) + SPARE_TOKENS
    if tokens.count(written) > most:
        faults.append(f"it has {tokens.count(written)} tokens, more than {most}")
    return faults or _wrong_language(base, written, language)


def _wrong_language(base: str, written: str, language: Language) -> list[str]:
    """English where another language was asked for; without the pieces that stay English."""
    if language.code in ("en", "und"):
        return []
    prose = _SHAPE.sub(" ", written)
    for piece in _GUARD.findall(base):
        prose = prose.replace(piece.strip(), " ")
    found = detect_language(PLACEHOLDER.sub(" ", _QUOTED.sub(" ", prose)))
    return [f"it is not written in {language.name}"] if found == "en" else []


async def _write_one(
    name: str,
    domain: Domain,
    language: Language,
    examples: Sequence[Example],
    *,
    models: Models,
    load: Callable[[str], Prompt],
) -> Draft:
    shown = examples if name == WITH_EXAMPLES else ()
    base = base_instructions(name, with_examples=bool(shown))
    messages = write_messages(name, domain, language, with_examples=bool(shown), load=load)
    written = _bare(await models.text(messages, kind="tune_write"))
    faults = find_faults(base, written, language)
    corrected = ""
    if faults:
        ask = f"{CORRECTION} {'; '.join(faults)}. Send the whole instructions again, corrected."
        again = [*messages, Message("assistant", written), Message("user", ask)]
        written = _bare(await models.text(again, kind="tune_write"))
        faults = find_faults(base, written, language)
        corrected = ", corrected once"
    text = assemble(name, written, shown)
    faults += prompts.find_problems(name, text)
    if faults:
        return Draft(name, prompts.load(name).text, "packaged", fault="; ".join(faults))
    worked = f", with {len(shown)} examples" if shown else ""
    return Draft(name, text, f"written by the model{corrected}{worked}")


def _describe(domain: Domain) -> str:
    terms = "; ".join(", ".join(names) for names in domain.terms[:20])
    rows = {
        "what it is about": domain.domain,
        "persona": domain.persona,
        "what makes a part of it important": domain.rating_criterion,
        "kinds of things": ", ".join(domain.entity_types),
        "kinds of relationships": ", ".join(domain.relation_types),
        "terms with several forms": terms,
    }
    return "\n".join(f"{name}: {value}" for name, value in rows.items() if value)


def _bare(written: str) -> str:
    """Without a fence around the whole, and without what a reasoning model thought before."""
    text = written.rpartition("</think>")[2].strip()
    fenced = _FENCED.match(text)
    inner = fenced[1] if fenced else text
    # Prompts have fenced blocks of their own: the outer fences are a pair if the inner ones are.
    fences = _FENCE.findall(inner)
    paired = len(fences) % 2 == 0 and all(fences[::2]) and not any(fences[1::2])
    return inner.strip() if paired else text
