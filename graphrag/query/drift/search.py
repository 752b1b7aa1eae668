"""A question in; a tree of questions answered on the way, and the answer made of them, out.

DRIFT (Microsoft Research, 2024): a made-up report finds real ones (primer), which give first
answers and follow-up questions; local searches answer those and raise new ones, the best first;
the ranked tree is reduced to one answer. A call that fails becomes a warning, and the others go
on. All prompts together stay within one budget.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace

from graphrag import prompts
from graphrag.core.concurrency import map_ordered, together
from graphrag.core.errors import CostLimitError, ModelAuthError, ModelError
from graphrag.prompts import Message
from graphrag.query.answering import extractive
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
from graphrag.query.drift.primer import find_reports, fold, readable, sample_report
from graphrag.query.drift.rounds import (
    REDUCE_OVERHEAD,
    Reward,
    Search,
    ask,
    embed_together,
    explore,
    new_evidence,
)
from graphrag.query.drift.tree import Node, Tree, helpful, pack_tree
from graphrag.query.global_search.reports import Finding, find_support
from graphrag.query.search import basic, local

NOTHING = "Neither the reports nor the texts that were read hold anything that answers this."
CLAIM = 400  # characters before a number that are taken for what it supports
# Seconds for which the first search waits, unless that call is done: it takes the interpreter,
# and would hold back the request, which takes longer than both.
HEAD_START = 0.3
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
    return replace(
        found[0],
        units=pack(
            ranked,
            k=question.k or settings.local.k,
            max_tokens=settings.local.max_context_tokens,
        ),
        reports=tuple(hits.values()),
        warnings=tuple(dict.fromkeys([*warnings, *found[0].warnings])),
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
    could be read by the model. Without a chat model the answer is extractive."""
    if resources.models.chat is None:
        evidence = await retrieve(question, resources)
        settings = resources.settings.query
        written = extractive.answer(
            evidence, limit=settings.sentences, min_coverage=settings.min_coverage
        )
        said = "no chat model: DRIFT asked no follow-up questions of its own"
        return replace(written, warnings=(said, *written.warnings)), evidence
    search = Search(question, resources)
    tree = await _prime(search)
    stopped = await explore(tree, search, reward)
    messages, sources, evidence = await _reduce(tree, search, stopped=stopped)
    if messages is None:
        return Written(NOTHING, answered=False), evidence
    pieces = resources.models.stream(messages, kind="reduce")
    return await write(pieces, sources, on_text=on_text), evidence


async def _prime(search: Search) -> Tree:
    """First answers, one for each fold of the reports that a made-up one resembles."""
    question, resources = search.question, search.resources
    settings = resources.settings.query.drift
    levels = await readable(question, resources)
    history = render_history(question, turns=resources.settings.query.local.history_turns)
    sample = await sample_report(question, resources, levels=levels)
    values = {"report": sample, "history": history, "question": question.text}
    async with together() as group:
        imagined = group.create_task(_imagine(search, values))
        await asyncio.wait([imagined], timeout=HEAD_START)
        direct = await local.retrieve(question, resources)
    reports, warnings = await find_reports(
        question,
        resources,
        levels=levels,
        like=imagined.result(),
        about=[hit.community_id for hit in direct.reports],
    )
    search.warnings += warnings
    search.findings = {one.number: one for report in reports for one in report.findings}
    search.reports = [report.hit for report in reports]
    texts, left_out = fold(reports, folds=settings.folds, max_tokens=settings.fold_tokens)
    search.reports_cut = left_out
    prompt = prompts.load("query/drift_primer", root=resources.root)
    filled = [
        prompt.fill({"reports": text, "history": history, "question": question.text})
        for text in texts
    ]
    reserve = settings.reduce_tokens + REDUCE_OVERHEAD
    filled = [one for one in filled if search.afford(one, reserve=reserve)] or filled[:1]
    known = frozenset(search.findings)
    nodes = await map_ordered(
        filled,
        lambda one: ask(Node(question.text), one, search, kind="primer", known=known),
        limit=resources.settings.chat.concurrency,
    )
    failed = [node for node in nodes if node.error]
    if filled and len(failed) == len(filled):
        raise ModelError(
            f"the model could not read any of the {len(filled)} parts of the reports: "
            f"{failed[0].error}",
            hint="Use a model that follows JSON schemas, or ask with --method local or basic.",
        )
    search.warnings += [
        f"part {place} of {len(nodes)} of the reports could not be read: {node.error}"
        for place, node in enumerate(nodes, start=1)
        if node.error
    ]
    return Tree(question.text, tuple(nodes))


async def _imagine(search: Search, values: Mapping[str, str]) -> str:
    """The question and a made-up report that would answer it."""
    resources = search.resources
    prompt = prompts.load("query/drift_hypothetical", root=resources.root).fill(values)
    search.afford(prompt)
    search.calls["hypothetical"] += 1
    question = search.question.text
    try:
        return f"{question}\n{await resources.models.text(prompt, kind='hypothetical')}"
    except (ModelAuthError, CostLimitError):
        raise
    except ModelError as error:
        search.warnings.append(f"no hypothetical report, the question itself is used: {error}")
        return question


async def _reduce(
    tree: Tree, search: Search, *, stopped: str
) -> tuple[list[Message] | None, list[Source], Evidence]:
    """The last call: its messages, None where nothing helps, its sources, and what was read."""
    resources = search.resources
    settings = resources.settings.query.drift
    sentences, ranked = await _sentences(tree, search), helpful(tree)
    max_tokens = min(settings.reduce_tokens, search.left - REDUCE_OVERHEAD)
    shown, text = pack_tree(tree, sentences, max_tokens=max_tokens)
    sources, evidence = await _sources(tree, search)
    messages: list[Message] | None = None
    if shown:
        turns = resources.settings.query.local.history_turns
        messages = prompts.load("query/drift_reduce", root=resources.root).fill(
            {
                "points": text,
                "history": render_history(search.question, turns=turns),
                "question": search.question.text,
            }
        )
        search.afford(messages)
        search.calls["reduce"] += 1
    elif ranked:
        search.warnings.append("query.drift.max_prompt_tokens leaves no room for an answer")
    trace = _trace(tree, search, stopped=stopped, shown=shown, of=len(ranked))
    return messages, sources, replace(evidence, warnings=tuple(search.warnings), trace=trace)


async def _sentences(tree: Tree, search: Search) -> dict[Node, dict[int, str]]:
    """By node: sentences of the sources that its answer cites, which say what it says."""
    by_number = {number: key for key, number in search.numbers.items()}
    claims: list[Finding] = []
    owners: list[tuple[Node, int]] = []
    for node in helpful(tree):
        start = 0
        for match in MARKER.finditer(node.answer):
            said = node.answer[start : match.start()].strip()[-CLAIM:]
            start = match.end()
            for number in markers(match[0]):
                key = by_number.get(number)
                units = (key,) if key else search.findings[number].unit_ids
                # The question helps to find the sentence that a short answer rests on.
                claims.append(Finding(len(claims), said, node.question, units))
                owners.append((node, number))
    support = await find_support(claims, search.resources)
    found: dict[Node, dict[int, str]] = {}
    for claim, (node, number) in zip(claims, owners, strict=True):
        if claim.number in support:
            quote = one_line(support[claim.number].quote)
            known = found.setdefault(node, {}).get(number)
            if known is None or quote not in known:
                found[node][number] = f"{known} … {quote}" if known else quote
    return found


async def _sources(tree: Tree, search: Search) -> tuple[list[Source], Evidence]:
    """What the numbers stand for, and everything that was read, best first."""
    store = search.resources.store
    cited = {number for node in tree.nodes() for number in markers(node.answer)}
    findings = [search.findings[number] for number in sorted(cited & search.findings.keys())]
    behind = await load_units(store, (key for one in findings for key in one.unit_ids))
    read = sorted(search.units.values(), key=lambda pair: (-pair[1], search.numbers[pair[0].id]))
    extra = sorted(behind.keys() - search.units.keys())
    units = [*read, *((behind[key], 0.0) for key in extra)]
    passages = {unit.id: unit.passage(score) for unit, score in units}
    sources = [
        Source(one.number, tuple(passages[key] for key in one.unit_ids if key in passages))
        for one in findings
    ]
    sources += [Source(number, (passages[key],)) for key, number in search.numbers.items()]
    language = (await search.resources.meta()).get("language") or "en"
    return sources, Evidence(
        units=tuple(units),
        words=await weigh(search.question.text, store, language=language),
        entities=tuple(search.entities.values()),
        relationships=tuple(search.relationships.values()),
        reports=tuple(search.reports),
    )


def _trace(tree: Tree, search: Search, *, stopped: str, shown: int, of: int) -> dict[str, object]:
    in_turn = sum(key in search.calls for key in ("hypothetical", "primer", "reduce"))
    return {
        "reports": len(search.reports),
        "reports_cut": search.reports_cut,
        "calls": dict(search.calls),
        "calls_in_turn": in_turn + len(search.rounds),
        "rounds": search.rounds,
        "stopped": stopped,
        "answers": of,
        "answers_read": shown,
        "prompt_tokens_estimated": search.estimated,
        "tree": tree.as_dict(),
    }
