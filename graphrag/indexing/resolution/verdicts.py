"""Pairs of names that the rules leave open in, the same pairs with a model's verdict out.

Many pairs share a call; each verdict is kept by the hash of its own pair, so a pair that did not
change is never paid for twice. A pair without a clear verdict stays apart.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

import polars as pl
from pydantic import BaseModel, ValidationError

from graphrag.core.concurrency import Progress, as_done, batching_writer
from graphrag.core.errors import BadReplyError, CostLimitError, ModelAuthError, ModelError
from graphrag.core.settings import ResolutionSettings, Settings
from graphrag.core.tables import stable_id
from graphrag.indexing.extraction.evidence import Live
from graphrag.indexing.resolution.names import Names
from graphrag.indexing.resolution.pairs import Known, Pair, best_pairs, worth
from graphrag.indexing.resolution.similar_names import find_alike
from graphrag.models.models import Models
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


@dataclass(frozen=True, slots=True)
class Compared:
    """Names with every pair decided that could be.

    `reply_keys` are the replies that the decisions rest on; `failures` are reasons why pairs were
    not asked about, `warnings` tell of verdicts that could not be read.
    """

    names: Names
    reply_keys: frozenset[str] = frozenset()
    failures: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class _Run:
    models: Models
    store: GraphStore
    prompt: Prompt
    progress: Progress
    concurrency: int
    verdicts: dict[str, KeptVerdict] = field(default_factory=dict[str, KeptVerdict])
    failures: list[str] = field(default_factory=list[str])
    unread: int = 0


async def compare(
    names: Names,
    *,
    models: Models,
    store: GraphStore,
    prompt: Prompt,
    settings: Settings,
    progress: Progress,
) -> Compared:
    """`names` with the model's verdict on the open pairs that are worth a question.

    Replies are kept in `store` as they arrive. A pair whose call fails, or whose verdict is
    missing or contradicted, stays open. Without a chat model all open pairs do. Raises
    ModelAuthError.
    """
    if models.chat is None or settings.resolution.method != "auto":
        return Compared(names)
    alike = await find_alike(names.known, models=models, store=store, settings=settings.resolution)
    asked = questions(names, alike.pairs, settings.resolution)
    model = models.chat.name
    keys = verdict_keys(asked, model=model, prompt=prompt)
    run = _Run(models, store, prompt, progress, settings.chat.concurrency)
    run.verdicts.update(await kept_verdicts(store, keys.values()))
    todo = [pair for pair in asked.rows if keys[pair] not in run.verdicts]
    if todo:
        progress.start(STEP, len(todo))
        await _ask(todo, asked.rows, keys, run)
        progress.finish(STEP)
    unread = f"the model gave no clear verdict on {run.unread} pairs of names; they stay apart"
    failures = [alike.failure] if alike.failure else []
    return Compared(
        replace(names, pairs=judged(asked.pairs, keys, run.verdicts, model=model)),
        frozenset(run.verdicts) | alike.reply_keys,
        (*failures, *dict.fromkeys(run.failures)),
        (unread,) if run.unread else (),
    )


@dataclass(frozen=True, slots=True)
class Questions:
    """All pairs, and how those are shown that the model is asked about."""

    pairs: Sequence[Pair]
    rows: Mapping[Pair, str]


def questions(names: Names, alike: Iterable[Pair], settings: ResolutionSettings) -> Questions:
    """The pairs of `names` with those that are alike in meaning; as many as allowed are asked."""
    pairs = best_pairs([*names.pairs, *alike])
    known = names.known
    limit = settings.pairs_per_thousand * -(-len(known) // 1000)
    open_pairs = [pair for pair in pairs if pair.decision == "ask"]
    ranked = sorted(open_pairs, key=lambda pair: (-worth(pair, known), pair.first, pair.second))
    asked = sorted(ranked[:limit], key=lambda pair: (pair.first, pair.second))
    return Questions(pairs, shown(asked, known, names.live))


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


def shown(pairs: Iterable[Pair], known: Mapping[str, Known], live: Live) -> dict[Pair, str]:
    """How each pair is shown to the model, without its number."""
    wanted = list(pairs)
    said = _descriptions(live, {norm for pair in wanted for norm in (pair.first, pair.second)})
    return {
        pair: " | ".join(
            _field(known[norm], said.get(norm, "")) for norm in (pair.first, pair.second)
        )
        for pair in wanted
    }


def _field(name: Known, said: str) -> str:
    kind = f" ({_plain(name.type)})" if name.type else ""
    return f"{_plain(name.spelling)}{kind}" + (f": {said}" if said else "")


def _descriptions(live: Live, norms: set[str]) -> dict[str, str]:
    """By name: the longest of its descriptions, cut."""
    rows = (
        live.entities.filter(pl.col("norm").is_in(sorted(norms)))
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
    todo: Sequence[Pair], rows: Mapping[Pair, str], keys: Mapping[Pair, str], run: _Run
) -> None:
    batches = [todo[at : at + PAIRS_PER_CALL] for at in range(0, len(todo), PAIRS_PER_CALL)]

    async def attempt(batch: Sequence[Pair]) -> JoinVerdicts | ModelError:
        lines = [f"{number} | {rows[pair]}" for number, pair in enumerate(batch, 1)]
        messages = run.prompt.fill({"pairs": "\n".join(lines)})
        try:
            return await run.models.json(messages, JoinVerdicts, kind="join", cache=False)
        except ModelError as error:
            return error

    async def save(found: list[tuple[str, KeptVerdict]]) -> None:
        await run.store.put_replies({key: json.dumps(v.model_dump()) for key, v in found})

    left, limit = len(todo), run.concurrency
    async with (
        batching_writer(save, most=limit * PAIRS_PER_CALL) as saving,
        aclosing(as_done(batches, attempt, limit=limit)) as results,
    ):
        async for batch, reply in results:
            left -= len(batch)
            match reply:
                case ModelAuthError():
                    raise reply
                case CostLimitError():
                    run.failures.append(f"{left + len(batch)} pairs of names are left: {reply}")
                    return
                case BadReplyError():
                    run.unread += len(batch)
                case ModelError():
                    run.failures.append(f"names were not compared: {reply}")
                case _:
                    await saving.add(_take(batch, reply, keys, run).items())
            run.progress.advance(STEP, len(batch))


def _take(
    batch: Sequence[Pair], reply: JoinVerdicts, keys: Mapping[Pair, str], run: _Run
) -> dict[str, KeptVerdict]:
    """The verdicts of a reply by the keys of their pairs, which are now known."""
    clear = _clear(reply.verdicts, len(batch))
    run.unread += len(batch) - len(clear)
    found = {keys[batch[number - 1]]: verdict for number, verdict in sorted(clear.items())}
    run.verdicts.update(found)
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
