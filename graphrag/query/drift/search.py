"""Answer a question by DRIFT: primer, rounds of follow-up questions, reduce.

DRIFT (Microsoft Research, 2024): a hypothetical report finds real ones (primer), which give first
answers and follow-up questions; local searches answer those and raise new ones, the best first;
the ranked tree is reduced to one answer. A call that fails becomes a warning, and the others go
on. All prompts together stay within one budget.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from graphrag import prompts
from graphrag.core.concurrency import map_ordered
from graphrag.prompts import Message
from graphrag.query.answering.writing import MARKER, Written, markers, write
from graphrag.query.context import (
    Evidence,
    Question,
    Resources,
    Source,
    load_units,
    one_line,
    pack,
    render_history,
)
from graphrag.query.context.words import weigh
from graphrag.query.drift.calls import REDUCE_OVERHEAD, PromptBudget
from graphrag.query.drift.primer import Primed, find_reports, prime, readable
from graphrag.query.drift.rounds import Gathered, Reward, embed_together, explore, new_evidence
from graphrag.query.drift.tree import Node, helpful, pack_tree
from graphrag.query.global_search.reports import CitableFinding, find_support
from graphrag.query.search import basic, local

NOTHING = "Neither the reports nor the texts that were read hold anything that answers this."
CLAIM = 400  # characters before a number that are taken for what it supports
NO_FOLLOW_UPS = "no chat model: DRIFT asked no follow-up questions of its own"
MODEL_FREE_SEARCHES = 3  # reports that are followed up without a chat model


async def retrieve(question: Question, resources: Resources) -> Evidence:
    """Without a chat model: local searches for the question and for what fitting reports are
    about, fused. The first step of what DRIFT reads with one."""
    settings = resources.settings.query
    levels = await readable(question, resources)
    reports, warnings = await find_reports(question, resources, levels=levels, like=question.text)
    searches = [
        question,
        *(
            replace(question, text=f"{question.text}\n{report.hit.title}", history=())
            for report in reports[:MODEL_FREE_SEARCHES]
        ),
    ]
    searches = await embed_together(searches, resources)
    found = await map_ordered(
        searches, lambda one: local.retrieve(one, resources), limit=len(searches)
    )
    units = {unit.id: unit for one in found for unit, _ in one.units}
    scores = basic.fuse([[unit.id for unit, _ in one.units] for one in found])
    order = sorted(scores, key=lambda key: (-scores[key], key))
    ranked = [(units[key], scores[key]) for key in order]
    hits = {hit.community_id: hit for hit in (report.hit for report in reports)}
    said = () if resources.models.chat else (NO_FOLLOW_UPS,)
    return replace(
        found[0],
        units=pack(
            ranked,
            k=question.k or settings.local.k,
            max_tokens=settings.local.max_context_tokens,
        ),
        reports=tuple(hits.values()),
        warnings=tuple(dict.fromkeys([*said, *warnings, *found[0].warnings])),
        trace={"reports": len(reports), "searches": len(searches)},
    )


async def answer(
    question: Question,
    resources: Resources,
    *,
    on_text: Callable[[str], None] | None = None,
    reward: Reward = new_evidence,
) -> tuple[Written, Evidence]:
    """Raises UsageError without reports or on an unknown level, ModelError when no reports
    could be read by the model."""
    budget = PromptBudget(resources)
    primed = await prime(question, resources, budget=budget)
    gathered = Gathered(first=max(primed.findings, default=0) + 1)
    stopped = await explore(
        primed.tree, question, resources, gathered=gathered, budget=budget, reward=reward
    )
    messages, sources, evidence = await _reduce(
        primed, gathered, question, resources, budget=budget, stopped=stopped
    )
    if messages is None:
        return Written(NOTHING, answered=False), evidence
    pieces = resources.models.stream(messages, kind="reduce")
    return await write(pieces, sources, on_text=on_text), evidence


async def _reduce(
    primed: Primed,
    gathered: Gathered,
    question: Question,
    resources: Resources,
    *,
    budget: PromptBudget,
    stopped: str,
) -> tuple[list[Message] | None, list[Source], Evidence]:
    """The last call: its messages, None where nothing helps, its sources, and what was read."""
    settings = resources.settings.query
    tree = primed.tree
    sentences, ranked = await _sentences(primed, gathered, resources), helpful(tree)
    max_tokens = min(settings.drift.reduce_tokens, budget.left - REDUCE_OVERHEAD)
    shown, text = pack_tree(tree, sentences, max_tokens=max_tokens)
    sources, evidence = await _sources(primed, gathered, question, resources)
    warnings = [*primed.warnings, *gathered.warnings]
    messages: list[Message] | None = None
    if shown:
        messages = prompts.load("query/drift_reduce", root=resources.root).fill(
            {
                "points": text,
                "history": render_history(question, turns=settings.local.history_turns),
                "question": question.text,
            }
        )
        budget.afford(messages)
    elif ranked:
        warnings.append("query.drift.max_prompt_tokens leaves no room for an answer")
    calls = {
        "hypothetical": 1,
        "primer": len(tree.primer),
        "follow_up": sum(one["asked"] for one in gathered.rounds),
        "reduce": int(messages is not None),
    }
    in_turn = sum(min(1, calls[kind]) for kind in ("hypothetical", "primer", "reduce"))
    trace = {
        "reports": len(primed.reports),
        "reports_cut": primed.reports_cut,
        "calls": {kind: count for kind, count in calls.items() if count},
        "calls_in_turn": in_turn + len(gathered.rounds),
        "rounds": gathered.rounds,
        "stopped": stopped,
        "answers": len(ranked),
        "answers_read": shown,
        "prompt_tokens_estimated": budget.estimated,
        "tree": tree.as_dict(),
    }
    return messages, sources, replace(evidence, warnings=tuple(warnings), trace=trace)


async def _sentences(
    primed: Primed, gathered: Gathered, resources: Resources
) -> dict[Node, dict[int, str]]:
    """By node: sentences of the sources that its answer cites, which say what it says."""
    by_number = {number: key for key, number in gathered.numbers.items()}
    claims: list[CitableFinding] = []
    owners: list[tuple[Node, int]] = []
    for node in helpful(primed.tree):
        start = 0
        for match in MARKER.finditer(node.answer):
            said = node.answer[start : match.start()].strip()[-CLAIM:]
            start = match.end()
            for number in markers(match[0]):
                key = by_number.get(number)
                units = (key,) if key else primed.findings[number].unit_ids
                # The question helps to find the sentence that a short answer rests on.
                claims.append(CitableFinding(len(claims), said, node.question, units))
                owners.append((node, number))
    support = await find_support(claims, resources)
    found: dict[Node, dict[int, str]] = {}
    for claim, (node, number) in zip(claims, owners, strict=True):
        if claim.number in support:
            quote = one_line(support[claim.number].quote)
            known = found.setdefault(node, {}).get(number)
            if known is None or quote not in known:
                found[node][number] = f"{known} … {quote}" if known else quote
    return found


async def _sources(
    primed: Primed, gathered: Gathered, question: Question, resources: Resources
) -> tuple[list[Source], Evidence]:
    """What the numbers stand for, and everything that was read, best first."""
    store = resources.store
    cited = {number for node in primed.tree.nodes() for number in markers(node.answer)}
    findings = [primed.findings[number] for number in sorted(cited & primed.findings.keys())]
    behind = await load_units(store, (key for one in findings for key in one.unit_ids))
    read = sorted(
        gathered.units.values(), key=lambda pair: (-pair[1], gathered.numbers[pair[0].id])
    )
    extra = sorted(behind.keys() - gathered.units.keys())
    units = [*read, *((behind[key], 0.0) for key in extra)]
    passages = {unit.id: unit.passage(score) for unit, score in units}
    sources = [
        Source(one.number, tuple(passages[key] for key in one.unit_ids if key in passages))
        for one in findings
    ]
    sources += [Source(number, (passages[key],)) for key, number in gathered.numbers.items()]
    language = (await resources.meta()).get("language") or "en"
    return sources, Evidence(
        units=tuple(units),
        words=await weigh(question.text, store, language=language),
        entities=tuple(gathered.entities.values()),
        relationships=tuple(gathered.relationships.values()),
        reports=tuple(report.hit for report in primed.reports),
    )
