"""Discover what a domain needs: persona, types of entities and relationships, terms.

Every type and term comes with names from the passage it was seen in. What the passage does not
hold is dropped; what is left is merged by its word stems and kept by how many passages showed it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, Field

from graphrag.core.concurrency import Progress
from graphrag.core.errors import ModelError, UsageError
from graphrag.core.settings_file import DEFAULT_TYPES
from graphrag.models.asking import FATAL_OR_UNREACHABLE, ask_each, reply_or_error
from graphrag.models.limits.window import Window
from graphrag.models.models import Models
from graphrag.prompts import Message, Prompt
from graphrag.text import normalise, terms, tokens
from graphrag.tuning.grounding import SourceText
from graphrag.tuning.sampling import Sample, SourceUnit

STEP = "discover"
MAX_TYPES = 12
MAX_TERMS = 50
MAX_VARIANTS = 5  # of one term
MAX_NAME = 40  # characters of the name of a type
OFTEN = 4  # passages from which a type must be seen in two of them
OPENING_TOKENS = 200  # of each passage in the call for the profile
PROFILE_TOKENS = 4000  # of all of them


class ProfileReply(BaseModel):
    domain: str = ""
    persona: str = ""
    rating_criterion: str = ""


class FoundType(BaseModel):
    name: str = ""
    examples: list[str] = Field(default_factory=list[str])


class FoundRelation(BaseModel):
    name: str = ""
    source: str = ""
    target: str = ""


class FoundTerm(BaseModel):
    term: str = ""
    variants: list[str] = Field(default_factory=list[str])


class DiscoverReply(BaseModel):
    entity_types: list[FoundType] = Field(default_factory=list[FoundType])
    relation_types: list[FoundRelation] = Field(default_factory=list[FoundRelation])
    terms: list[FoundTerm] = Field(default_factory=list[FoundTerm])


@dataclass(frozen=True, slots=True)
class Domain:
    """What was found out. Types are by falling number of passages that showed them."""

    domain: str
    persona: str
    rating_criterion: str
    entity_types: Mapping[str, int]
    relation_types: Mapping[str, int]
    terms: tuple[tuple[str, ...], ...]
    """A full form and its variants, each."""
    warnings: tuple[str, ...] = ()


async def discover(
    sample: Sample,
    *,
    entity_types: Sequence[str] | None,
    models: Models,
    load: Callable[[str], Prompt],
    concurrency: int,
    progress: Progress,
) -> Domain:
    """The domain of `sample`; `entity_types` are taken as they are where they are given.

    A reply that cannot be used is a warning. Raises the first error when no call came through,
    and ModelAuthError, ModelUnreachableError and CostLimitError at once.
    """
    requests = discover_messages(sample, load, models.window)
    progress.start(STEP, 1 + len(requests))
    warnings: list[str] = []
    profile = await reply_or_error(
        models.json(
            profile_messages(sample, load, models.window), ProfileReply, kind="tune_profile"
        ),
        fatal=FATAL_OR_UNREACHABLE,
    )
    if isinstance(profile, ModelError):
        warnings.append(f"domain and persona are not known: {profile}")
        profile = ProfileReply()
    progress.advance(STEP)
    replies = await ask_each(
        requests,
        lambda request: models.json(request[1], DiscoverReply, kind="tune_discover"),
        limit=concurrency,
        fatal=FATAL_OR_UNREACHABLE,
        on_reply=lambda: progress.advance(STEP),
    )
    failed = [reply for reply in replies if isinstance(reply, ModelError)]
    if failed:
        warnings.append(f"{len(failed)} of {len(replies)} passages gave no types: {failed[0]}")
    seen = [
        (SourceText(unit.shown), reply)
        for (unit, _), reply in zip(requests, replies, strict=True)
        if isinstance(reply, DiscoverReply)
    ]
    code = sample.language.code
    counts = _types(seen, code)
    if entity_types is not None:
        counts = {name: counts.get(name, 0) for name in entity_types}
    elif not counts:
        warnings.append(
            "the model named no entity types that the passages bear out: the default ones stay"
        )
        counts = dict.fromkeys(DEFAULT_TYPES, 0)
    progress.finish(STEP, f"{len(counts)} entity types")
    return Domain(
        _line(profile.domain) or "texts of no particular field",
        _line(profile.persona) or "a careful reader who knows the field",
        _line(profile.rating_criterion) or "how much of the collection depends on it",
        counts,
        _relations(seen, code),
        _terms(seen),
        tuple(warnings),
    )


def profile_messages(
    sample: Sample, load: Callable[[str], Prompt], window: Window
) -> list[Message]:
    openings: list[str] = []
    room = window.fit(PROFILE_TOKENS)
    for number, unit in enumerate(sample.units, 1):
        opening = tokens.truncate(unit.shown, min(OPENING_TOKENS, room))
        if not opening:
            break
        openings.append(f"[{number}] {opening}")
        room -= tokens.count(opening)
    values = {"language": sample.language.name, "passages": "\n\n".join(openings)}
    return load("tuning/profile").fill(values)


def discover_messages(
    sample: Sample, load: Callable[[str], Prompt], window: Window
) -> list[tuple[SourceUnit, list[Message]]]:
    prompt = load("tuning/discover")
    name = sample.language.name
    return [
        (unit, prompt.fill(window.fit_values({"language": name, "text": unit.shown})))
        for unit in sample.units
    ]


def given_types(names: Iterable[str]) -> tuple[str, ...]:
    """Entity types as a user gives them, one by one or with commas between. Raises UsageError."""
    parts = [part for name in names for part in name.split(",")]
    types = tuple(dict.fromkeys(name for part in parts if (name := type_name(part))))
    unfit = [part for part in parts if part.strip() and not type_name(part)]
    if unfit or not types:
        raise UsageError(
            f"not the name of an entity type: {', '.join(map(repr, unfit or parts))}",
            hint=f"Give short names of at most {MAX_NAME} characters: person,ship,place",
        )
    return types


def type_name(name: str) -> str:
    """`name` as a type is written, or "" where it is none."""
    bare = " ".join(name.replace("_", " ").split()).casefold().strip(" .,;:'\"`")
    fit = len(bare) <= MAX_NAME and not set(bare) & set(',;|{}[]<>`"')
    return bare if fit and any(map(str.isalpha, bare)) else ""


def _types(seen: Sequence[tuple[SourceText, DiscoverReply]], code: str) -> dict[str, int]:
    named = [
        {
            type_name(found.name)
            for found in reply.entity_types
            if any(passage.holds(example) for example in found.examples)
        }
        for passage, reply in seen
    ]
    return _merged(named, code)


def _relations(seen: Sequence[tuple[SourceText, DiscoverReply]], code: str) -> dict[str, int]:
    named = [
        {
            type_name(found.name)
            for found in reply.relation_types
            if passage.holds(found.source) and passage.holds(found.target)
        }
        for passage, reply in seen
    ]
    return _merged(named, code)


def _merged(named: Sequence[set[str]], code: str) -> dict[str, int]:
    """By type: the passages that showed it, most first. Names with the same stems are one type."""
    spellings: defaultdict[str, Counter[str]] = defaultdict(Counter)
    passages: Counter[str] = Counter()
    for names in named:
        by_stem: dict[str, str] = {}
        for name in sorted(names - {""}):
            stem = " ".join(terms(name, code)) or normalise(name)
            by_stem.setdefault(stem, name)
            spellings[stem][name] += 1
        passages.update(by_stem.keys())
    least = 2 if len(named) >= OFTEN else 1
    often = {stem: count for stem, count in passages.items() if count >= least} or passages
    ordered = sorted(often.items(), key=lambda item: (-item[1], item[0]))[:MAX_TYPES]
    return {
        min(spellings[stem], key=lambda name: (-spellings[stem][name], len(name), name)): count
        for stem, count in ordered
    }


def _terms(seen: Sequence[tuple[SourceText, DiscoverReply]]) -> tuple[tuple[str, ...], ...]:
    """Terms whose forms stand in the passage; a variant of two terms belongs to neither."""
    variants: defaultdict[str, dict[str, str]] = defaultdict(dict)
    full: dict[str, str] = {}
    weight: Counter[str] = Counter()
    for passage, reply in seen:
        for found in reply.terms:
            term, key = " ".join(found.term.split()), normalise(found.term)
            if not key or not passage.holds(term):
                continue
            full.setdefault(key, term)
            weight[key] += 1
            for variant in found.variants[:MAX_VARIANTS]:
                other = normalise(variant)
                if other and other != key and len(other) > 1 and passage.holds(variant):
                    variants[key].setdefault(other, " ".join(variant.split()))
    owners = Counter(other for known in variants.values() for other in known)
    lists = {
        key: [
            known[other] for other in sorted(known) if owners[other] == 1 and other not in variants
        ][:MAX_VARIANTS]
        for key, known in variants.items()
    }
    ordered = sorted(lists, key=lambda key: (-weight[key], key))
    return tuple((full[key], *lists[key]) for key in ordered if lists[key])[:MAX_TERMS]


def _line(text: str) -> str:
    return " ".join(text.split())[: 10 * MAX_NAME]
