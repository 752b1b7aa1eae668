"""Draw a part of the graph as SVG that needs no script."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from graphrag.engine.contents import Edge, Graph, Node

_WIDTH, _HEIGHT, _MARGIN = 880, 560, 70
_MAX_NAME = 28  # characters of a label; the whole name is shown on hover
_LABELLED = 40  # nodes with a label, those of highest degree first
_RADIUS = 4.0
# Told apart by people who do not see all colours (Okabe and Ito, 2008).
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#7A6A00")


class Drawable(Protocol):
    """igraph's graph, which has this method without types."""

    def layout(self, name: str, *, seed: list[list[float]]) -> Layout: ...


class Layout(Protocol):
    """igraph's, of two dimensions."""

    def fit_into(
        self, box: tuple[float, float, float, float], *, keep_aspect_ratio: bool
    ) -> None: ...

    def __iter__(self) -> Iterator[tuple[float, float]]: ...


def picture(graph: Graph) -> str:
    """The entities as dots, coloured by type, the relationships as lines; names on hover."""
    if not graph.nodes:
        return "<p>No entities.</p>"
    places = dict(zip((node.id for node in graph.nodes), _places(graph), strict=True))
    types = sorted({node.type for node in graph.nodes})
    colours = {kind: _COLOURS[place % len(_COLOURS)] for place, kind in enumerate(types)}
    by_degree = sorted(graph.nodes, key=lambda node: (-node.degree, node.id))
    labelled = {node.id for node in by_degree[:_LABELLED]}
    names = {node.id: node.name for node in graph.nodes}
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="Part of the graph" '
        'style="max-width:100%;font:12px system-ui,sans-serif">\n'
        + "".join(_line(edge, places, names) for edge in graph.edges)
        + "".join(
            _dot(node, places[node.id], colours[node.type], has_label=node.id in labelled)
            for node in graph.nodes
        )
        + f"</svg>\n<p>{_legend(colours)}{_left_out(graph)}</p>"
    )


def _places(graph: Graph) -> list[tuple[float, float]]:
    """Kamada and Kawai's layout (1989) from the nodes' own places: the same in each picture."""
    import igraph

    place = {node.id: number for number, node in enumerate(graph.nodes)}
    drawn = igraph.Graph(
        n=len(place), edges=[(place[edge.source], place[edge.target]) for edge in graph.edges]
    )
    start = [[node.x, node.y] for node in graph.nodes]
    layout = cast("Drawable", drawn).layout("kamada_kawai", seed=start)
    layout.fit_into(
        (_MARGIN, _MARGIN / 2, _WIDTH - _MARGIN, _HEIGHT - _MARGIN / 2), keep_aspect_ratio=False
    )
    return [(round(x, 1), round(y, 1)) for x, y in layout]


def _line(edge: Edge, places: dict[str, tuple[float, float]], names: dict[str, str]) -> str:
    (x1, y1), (x2, y2) = places[edge.source], places[edge.target]
    said = f"{names[edge.source]} → {edge.type} → {names[edge.target]}: {edge.description}"
    return (
        f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="#888" stroke-opacity=".5">'
        f"<title>{escape(said)}</title></line>\n"
    )


def _dot(node: Node, place: tuple[float, float], colour: str, *, has_label: bool) -> str:
    x, y = place
    radius = round(_RADIUS + node.degree**0.5, 1)
    name = node.name if len(node.name) <= _MAX_NAME else f"{node.name[:_MAX_NAME]}…"
    label = (
        f'<text x="{x}" y="{round(y - radius - 3, 1)}" text-anchor="middle" '
        f'fill="currentColor">{escape(name)}</text>'
        if has_label
        else ""
    )
    title = f"<title>{escape(f'{node.name} ({node.type})' if node.type else node.name)}</title>"
    return f'<circle cx="{x}" cy="{y}" r="{radius}" fill="{colour}">{title}</circle>{label}\n'


def _legend(colours: dict[str, str]) -> str:
    return " ".join(
        f'<span style="color:{colour}">●</span> {escape(kind or "no type")}'
        for kind, colour in colours.items()
    )


def _left_out(graph: Graph) -> str:
    return f" · {graph.left_out} more had no room" if graph.left_out else ""
