"""Let a model decide on the pairs of names that the rules leave open.

Many pairs share a call; each verdict is kept by the hash of its own pair, so a pair that did not
change is never paid for twice. A pair without a clear verdict stays apart.
"""

from __future__ import annotations

import json
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl
from pydantic import BaseModel, ValidationError

from graphrag import prompts
from graphrag.core.errors import BadReplyError, ModelError
from graphrag.core.settings import ResolutionSettings
from graphrag.core.tables import stable_id
from graphrag.indexing.extraction.evidence import CurrentEvidence
from graphrag.indexing.resolution.names import Names
from graphrag.indexing.resolution.pairs import NameProfile, Pair, best_pairs, worth
from graphrag.indexing.resolution.similar_names import find_similar
from graphrag.indexing.run import Run
from graphrag.indexing.runners.asking import ask_and_keep
from graphrag.prompts import Prompt
from graphrag.stores import GraphStore

STEP = "joins"
PAIRS_PER_CALL = 40
MAX_DESCRIPTION = 160  # characters of what is said of a name
MAX_REASON = 200  # characters of a verdict's reason


class Verdict(BaseModel):
    pair: int
    same: bool
    reason: str = ""


class JoinVerdicts(BaseModel):
    """The model's reply."""

    verdicts: list[Verdict]


class KeptVerdict(BaseModel):
    """One verdict as the store keeps it."""

    same: bool
    reason: str


async def decide(run: Run, names: Names, *, by_model: bool) -> Names:
    """`names` with the model's verdict on the open pairs that are worth a question.

    Replies are kept in the store as they arrive. A pair whose call fails, or whose verdict is
    missing or contradicted, stays open. All do where no model is to be asked. Raises
    ModelAuthError.
    """
    if not by_model or run.models.chat is None or run.settings.resolution.method != "auto":
        return names
    similar = await find_similar(run, names.profiles)
    asked = questions(names, similar.pairs, run.settings.resolution)
    model, prompt = run.models.chat.name, prompts.load("indexing/join", root=run.root)
    keys = verdict_keys(asked, model=model, prompt=prompt)
    verdicts = await kept_verdicts(run.store, keys.values())
    todo = [pair for pair in asked.rows if keys[pair] not in verdicts]
    if similar.failure:
        run.fail("entity resolution", similar.failure)
    if todo:
        run.progress.start(STEP, len(todo))
        verdicts |= await _ask(todo, asked.rows, keys, prompt, run)
        run.progress.finish(STEP)
    run.reply_keys.update(verdicts, similar.reply_keys)
    return replace(names, pairs=judged(asked.pairs, keys, verdicts, model=model))


@dataclass(frozen=True, slots=True)
class Questions:
    """All pairs, and how those are shown that the model is asked about."""

    pairs: Sequence[Pair]
    rows: Mapping[Pair, str]


def questions(names: Names, alike: Iterable[Pair], settings: ResolutionSettings) -> Questions:
    """The pairs of `names` with those that are alike in meaning; as many as allowed are asked."""
    pairs = best_pairs([*names.pairs, *alike])
    profiles = names.profiles
    limit = settings.pairs_per_thousand * -(-len(profiles) // 1000)
    open_pairs = [pair for pair in pairs if pair.decision == "ask"]
    ranked = sorted(open_pairs, key=lambda pair: (-worth(pair, profiles), pair.first, pair.second))
    asked = sorted(ranked[:limit], key=lambda pair: (pair.first, pair.second))
    return Questions(pairs, shown(asked, profiles, names.evidence))


def verdict_keys(asked: Questions, *, model: str, prompt: Prompt) -> dict[Pair, str]:
    """By pair: the key under which its verdict is kept."""
    return {pair: stable_id("join", model, prompt.hash, row) for pair, row in asked.rows.items()}


async def kept_verdicts(store: GraphStore, keys: Iterable[str]) -> dict[str, KeptVerdict]:
    """By key: the verdicts that the store holds."""
    found: dict[str, KeptVerdict] = {}
    for key, text in (await store.replies(sorted(keys))).items():
        try:
            found[key] = KeptVerdict.model_validate_json(text)
        except ValidationError:
            continue  # damaged, so it is asked for again
    return found


def judged(
    pairs: Sequence[Pair],
    keys: Mapping[Pair, str],
    verdicts: Mapping[str, KeptVerdict],
    *,
    model: str,
) -> list[Pair]:
    """`pairs`, those with a verdict (by their key) joined or refused by it."""
    found: list[Pair] = []
    for pair in pairs:
        verdict = verdicts.get(keys.get(pair, ""))
        if verdict is None:
            found.append(pair)
            continue
        decision = "join" if verdict.same else "refuse"
        found.append(replace(pair, decision=decision, note=verdict.reason, decided_by=model))
    return found


def shown(
    pairs: Iterable[Pair], profiles: Mapping[str, NameProfile], evidence: CurrentEvidence
) -> dict[Pair, str]:
    """How each pair is shown to the model, without its number."""
    wanted = list(pairs)
    descriptions = _descriptions(
        evidence, {norm for pair in wanted for norm in (pair.first, pair.second)}
    )
    return {
        pair: " | ".join(
            _field(profiles[norm], descriptions.get(norm, "")) for norm in (pair.first, pair.second)
        )
        for pair in wanted
    }


def _field(name: NameProfile, said: str) -> str:
    kind = f" ({_plain(name.type)})" if name.type else ""
    return f"{_plain(name.spelling)}{kind}" + (f": {said}" if said else "")


def _descriptions(evidence: CurrentEvidence, norms: set[str]) -> dict[str, str]:
    """By name: the longest of its descriptions, cut."""
    rows = (
        evidence.entities.filter(pl.col("norm").is_in(sorted(norms)))
        .select("norm", pl.col("description").fill_null("").str.strip_chars())
        .unique()
        .sort(
            "norm",
            pl.col("description").str.len_chars(),
            "description",
            descending=[False, True, False],
        )
        .unique("norm", keep="first", maintain_order=True)
    )
    return {norm: _plain(text)[:MAX_DESCRIPTION] for norm, text in rows.iter_rows()}


def _plain(text: str) -> str:
    # A bar in a name must not look like the border of a field.
    return " ".join(text.replace("|", "/").split())


async def _ask(
    todo: Sequence[Pair],
    rows: Mapping[Pair, str],
    keys: Mapping[Pair, str],
    prompt: Prompt,
    run: Run,
) -> dict[str, KeptVerdict]:
    """The clear verdicts on `todo` by key; the others are counted in a warning."""
    found: dict[str, KeptVerdict] = {}
    replied = 0
    batches = [tuple(todo[at : at + PAIRS_PER_CALL]) for at in range(0, len(todo), PAIRS_PER_CALL)]

    def ask(batch: Sequence[Pair]) -> Coroutine[object, object, JoinVerdicts]:
        lines = [f"{number} | {rows[pair]}" for number, pair in enumerate(batch, 1)]
        messages = prompt.fill({"pairs": "\n".join(lines)})
        return run.models.json(messages, JoinVerdicts, kind="join", cache=False)

    async def keep(results: list[tuple[tuple[Pair, ...], JoinVerdicts | ModelError]]) -> None:
        nonlocal replied
        new: dict[str, KeptVerdict] = {}
        for batch, reply in results:
            if isinstance(reply, JoinVerdicts):
                replied += len(batch)
                clear = _clear(reply.verdicts, len(batch))
                new |= {keys[batch[number - 1]]: verdict for number, verdict in clear.items()}
        await run.store.put_replies({key: json.dumps(one.model_dump()) for key, one in new.items()})
        found.update(new)

    asked = await ask_and_keep(
        batches,
        ask,
        keep,
        limit=run.settings.chat.concurrency,
        on_done=lambda done: run.progress.advance(STEP, sum(map(len, done))),
    )
    failed = sum(map(len, asked.errors))
    unread = replied - len(found)
    reasons: dict[str, None] = {}
    for batch, error in asked.errors.items():
        if isinstance(error, BadReplyError):
            unread += len(batch)
        else:
            reasons[f"names were not compared: {error}"] = None
    if asked.stopped is not None:
        left = len(todo) - replied - failed
        reasons[f"{left} pairs of names are left: {asked.stopped}"] = None
    for reason in reasons:
        run.fail("entity resolution", reason)
    if unread:
        run.warnings.append(
            f"the model gave no clear verdict on {unread} pairs of names; they stay apart"
        )
    return found


def _clear(verdicts: Iterable[Verdict], n_pairs: int) -> dict[int, KeptVerdict]:
    """By number: the verdicts on pairs that got exactly one answer."""
    found: dict[int, KeptVerdict] = {}
    contradicted: set[int] = set()
    for verdict in verdicts:
        held = found.get(verdict.pair)
        if held is not None and held.same != verdict.same:
            contradicted.add(verdict.pair)
        reason = " ".join(verdict.reason.split())[:MAX_REASON]
        found.setdefault(verdict.pair, KeptVerdict(same=verdict.same, reason=reason))
    return {
        number: verdict
        for number, verdict in found.items()
        if 1 <= number <= n_pairs and number not in contradicted
    }
