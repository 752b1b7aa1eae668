"""The schema of a graph: the types, attributes and triples that it may hold, as plain values.

`values` are the values, `file` reads them from `schema.yaml`, `classes` from pydantic classes.
"""

from graphrag.core.schema.file import (
    FILE_NAME,
    check,
    find_schema,
    load_schema,
    parse_schema,
    render_schema,
)
from graphrag.core.schema.values import (
    ANY,
    Attribute,
    AttributeType,
    EntityType,
    Mode,
    Schema,
    Triple,
    folded,
    of_types,
)

__all__ = [
    "ANY",
    "FILE_NAME",
    "Attribute",
    "AttributeType",
    "EntityType",
    "Mode",
    "Schema",
    "Triple",
    "check",
    "find_schema",
    "folded",
    "load_schema",
    "of_types",
    "parse_schema",
    "render_schema",
]
