"""The HTTP interface: what each endpoint gives of an index, whole, in pieces and page by page."""

from __future__ import annotations

import json
import shutil
import socket
from itertools import pairwise
from pathlib import Path
from typing import cast
from urllib.parse import quote

import pytest

from graphrag import GraphRAG
from tests.served import FACT, QUESTION, Served, copy_of, serving

API = "/api/indexes/kb"


def first_id(served: Served, path: str, name: str) -> str:
    return str(served.get(path).items(name)[0]["id"])


def test_indexes_are_listed_with_what_they_hold(served: Served) -> None:
    reply = served.get("/api/indexes")
    assert reply.status == 200
    (index,) = reply.items("indexes")
    assert index["name"] == "kb"
    assert index["state"] == "ready"
    assert index["documents"] == served.get(f"{API}/documents").json["total"]
    assert reply.json["read_only"] is True


def test_status_is_that_of_the_command(served: Served) -> None:
    with GraphRAG.open(served.root) as rag:
        assert served.get(f"{API}/status").json == rag.status()


def test_an_answer_is_that_of_the_library(served: Served) -> None:
    given = {"question": QUESTION, "method": "basic", "k": 4}
    reply = served.post(f"{API}/query", given)
    assert reply.status == 200, reply.body
    with GraphRAG.open(served.root, chat=None, embed=None) as rag:
        expected = json.loads(json.dumps(rag.query(QUESTION, method="basic", k=4).as_dict()))
    found = reply.json
    assert FACT in str(found["answer"])
    for clock in ("seconds", "trace"):
        del found[clock], expected[clock]
    assert found == expected


def test_a_stream_gives_the_text_and_then_the_answer(served: Served) -> None:
    events = list(served.events("POST", f"{API}/query/stream", {"question": QUESTION}))
    assert [name for name, _ in events] == ["text"] * (len(events) - 1) + ["answer"]
    text = "".join(cast("dict[str, str]", data)["text"] for _, data in events[:-1])
    assert text == cast("dict[str, object]", events[-1][1])["answer"]


def test_a_stream_that_fails_ends_in_a_problem(served: Served) -> None:
    ((name, data),) = served.events(
        "POST", f"{API}/query/stream", {"question": QUESTION, "filters": ["none"]}
    )
    assert name == "problem"
    assert cast("dict[str, object]", data)["status"] == 400


def test_retrieval_says_page_and_metadata(served: Served) -> None:
    reply = served.post(
        f"{API}/retrieve", {"question": "soundings of the Brooke apparatus", "k": 5}
    )
    passages = reply.items("passages")
    assert 0 < len(passages) <= 5
    scores = [cast(float, one["score"]) for one in passages]
    assert scores == sorted(scores, reverse=True)
    of_pdf = [one for one in passages if str(one["document"]).endswith(".pdf")]
    assert of_pdf[0]["page"] == "Page 1"
    assert served.get(f"{API}/documents/{of_pdf[0]['document_id']}").status == 200


def test_retrieval_gives_verified_quotes_when_asked(served: Served) -> None:
    given = {"question": QUESTION, "quotes": True}
    passages = served.post(f"{API}/retrieve", given).items("passages")
    quoted = [(str(one["text"]), cast("list[str]", one["quotes"])) for one in passages]
    assert any(quotes for _, quotes in quoted)
    flat = [(" ".join(text.split()), quotes) for text, quotes in quoted]
    assert all(" ".join(quote.split()) in text for text, quotes in flat for quote in quotes)


def test_filters_are_those_of_the_command(served: Served) -> None:
    given = {"question": QUESTION, "filters": ["doc.source=documents/great-eastern.md"]}
    passages = served.post(f"{API}/retrieve", given).items("passages")
    assert {one["document"] for one in passages} == {"documents/great-eastern.md"}


def test_documents_are_found_filtered_and_paged(served: Served) -> None:
    whole = served.get(f"{API}/documents?limit=200")
    sources = [str(one["source"]) for one in whole.items("documents")]
    assert sources == sorted(sources)
    pages = [
        str(one["source"])
        for offset in range(0, len(sources), 7)
        for one in served.get(f"{API}/documents?limit=7&offset={offset}").items("documents")
    ]
    assert pages == sources
    ships = served.get(f"{API}/documents?search=GREAT-eastern").items("documents")
    assert [one["source"] for one in ships] == ["documents/great-eastern.md"]
    assert served.get(f"{API}/documents?status=failed").json["total"] == 0
    both = "filter=doc.language%3Den&filter=doc.source!%3Dx"
    rows = served.get(f"{API}/documents?{both}").items("documents")
    assert 0 < len(rows) <= len(sources)


def test_a_document_has_its_text_units_in_order(served: Served) -> None:
    one = first_id(served, f"{API}/documents?search=great-eastern", "documents")
    reply = served.get(f"{API}/documents/{one}").json
    units = cast("list[dict[str, object]]", reply["text_units"])
    assert [unit["ordinal"] for unit in units] == list(range(len(units)))
    assert "Brunel" in str(units[0]["text"])
    assert served.get(f"{API}/documents/no-such").status == 404


def test_an_original_is_given_while_it_is_what_was_indexed(
    sample_root: Path, tmp_path: Path
) -> None:
    root = copy_of(sample_root, tmp_path)
    with serving(root) as served:
        one = first_id(served, f"{API}/documents?search=soundings", "documents")
        reply = served.get(f"{API}/documents/{one}/original")
        path = root / "documents" / "soundings.pdf"
        assert reply.body == path.read_bytes()
        assert reply.headers["content-type"] == "application/pdf"
        assert reply.headers["content-disposition"].startswith("attachment")
        shutil.copy(root / "documents" / "great-eastern.md", path)  # another file of that name
        assert served.get(f"{API}/documents/{one}/original").status == 409
        path.unlink()
        path.symlink_to("/etc/passwd")
        assert served.get(f"{API}/documents/{one}/original").status == 409


def test_entities_are_found_by_words_and_type(served: Served) -> None:
    found = served.get(f"{API}/entities?search=Cyrus+Field").items("entities")
    assert "Field" in str(found[0]["name"])
    counts = [
        cast(int, one["n_mentions"]) for one in served.get(f"{API}/entities").items("entities")
    ]
    assert counts == sorted(counts, reverse=True)
    kind = quote(str(found[0]["type"]))
    assert served.get(f"{API}/entities?type={kind}&limit=1").json["total"] != 0
    assert served.get(f"{API}/entities?type=no-such").json["total"] == 0


def test_a_schema_is_given_with_what_it_would_change(sample_root: Path, tmp_path: Path) -> None:
    root = copy_of(sample_root, tmp_path)
    with serving(root) as served:
        assert served.get(f"{API}/schema").json == {"schema": None, "check": None}
        assert served.get(f"{API}/schema/diff").status == 409
        (root / "schema.yaml").write_text("mode: strict\ntypes: {ship: {aliases: [HMS]}}")
        found = served.get(f"{API}/schema").json
        assert found["schema"] == {
            "mode": "strict", "types": {"ship": {"aliases": ["HMS"]}}, "triples": [],
        }  # fmt: skip
        told = served.get(f"{API}/schema/diff").json
        assert cast("dict[str, int]", told["entities"])["dropped"] > 0
        (root / "schema.yaml").write_text("types: [")
        assert "is no YAML" in str(served.get(f"{API}/schema").json["detail"])


def test_names_that_have_what_was_typed_come_first(served: Served) -> None:
    found = served.get(f"{API}/entities?search=great+eas&limit=5").items("entities")
    assert "great eas" in str(found[0]["name"]).lower()
    names = ["great eas" in str(one["name"]).lower() for one in found]
    assert names == sorted(names, reverse=True)


def test_an_entity_comes_with_what_surrounds_it(served: Served) -> None:
    one = first_id(served, f"{API}/entities?search=Great+Eastern", "entities")
    detail = served.get(f"{API}/entities/{one}").json
    edges = cast("list[dict[str, str]]", detail["relationships"])
    near = {str(it["id"]) for it in cast("list[dict[str, object]]", detail["neighbours"])}
    assert near
    assert near == {end for edge in edges for end in (edge["source"], edge["target"])} - {one}
    mentions = cast("list[dict[str, str]]", detail["mentions"])
    assert all("great eastern" in mention["text"].lower() for mention in mentions)
    assert detail["communities"]
    assert served.get(f"{API}/entities/no-such").status == 404


def test_a_graph_is_bounded_and_drawn_the_same_each_time(served: Served) -> None:
    one = first_id(served, f"{API}/entities?search=Great+Eastern", "entities")
    whole = served.get(f"{API}/graph?around={one}&depth=2&limit=500").json
    part = served.get(f"{API}/graph?around={one}&depth=2&limit=5").json
    nodes = {str(n["id"]): n for n in cast("list[dict[str, object]]", whole["nodes"])}
    few = cast("list[dict[str, object]]", part["nodes"])
    assert len(few) == 5
    assert cast(int, part["left_out"]) > 0
    assert few[0]["id"] == one
    for node in few:  # the places do not depend on what else is shown
        assert node == nodes[str(node["id"])]
        assert cast(float, node["x"]) ** 2 + cast(float, node["y"]) ** 2 <= 1.001
    for edge in cast("list[dict[str, str]]", part["edges"]):
        assert {edge["source"], edge["target"]} <= {str(node["id"]) for node in few}


def test_a_graph_shows_the_way_between_two_entities(served: Served) -> None:
    one = first_id(served, f"{API}/entities?search=Great+Eastern", "entities")
    around = served.get(f"{API}/graph?around={one}&depth=2&limit=500").json
    ids = [str(node["id"]) for node in cast("list[dict[str, object]]", around["nodes"])]
    way = served.get(f"{API}/graph?around={one}&to={ids[-1]}").json
    last = cast("list[dict[str, object]]", way["nodes"])[-1]
    nodes = [str(node["id"]) for node in cast("list[dict[str, object]]", way["nodes"])]
    assert nodes[0] == one
    assert nodes[-1] == ids[-1]
    pairs = {
        frozenset((edge["source"], edge["target"]))
        for edge in cast("list[dict[str, str]]", way["edges"])
    }
    assert all(frozenset(pair) in pairs for pair in pairwise(nodes))
    named = served.get(f"{API}/graph?around=great+eastern&to={quote(str(last['name']))}").json
    assert named == way
    unknown = served.get(f"{API}/graph?around={one}&to=no-such").json
    assert (unknown["status"], unknown["detail"]) == (404, "no entity 'no-such'")


def test_communities_and_reports_belong_together(served: Served) -> None:
    communities = served.get(f"{API}/communities?level=0").items("communities")
    assert {one["level"] for one in communities} == {0}
    one = communities[0]
    report = served.get(f"{API}/reports/{one['id']}").json
    assert report["title"] == one["title"]
    assert report["findings"]
    nodes = served.get(f"{API}/graph?community={one['id']}&limit=500").items("nodes")
    assert len(nodes) == one["size"]
    found = served.get(f"{API}/reports?search=Great+Eastern").items("reports")
    assert "Great Eastern" in json.dumps(found[0])
    assert served.get(f"{API}/reports/no-such").status == 404


def test_what_a_client_has_is_not_sent_again(sample_root: Path, tmp_path: Path) -> None:
    root = copy_of(sample_root, tmp_path)
    with serving(root) as served:
        for path in ("documents", "entities", "communities", "reports"):
            reply = served.get(f"{API}/{path}")
            again = served.get(f"{API}/{path}", If_None_Match=reply.headers["etag"])
            assert (again.status, again.body) == (304, b"")
        tag = reply.headers["etag"]
        with GraphRAG.open(root, chat=None, embed=None) as rag:
            rag.delete(["documents/great-eastern.md"])
        changed = served.get(f"{API}/reports", If_None_Match=tag)
        assert changed.status == 200
        assert changed.headers["etag"] != tag


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("query", {"question": ""}),
        ("query", {"question": "x", "method": "no-such"}),
        ("query", {"question": "x", "filters": ["no filter"]}),
        ("query", {"question": "x", "no_such": 1}),
        ("query", {"question": "x", "k": 0}),
        ("query", {}),
        ("query", []),
        ("query", b"{"),
        ("query", b"\xff\xfe"),
    ],
)
def test_a_wrong_request_is_a_problem_with_a_hint(served: Served, path: str, body: object) -> None:
    reply = served.post(f"{API}/{path}", body)
    assert reply.status == 400
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json["status"] == 400
    assert reply.json["detail"]
    assert reply.json["hint"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/no-such", 404),
        ("GET", "/api/indexes/other/status", 404),
        ("DELETE", "/api/indexes", 405),
        ("GET", f"{API}/documents?limit=1000000", 400),
        ("GET", f"{API}/documents?limit=1&limit=2", 400),
        ("GET", f"{API}/documents?no_such=1", 400),
        ("GET", f"{API}/graph", 400),
        ("POST", f"{API}/index", 403),
        ("GET", "/api/jobs/no-such", 404),
    ],
)
def test_what_is_not_there_is_a_problem(
    served: Served, method: str, path: str, status: int
) -> None:
    reply = served.ask(method, path, {} if method == "POST" else None)
    assert reply.status == status
    assert reply.json["hint"]


def test_an_index_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        (index,) = served.get("/api/indexes").items("indexes")
        assert index["state"] == "empty"
        for path in ("status", "documents", "entities", "graph?around=x"):
            assert served.get(f"{API}/{path}").status == 404
        assert served.post(f"{API}/query", {"question": "x"}).status == 404


def test_an_index_can_go_and_come_back_under_a_server(sample_root: Path, tmp_path: Path) -> None:
    root = copy_of(sample_root, tmp_path)
    kept = root / "kept"
    with serving(root) as served:
        assert served.post(f"{API}/query", {"question": QUESTION}).status == 200
        (root / ".graphrag").rename(kept)
        assert served.post(f"{API}/query", {"question": QUESTION}).status == 404
        kept.rename(root / ".graphrag")
        assert FACT in str(served.post(f"{API}/query", {"question": QUESTION}).json["answer"])


def test_a_form_without_a_file_says_what_to_send(sample_root: Path, tmp_path: Path) -> None:
    part = '--e\r\nContent-Disposition: form-data; name="{}"\r\n\r\nx\r\n--e--\r\n'
    kind = {"Content-Type": "multipart/form-data; boundary=e"}
    with serving(copy_of(sample_root, tmp_path)) as served:
        for name in ("file", 'data"; filename="a.md'):
            body = part.format(name).encode()
            reply = served.ask("POST", f"{API}/documents", body, headers=kind)
            assert reply.status == 400
            assert "field `file`" in str(reply.json["hint"])


def test_a_client_that_leaves_is_no_error_in_the_log(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    host, _, port = served.authority.partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(
            f"POST {API}/query HTTP/1.1\r\nHost: {served.authority}\r\n"
            f"Authorization: Bearer {served.token}\r\nContent-Type: application/json\r\n"
            "Content-Length: 100\r\n\r\n{".encode()
        )
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass
    assert not [one for one in caplog.records if one.levelname == "ERROR"]
