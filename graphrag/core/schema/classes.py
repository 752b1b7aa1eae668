"""Make a schema of pydantic classes: one for each type.

A class is a type, its docstring the description, a field an attribute. A field of another class,
or a list of it, is a triple. `Field(description=…, json_schema_extra={"unit": "m"})` says more of
an attribute, `model_config = ConfigDict(json_schema_extra={"aliases": […]})` of a type.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from types import NoneType
from typing import cast, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from graphrag.core.schema.values import Attribute, AttributeType, EntityType, Schema, Triple

_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def schema_of(models: Sequence[type[BaseModel]]) -> Schema:
    """The strict schema of `models` and of the classes that their fields name."""
    classes: dict[str, type[BaseModel]] = {}
    todo = list(models)
    while todo:
        model = todo.pop(0)
        if classes.setdefault(_name(model), model) is model:
            named = [one for field in _fields(model).values() for one in _models(field.annotation)]
            todo += [one for one in named if _name(one) not in classes]
    types = {name: _type(name, model) for name, model in classes.items()}
    triples = [
        Triple(name, field_name.replace("_", " "), _name(target))
        for name, model in classes.items()
        for field_name, field in _fields(model).items()
        for target in _models(field.annotation)
    ]
    return Schema("strict", types, tuple(triples))


def _type(name: str, model: type[BaseModel]) -> EntityType:
    own = model.__doc__ if model.__doc__ != BaseModel.__doc__ else None
    attributes = {
        field_name.replace("_", " "): _attribute(field_name.replace("_", " "), field)
        for field_name, field in _fields(model).items()
        if not any(True for _ in _models(field.annotation))
    }
    aliases = _extra(model.model_config.get("json_schema_extra")).get("aliases")
    words = tuple(map(str, cast("list[object]", aliases))) if isinstance(aliases, list) else ()
    return EntityType(name, " ".join(inspect.cleandoc(own or "").split()), attributes, words)


def _attribute(name: str, field: FieldInfo) -> Attribute:
    unit = _extra(field.json_schema_extra).get("unit")
    return Attribute(
        name, _kind(field.annotation), str(unit) if unit else None, field.description or ""
    )


def _kind(annotation: object) -> AttributeType:
    kinds = [one for one in (get_args(annotation) or (annotation,)) if one is not NoneType]
    match kinds[0] if len(kinds) == 1 else None:
        case kind if kind is bool:
            return "boolean"
        case kind if kind in (int, float):
            return "number"
        case kind if isinstance(kind, type) and issubclass(kind, date):
            return "date"
        case _:
            return "text"


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    """The classes that an annotation names, in lists and unions, too."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return model.model_fields


def _name(model: type[BaseModel]) -> str:
    return _WORD_START.sub(" ", model.__name__).lower()


def _extra(extra: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", extra) if isinstance(extra, dict) else {}
