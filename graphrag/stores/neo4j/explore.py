"""Fill the saved queries for Neo4j Browser with what an index holds."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from graphrag.core.settings import WORK_FOLDER
from graphrag.core.work_folder import write_whole
from graphrag.stores.contract.protocol import GraphStore
from graphrag.stores.neo4j.cypher import type_label

# Browser's setting "Connect result nodes": it adds every other relationship between the nodes.
AS_ASKED = "config autoComplete: false"
_ORDER = ("overview", "connection", "community", "document-entities", "hierarchy")
_PERSON = "person"
_FOLDER = files("graphrag.stores.neo4j") / "browser"
_STYLE = _FOLDER / "graphrag.grass"
_OWN_STYLE = "browser.grass"
# Fill and text of the commonest types that the style does not name.
_COLOURS = (
    ("#7F3C8D", "#FFFFFF"),
    ("#008695", "#FFFFFF"),
    ("#E73F74", "#FFFFFF"),
    ("#B5D94C", "#1F2D3A"),
    ("#2F4B7C", "#FFFFFF"),
    ("#C9A6FF", "#1F2D3A"),
    ("#6B4423", "#FFFFFF"),
    ("#BDB000", "#1F2D3A"),
)
_UNTYPED = ("Name", "Untyped")  # labels of entities of whose type nothing is known


@dataclass(frozen=True, slots=True)
class SavedQuery:
    """A query to paste into Browser; its values are filled in."""

    title: str
    cypher: str


class _Community(NamedTuple):
    id: str
    level: int
    size: int


class _Members(NamedTuple):
    entity_ids: list[str]


class _Title(NamedTuple):
    community_id: str
    title: str | None


class _Document(NamedTuple):
    source: str
    metadata: str | None


class _Entity(NamedTuple):
    id: str
    name: str
    type: str | None
    degree: int


async def saved_queries(store: GraphStore) -> list[SavedQuery]:
    """Those that the index of `store` has something for."""
    values: dict[str, object] = {"namespace": store.namespace, "page": 0}
    values |= await _best_connected(store) | await _largest_community(store)
    values |= await _newest_document(store)
    return [query for name in _ORDER if (query := fill(saved_query(name), values)) is not None]


def saved_query(name: str) -> str:
    """The text of one saved query, with its parameters."""
    return (_FOLDER / f"{name}.cypher").read_text("utf-8")


def style_file(root: Path | None = None) -> Path:
    """Where the style for Browser is: the one that `add_colours` wrote under `root`, if it did."""
    own = root / WORK_FOLDER / _OWN_STYLE if root else None
    return own if own and own.exists() else Path(str(_STYLE))


async def add_colours(store: GraphStore, root: Path) -> list[str]:
    """Write a style under `root` with colours for types that ours does not name.

    Returns their labels; without any the style under `root` goes.
    """
    sheet, own = _STYLE.read_text("utf-8"), root / WORK_FOLDER / _OWN_STYLE
    counts = Counter(type_label(row.type or "") for row in await store.rows("entities", _Entity))
    named = {*_UNTYPED, *re.findall(r"^node\.(\w+) ", sheet, re.MULTILINE)}
    ranked = sorted(counts.keys() - named, key=lambda label: (-counts[label], label))
    labels = ranked[: len(_COLOURS)]
    for label, (fill, text) in zip(labels, _COLOURS, strict=False):
        colours = {"color": fill, "border-color": fill, "text-color-internal": text}
        rule = "".join(f"  {name}: {value};\n" for name, value in colours.items())
        sheet += f"\nnode.{label} {{\n{rule}}}\n"
    if labels:
        write_whole(own, sheet)
    else:
        own.unlink(missing_ok=True)
    return labels


def browser_commands(root: Path | None = None, *, namespace: str = "default") -> str:
    """What Browser does when it connects, for the server's setting `browser.post_connect_cmd`.

    It takes the style of `root`, draws the relationships of a result alone, and knows the namespace
    that the saved queries ask for. That frame alone is on top: Browser writes the settings in full
    below it and takes no other way to change one.
    """
    sheet = style_file(root).read_text("utf-8")
    style = {
        selector: dict(re.findall(r'^  (\S+): "?(.*?)"?;$', rule, re.MULTILINE))
        for selector, rule in re.findall(r"^(\S+) \{\n(.*?)^\}$", sheet, re.MULTILINE | re.DOTALL)
    }
    commands = [AS_ASKED, f"style {json.dumps(style)}", "clear"]
    if re.fullmatch(r"[\w.~ -]+", namespace, re.ASCII):  # what neither file nor Browser reads
        commands.append(f'param namespace: "{namespace}"')
    return "; ".join(commands)


def fill(text: str, values: Mapping[str, object]) -> SavedQuery | None:
    """Values are written as JSON, whose escapes are Cypher's too; they are not looked at again."""
    title, *lines = text.strip().splitlines()
    query = "\n".join(line for line in lines if not line.startswith("//"))
    if not set(re.findall(r"\$(\w+)", query)) <= values.keys():
        return None
    filled = re.sub(r"\$(\w+)", lambda name: json.dumps(values[name[1]]), query)
    return SavedQuery(title.removeprefix("//").strip(), filled)


async def _best_connected(store: GraphStore) -> dict[str, object]:
    """Two people, or else two things that are no dates; of one broad community if there are any.

    Not two that share a word, which may be one by two names.
    """
    rows = await store.rows("entities", _Entity)
    if len(rows) < 2:
        return {}
    rows.sort(key=lambda row: (row.type != _PERSON, row.type == "date", -row.degree, row.name))
    first, *others = rows
    broad = await store.rows("communities", _Members, where=("level", [0]))
    near = next((set(one.entity_ids) for one in broad if first.id in one.entity_ids), set[str]())
    words = set(first.name.lower().split())
    second = min(
        others,
        key=lambda row: (
            row.type != first.type,
            not words.isdisjoint(row.name.lower().split()),
            row.id not in near,
        ),
    )
    return {"from": first.name, "to": second.name}


async def _largest_community(store: GraphStore) -> dict[str, object]:
    titles = {row.community_id: row.title for row in await store.rows("reports", _Title)}
    rows = [row for row in await store.rows("communities", _Community) if titles.get(row.id)]
    rows.sort(key=lambda row: (-row.size, row.level, row.id))
    return {"title": titles[rows[0].id]} if rows else {}


async def _newest_document(store: GraphStore) -> dict[str, object]:
    """The one whose metadata has the latest date or year; the last by name where none has."""
    rows = await store.rows("documents", _Document)
    rows.sort(key=lambda row: (_date(row.metadata), row.source))
    return {"source": rows[-1].source} if rows else {}


def _date(metadata: str | None) -> str:
    values: dict[str, object] = json.loads(metadata or "{}")
    named = (str(value) for name, value in values.items() if name.lower() in ("date", "year"))
    return max(named, default="")
