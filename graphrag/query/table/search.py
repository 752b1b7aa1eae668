"""Answer questions that count, list and compare: a plan over the graph, and its rows as a table.

A chat model writes the plan under a grammar, or rules read the plain forms of one; either way it
is a small value that can only read. `run` runs it on what any store holds; each row is cited.
What the graph cannot be asked is refused by name, which is no answer; that nothing meets the
question is one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import cast
from weakref import WeakKeyDictionary

from graphrag.core.answers import EntityHit
from graphrag.core.errors import BadReplyError
from graphrag.core.schema import Schema, find_schema, parse_schema
from graphrag.query.answering.writing import Written
from graphrag.query.context import Evidence, Question, Resources
from graphrag.query.context.words import QuestionWords, foreign_language
from graphrag.query.table import cypher
from graphrag.query.table.data import read
from graphrag.query.table.evidence import prove
from graphrag.query.table.graph import Graph, Refusal, load
from graphrag.query.table.model import plan_by_model
from graphrag.query.table.plan import Link, Plan
from graphrag.query.table.rules.forms import begins_to_count, may_count
from graphrag.query.table.rules.parsing import asks_to_count, plan_of
from graphrag.query.table.rules.tokens import aliases_in
from graphrag.query.table.run import check_known, run
from graphrag.query.table.writing import PlanOutcome, refused, written
from graphrag.stores import GraphStore

# By store: the run of the index that it was read of, and the graph. It goes with the store.
_KEPT: WeakKeyDictionary[GraphStore, tuple[str, Graph]] = WeakKeyDictionary()


async def answer(
    question: Question, resources: Resources, *, on_text: Callable[[str], None] | None = None
) -> tuple[Written, Evidence]:
    """The table that answers `question`, or which part of it the graph cannot be asked."""
    try:
        outcome = await _read(question, resources)
    except Refusal as refusal:
        text = refused(refusal, await _foreign(question, resources))
        evidence = await _evidence(question, resources)
    else:
        text = written(outcome)
        evidence = await _evidence(question, resources, outcome)
    if on_text:
        on_text(text.text)
    return text, evidence


async def retrieve(question: Question, resources: Resources) -> Evidence:
    """The text units that the rows of the table rest on; none where the graph cannot be asked."""
    try:
        return await _evidence(question, resources, await _read(question, resources))
    except Refusal:
        return await _evidence(question, resources)


async def suits(question: Question, resources: Resources) -> tuple[str, str]:
    """Why `question` is one to count by, or else what keeps it from that; or neither.

    It asks in a plain form (`forms.may_count` looks before the graph is read) for a type that
    the schema declares or, where relations have types, that the graph has. Without a model, and
    where it only asks which, the rules must account for every word.
    """
    graph = await _graph(resources)
    type_ = asks_to_count(question.text, graph)
    counts = may_count(question.text)
    if not type_ or (type_ not in graph.schema.types and (graph.by_sentences or not counts)):
        undeclared = begins_to_count(question.text)
        return "", "its noun is no type that schema.yaml declares" if undeclared else ""
    if resources.models.chat is None or not counts:
        try:
            plan = plan_of(question.text, graph)
            check_known(plan, graph)
        except Refusal:
            return "", ""
        if not counts and graph.by_sentences and not all(map(_is_plain, plan.all_hops)):
            return "", ""
    return f"the question counts or lists what the graph has as {type_}", ""


def _is_plain(hop: Link) -> bool:
    """Whether a hop is like a relation: of a verb, to a type or a name."""
    return len(hop.words) == 1 and bool(hop.type or hop.name)


async def _read(question: Question, resources: Resources) -> PlanOutcome:
    """Plan, run, and look up what the rows rest on. Raises Refusal."""
    store = resources.store
    graph = await _graph(resources)
    plan = await _plan(question, graph, resources)
    data = await read(plan, graph, store, question.filters)
    result = run(plan, graph, data, most_rows=resources.settings.query.table.max_rows)
    notes = [await _foreign(question, resources)] if any(one.words for one in plan.all_hops) else []
    if any(notes) and (result.matched.is_empty() or plan.without or plan.order):
        raise Refusal("its words are looked for in sentences, as they stand")
    used = {plan.type, *plan.also, *(hop.type for hop in plan.all_hops)}
    read_as = aliases_in(question.text, graph).items()
    notes += [f"“{word}” is read as {name}." for name, word in read_as if name in used]
    proof = await prove(plan, result, graph, data, store)
    return PlanOutcome(plan, graph, data, result, proof, tuple(filter(None, notes)))


async def _foreign(question: Question, resources: Resources) -> str:
    """That the question is in another language than the documents; empty where it is not."""
    language = (await resources.meta()).get("language") or "en"
    asked_in = foreign_language(question.text, language)
    return asked_in and (
        f"The question seems to be in another language ({asked_in}) than the documents "
        f"({language}), which may be the cause."
    )


async def _plan(question: Question, graph: Graph, resources: Resources) -> Plan:
    """The model's, or that of the rules where there is none or its reply is no plan."""
    if resources.models.chat is not None:
        try:
            return await plan_by_model(question, graph, resources)
        except BadReplyError:
            pass
    return plan_of(question.text, graph)


async def _evidence(
    question: Question, resources: Resources, outcome: PlanOutcome | None = None
) -> Evidence:
    language = (await resources.meta()).get("language") or "en"
    words = QuestionWords(question.text, language, {}, 0)
    if outcome is None:
        return Evidence((), words)
    statement = cypher.statement(
        outcome.plan, outcome.graph, outcome.data, namespace=resources.store.namespace
    )
    first = sorted({one for ids in outcome.result.ids for one in ids[:1]})
    known = outcome.graph.entities.filter(outcome.graph.entities["id"].is_in(first))
    return Evidence(
        tuple((unit, 1.0) for unit in outcome.proof.units),
        words,
        entities=tuple(
            EntityHit(key, name, kind or "", "")
            for key, name, kind in known.select("id", "name", "kind").iter_rows()
        ),
        trace={
            "plan": json.loads(json.dumps(asdict(outcome.plan))),
            "cypher": str(statement) if statement else "",
        },
    )


async def _graph(resources: Resources) -> Graph:
    """The graph as it can be asked, kept for the next question until the index changes."""
    meta = await resources.meta()
    schema = await _schema(resources)
    run = "\n".join(meta.get(name, "") for name in ("content_hash", "graph_hash", "last_run"))
    kept = _KEPT.get(resources.store)
    if kept and kept[0] == run and kept[1].schema == schema:
        return kept[1]
    graph = await load(resources.store, schema)
    if run.strip():
        _KEPT[resources.store] = (run, graph)
    return graph


async def _schema(resources: Resources) -> Schema:
    """The schema that the index was made under, else the one that is declared by now."""
    stored = (await resources.meta()).get("schema")
    if stored:
        declared = cast("dict[str, object]", json.loads(stored))["declared"]
        return parse_schema(json.dumps(declared), "of the index")
    found = find_schema(resources.root, resources.settings.schema_)
    return found or Schema()
