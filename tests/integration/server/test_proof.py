"""What the explorer asks for beside other clients: texts, passages, relationships, the map."""

from __future__ import annotations

from itertools import pairwise
from typing import cast
from urllib.parse import quote

from graphrag.engine.contents import place_of
from tests.served import QUESTION, Served

API = "/api/indexes/kb"

Row = dict[str, object]


def first_citation(served: Served, question: str = QUESTION) -> Row:
    return served.post(f"{API}/query", {"question": question}).items("citations")[0]


def test_the_blocks_of_a_text_hold_the_characters_of_a_citation(served: Served) -> None:
    citation = first_citation(served)
    passage = served.get(f"{API}/text_units/{citation['text_unit_id']}").json
    document = str(cast(Row, passage["document"])["id"])
    start, end = cast(int, citation["start"]), cast(int, citation["end"])
    text = served.get(f"{API}/documents/{document}/text?start={start}&end={end}")
    blocks = text.items("blocks")
    whole = "".join(str(block["text"]) for block in blocks)
    first = cast(int, blocks[0]["start"])
    assert whole[start - first : end - first] == citation["quote"]
    everything = served.get(f"{API}/documents/{document}/text")
    assert (
        sum(len(str(one["text"])) for one in everything.items("blocks")) == text.json["characters"]
    )
    assert len(everything.items("blocks")) > len(blocks)


def test_a_passage_comes_with_the_relationships_that_it_says(served: Served) -> None:
    citation = first_citation(served)
    passage = served.get(f"{API}/text_units/{citation['text_unit_id']}")
    names = {str(one["id"]): str(one["name"]) for one in passage.items("entities")}
    assert passage.items("relationships")
    unit = str(cast(Row, passage.json["text_unit"])["text"]).casefold()
    for edge in passage.items("relationships"):
        for end in (str(edge["source"]), str(edge["target"])):
            assert names[end].casefold().split()[0] in unit
    assert served.get(f"{API}/text_units/none").status == 404


def test_a_relationship_comes_with_the_sentences_that_say_it(served: Served) -> None:
    around = served.get(f"{API}/graph?around={quote('Great Eastern')}")
    both = 0
    for edge in around.items("edges")[:10]:
        found = served.get(f"{API}/relationships/{edge['id']}")
        ends = [cast(Row, found.json[end]) for end in ("source", "target")]
        assert [one["id"] for one in ends] == [edge["source"], edge["target"]]
        for said in found.items("sentences"):
            sentence = " ".join(str(said["sentence"]).split()).casefold()
            both += all(str(one["name"]).casefold() in sentence for one in ends)
            start, end = cast(int, said["start"]), cast(int, said["end"])
            passage = served.get(f"{API}/text_units/{said['text_unit_id']}").json
            document = str(cast(Row, passage["document"])["id"])
            blocks = served.get(f"{API}/documents/{document}/text").items("blocks")
            text = "".join(str(one["text"]) for one in blocks)
            assert text[start:end].split() == str(said["sentence"]).split()
    assert both >= 5
    assert served.get(f"{API}/relationships/none").status == 404


def test_an_entity_says_which_names_it_has_and_why(served: Served) -> None:
    entities = served.get(f"{API}/entities?limit=200").items("entities")
    joined = [
        (entity, name)
        for entity in entities[:30]
        for name in served.get(f"{API}/entities/{entity['id']}/joins").items("joined")
    ]
    assert joined
    for entity, name in joined:
        assert name["name"] != entity["name"]
        assert name["reason"]
        aliases = served.get(f"{API}/entities/{entity['id']}").json["aliases"]
        assert name["name"] in cast("list[str]", aliases)
    assert served.get(f"{API}/entities/none/joins").status == 404


def test_the_map_has_every_entity_at_one_place(served: Served) -> None:
    (index,) = served.get("/api/indexes").items("indexes")
    first = served.get(f"{API}/map")
    nodes, edges = first.items("nodes"), first.items("edges")
    assert len(nodes) == index["entities"]
    assert len(edges) == index["relationships"]
    assert first.json["left_out"] == 0
    assert len({(one["x"], one["y"]) for one in nodes}) == len(nodes)
    assert all(cast(float, one["x"]) ** 2 + cast(float, one["y"]) ** 2 <= 1.001 for one in nodes)
    again = served.get(f"{API}/map", if_none_match=first.headers["etag"])
    assert again.status == 304
    # Who is related is near: nearer than by chance, as the places from which it begins are.
    at = [(cast(float, one["x"]), cast(float, one["y"])) for one in nodes]
    by_chance = [place_of(str(one["id"])) for one in nodes]
    pairs = [(cast(int, edge["source"]), cast(int, edge["target"])) for edge in edges]
    assert _mean_distance(at, pairs) < 0.6 * _mean_distance(by_chance, pairs)


def test_communities_are_on_the_map_where_their_members_are(served: Served) -> None:
    found = served.get(f"{API}/map")
    communities = {str(one["id"]): one for one in found.items("communities")}
    (index,) = served.get("/api/indexes").items("indexes")
    assert len(communities) == index["communities"]
    sizes = dict.fromkeys(communities, 0)
    for node in found.items("nodes"):
        path = [communities[one] for one in cast("list[str]", node["communities"])]
        levels = [cast(int, one["level"]) for one in path]
        assert levels == sorted(levels)
        assert all(lower["parent_id"] == upper["id"] for upper, lower in pairwise(path))
        for one in path:
            sizes[str(one["id"])] += 1
    assert all(communities[one]["size"] == size for one, size in sizes.items())


def _mean_distance(places: list[tuple[float, float]], pairs: list[tuple[int, int]]) -> float:
    return sum(
        ((places[one][0] - places[two][0]) ** 2 + (places[one][1] - places[two][1]) ** 2) ** 0.5
        for one, two in pairs
    ) / len(pairs)
