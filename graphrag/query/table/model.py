"""Let a model write the plan of a question, under a grammar of what the graph has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import DEFAULT_REF_TEMPLATE, GenerateJsonSchema, JsonSchemaMode

from graphrag import prompts
from graphrag.query.context import Question, Resources, one_line, render_history
from graphrag.query.table.graph import Graph, Refusal
from graphrag.query.table.plan import (
    Condition,
    Direction,
    Group,
    Link,
    Measure,
    Operator,
    Order,
    Plan,
)

MAX_NAMES = 200  # of one kind that the model is shown, and that the grammar lists
HISTORY_TURNS = 3
_NONE = ""


class ConditionReply(BaseModel):
    of: Literal["attribute", "metadata"]
    key: str
    operator: Operator
    values: list[str]


class HopReply(BaseModel):
    relation: str
    direction: Direction
    type: str
    name: str
    words: list[str]


class LinkReply(HopReply):
    conditions: list[ConditionReply]
    at_least: int = Field(ge=0)
    at_most: int | None
    then: HopReply | None
    ends_at: Literal["first", "second"]


class PlanReply(BaseModel):
    """A plan as a model writes it; what is empty, null or "" is not asked."""

    model_config = ConfigDict(extra="ignore")

    cannot: str
    type: str
    measure: Measure
    attribute: str
    conditions: list[ConditionReply]
    links: list[LinkReply]
    without: list[LinkReply]
    counted: LinkReply | None
    group_by: Literal["", "attribute", "metadata", "link", "type"]
    group_key: str
    group_link: LinkReply | None
    among: list[str]
    also: list[str]
    order: Order
    limit: int | None


async def plan_by_model(question: Question, graph: Graph, resources: Resources) -> Plan:
    """The model's plan. Raises Refusal where it says that the graph cannot be asked, ModelError."""
    messages = prompts.load("query/table_plan", root=resources.root).fill(
        {
            "graph": described(graph),
            "history": render_history(question, turns=HISTORY_TURNS),
            "question": question.text,
        }
    )
    reply = await resources.models.json(messages, _grammar(graph), kind="table_plan")
    return plan_of(reply)


def plan_of(reply: PlanReply) -> Plan:
    """The plan in a reply. Raises Refusal where it says that there can be none."""
    if reply.cannot.strip():
        raise Refusal(one_line(reply.cannot)[:300].rstrip("."))
    group = None
    if reply.group_by:
        link = _link(reply.group_link) if reply.group_link else None
        if reply.group_by == "link" and link is None:
            raise Refusal("the plan groups by a link and names none")
        group = Group(reply.group_by, reply.group_key, link)
    return Plan(
        type=reply.type,
        measure=reply.measure,
        attribute=reply.attribute,
        conditions=_conditions(reply.conditions),
        links=tuple(map(_link, reply.links)),
        without=tuple(map(_link, reply.without)),
        counted=_link(reply.counted) if reply.counted else None,
        group=group,
        among=tuple(reply.among),
        also=tuple(reply.also),
        order=reply.order,
        limit=reply.limit if reply.limit and reply.limit > 0 else None,
    )


def described(graph: Graph) -> str:
    """What the graph has, as the prompt shows it."""
    blocks = {
        "types": (f"{name} ({graph.sizes[name]})" for name in graph.types),
        "relations": (" – ".join(triple) for triple in sorted(graph.triples)),
        "attributes": (
            f"{one.name} ({', '.join(filter(None, (one.kind, *one.units)))}; of "
            f"{', '.join(one.types) or 'any type'})"
            for one in graph.has.values()
        ),
        "metadata": graph.keys,
    }
    return "\n\n".join(f"## {name}\n{_lines(lines)}" for name, lines in blocks.items())


def _lines(lines: Iterable[str]) -> str:
    return "\n".join(f"- {one_line(line)}" for line in [*lines][:MAX_NAMES]) or "none"


def _link(reply: LinkReply) -> Link:
    then = reply.then
    return Link(
        relation=reply.relation,
        direction=reply.direction,
        type=reply.type,
        name=reply.name,
        words=tuple(reply.words),
        conditions=_conditions(reply.conditions),
        then=Link(then.relation, then.direction, then.type, then.name, tuple(then.words))
        if then
        else None,
        far=reply.ends_at == "second",
        at_least=reply.at_least,
        at_most=reply.at_most,
    )


def _conditions(replies: Sequence[ConditionReply]) -> tuple[Condition, ...]:
    return tuple(Condition(one.of, one.key, one.operator, tuple(one.values)) for one in replies)


def _grammar(graph: Graph) -> type[PlanReply]:
    """The reply, its names held to those of the graph."""
    named = {
        "type": graph.types,
        "relation": graph.relations,
        "attribute": graph.has,
        "key": (*graph.has, *graph.keys),
        "group_key": (*graph.has, *graph.keys),
    }
    listed = {
        field: [_NONE, *[*dict.fromkeys(names)][:MAX_NAMES]] for field, names in named.items()
    }

    class Held(PlanReply):
        @classmethod
        def model_json_schema(
            cls,
            by_alias: bool | None = None,
            ref_template: str = DEFAULT_REF_TEMPLATE,
            schema_generator: type[GenerateJsonSchema] = GenerateJsonSchema,
            mode: JsonSchemaMode = "validation",
            *,
            union_format: Literal["any_of", "primitive_type_array"] = "any_of",
        ) -> dict[str, object]:
            schema = super().model_json_schema(
                by_alias, ref_template, schema_generator, mode, union_format=union_format
            )
            for part in (schema, *schema.get("$defs", {}).values()):
                for field in listed.keys() & part["properties"].keys():
                    part["properties"][field] = {"type": "string", "enum": listed[field]}
            return schema

    return Held
