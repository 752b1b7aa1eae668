"""Write entities, relationships and communities as GraphML, for Gephi and its kind."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

if TYPE_CHECKING:
    import polars as pl

_NODE = {"name": "string", "type": "string", "description": "string", "degree": "long"}
_EDGE = {"type": "string", "description": "string", "weight": "double"}
# What XML 1.0 cannot hold, not even escaped.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_graphml(tables: Mapping[str, pl.DataFrame], path: Path) -> None:
    """Write `entities` and `relationships` of `tables` as a directed graph.

    A node has its community on each level as `community_0`, `community_1` and so on.
    """
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in _lines(tables))


def _lines(tables: Mapping[str, pl.DataFrame]) -> Iterator[str]:
    communities = tables["communities"]
    levels = communities["level"].unique().sort().to_list()
    node = {**_NODE, **{f"community_{level}": "string" for level in levels}}
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">'
    for kind, attributes in (("node", node), ("edge", _EDGE)):
        for name, value_type in attributes.items():
            yield (
                f'  <key id="{kind}_{name}" for="{kind}" attr.name="{name}"'
                f' attr.type="{value_type}"/>'
            )
    yield '  <graph id="graph" edgedefault="directed">'
    found = _communities_of(communities)
    for row in tables["entities"].iter_rows(named=True):
        yield f"    <node id={_quoted(row['id'])}>"
        yield from _data("node", node, row | found.get(row["id"], {}))
        yield "    </node>"
    for row in tables["relationships"].iter_rows(named=True):
        ends = f"source={_quoted(row['source_id'])} target={_quoted(row['target_id'])}"
        yield f"    <edge id={_quoted(row['id'])} {ends}>"
        yield from _data("edge", _EDGE, row)
        yield "    </edge>"
    yield "  </graph>"
    yield "</graphml>"


def _communities_of(communities: pl.DataFrame) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    members = communities.select("id", "level", "entity_ids").explode("entity_ids").drop_nulls()
    for community, level, entity in members.iter_rows():
        found.setdefault(entity, {})[f"community_{level}"] = community
    return found


def _data(kind: str, names: Mapping[str, str], row: Mapping[str, object]) -> Iterator[str]:
    for name in names:
        value = row.get(name)
        if value is not None:
            # A reader turns a bare carriage return into a line feed.
            text = escape(_FORBIDDEN.sub("", str(value)), {"\r": "&#13;"})
            yield f'      <data key="{kind}_{name}">{text}</data>'


def _quoted(value: object) -> str:
    return quoteattr(_FORBIDDEN.sub("", str(value)))
