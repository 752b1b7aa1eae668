"""A part of the graph as a picture: every entity a dot, names as text, the same each time."""

from __future__ import annotations

import re

from graphrag.engine.contents import Edge, Graph, Node
from tests.hostile import HOSTILE

NODES = (
    Node("a", "Ada & <b>", "Person", 2, 0.1, 0.2),
    Node("b", "Babbage", "Person", 1, -0.5, 0.3),
    Node("c", "Cork", "Place", 1, 0.9, -0.9),
)
EDGES = (Edge("r", "a", "b", "KNOWS", "Ada knew him.", 2.0), Edge("s", "a", "c", "", "", 1.0))


def test_every_entity_and_relationship_is_drawn() -> None:
    svg = Graph(NODES, EDGES, left_out=4)._repr_html_()
    assert svg.count("<circle") == 3
    assert svg.count("<line") == 2
    assert "Ada &amp; &lt;b&gt; → KNOWS → Babbage: Ada knew him." in svg
    assert "4 more had no room" in svg
    assert svg == Graph(NODES, EDGES, left_out=4)._repr_html_()
    places = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', svg)
    assert len(set(places)) == 3
    assert all(0 <= float(x) <= 880 and 0 <= float(y) <= 560 for x, y in places)


def test_one_entity_and_none_have_a_picture() -> None:
    assert "<circle" in Graph(NODES[:1], ())._repr_html_()
    assert "No entities" in Graph((), ())._repr_html_()


def test_hostile_names_are_text() -> None:
    for text in HOSTILE.values():
        node = Node("a", text, text, 1, 0.0, 0.0)
        other = Node("b", "b", "", 1, 0.5, 0.5)
        svg = Graph((node, other), (Edge("r", "a", "b", text, text, 1.0),))._repr_html_()
        assert not re.search(r"<(script|img|iframe)|<[^>]+ on\w+=", svg)
