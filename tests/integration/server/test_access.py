"""Attacks on the server, each with what comes of it: the table of docs/server.md."""

from __future__ import annotations

import json
import os
import socket
import stat
import threading
import time
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from typing import cast

import pytest

from graphrag.core.errors import UsageError
from graphrag.server.access import read_token
from graphrag.server.app import Options, make_server
from graphrag.server.indexes import Place, parse_places
from tests.served import QUESTION, Served, copy_of, serving

API = "/api/indexes/kb"


@pytest.fixture
def own(sample_root: Path, tmp_path: Path) -> Generator[Served]:
    """A server that writes, of a root that is the test's own."""
    with serving(copy_of(sample_root, tmp_path)) as served:
        yield served


def raw(served: Served, data: bytes, *, seconds: float = 10.0) -> bytes:
    """What comes back for these bytes until the server closes or is silent."""
    host, _, port = served.authority.partition(":")
    with socket.create_connection((host, int(port)), timeout=seconds) as connection:
        with suppress(OSError):  # it may have closed already
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        with suppress(ConnectionResetError):  # it did not want to read the rest
            while part := connection.recv(65536):
                answer += part
        return answer


@pytest.mark.parametrize("path", ["/api/indexes", "/v1/models", "/mcp", "/openapi.json", "/x"])
@pytest.mark.parametrize("token", [None, "wrong", "x" * 43, "ü" * 20])
def test_nothing_is_told_without_the_token(served: Served, path: str, token: str | None) -> None:
    given = {} if token is None else {"Authorization": f"Bearer {token}".encode().decode("latin-1")}
    reply = served.ask("GET", path, headers=given, token=None)
    assert reply.status == 401
    assert reply.headers["www-authenticate"] == "Bearer"
    assert served.token not in reply.body.decode()


@pytest.mark.parametrize("form", ["{}", "Basic {}", "Bearer", "Bearer {}x", "Bearer {} {}"])
def test_the_token_comes_in_its_header_whole(served: Served, form: str) -> None:
    given = {"Authorization": form.format(served.token, served.token)}
    assert served.ask("GET", "/api/indexes", headers=given, token=None).status == 401


def test_the_token_in_an_address_opens_nothing(served: Served) -> None:
    for path in (f"/api/indexes?token={served.token}", f"/api/indexes?api_key={served.token}"):
        assert served.ask("GET", path, token=None).status == 401


def test_the_token_is_made_once_and_its_owners_alone(tmp_path: Path) -> None:
    token = read_token(tmp_path)
    path = tmp_path / ".graphrag" / "server-token"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert len(token) >= 40
    assert read_token(tmp_path) == token
    assert read_token(tmp_path / "other", path) == token


@pytest.mark.parametrize("content", ["", "short", "has a blank in it", "umläute-sind-kein-token"])
def test_a_file_without_a_token_is_refused(content: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError):
        read_token(tmp_path, file)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com"])
def test_no_other_interface_without_a_token(host: str, tmp_path: Path) -> None:
    """CVE-2026-61808: LightRAG listens on all interfaces, open to everybody, by default."""
    options = Options((Place("kb", tmp_path),), host=host, port=0, has_token=False)
    with pytest.raises(UsageError, match="without a token"):
        make_server(options, ready=print)
    assert Options((Place("kb", tmp_path),)).host == "127.0.0.1"


def test_without_a_token_this_machine_may_ask(sample_root: Path) -> None:
    with serving(sample_root, has_token=False, is_read_only=True) as served:
        assert served.ask("GET", "/api/indexes", token=None).status == 200
        strange = {"Host": "evil.example"}
        assert served.ask("GET", "/api/indexes", headers=strange, token=None).status == 421


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "[::1", "a b", "@"]
)
def test_a_name_that_is_not_ours_is_refused(served: Served, host: str) -> None:
    """DNS rebinding: the page of a name that now means this machine."""
    reply = served.ask("GET", "/health", headers={"Host": host})
    assert reply.status in (400, 421)


def test_names_that_were_allowed_are_known(sample_root: Path) -> None:
    with serving(sample_root, hosts=("graphrag.local",), is_read_only=True) as served:
        named = {"Host": "graphrag.local:8321"}
        assert served.ask("GET", "/api/indexes", headers=named).status == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "x"])
def test_pages_of_others_may_not_ask(served: Served, origin: str) -> None:
    for method, path in (("GET", "/api/indexes"), ("POST", "/mcp"), ("OPTIONS", f"{API}/query")):
        reply = served.ask(method, path, headers={"Origin": origin})
        assert reply.status == 403
        assert not [name for name in reply.headers if name.startswith("access-control-")]
        assert "set-cookie" not in reply.headers


def test_its_own_page_may_ask(served: Served) -> None:
    own = {"Origin": served.url}
    assert served.ask("GET", "/api/indexes", headers=own).status == 200


def test_no_header_chooses_another_index(sample_root: Path, tmp_path: Path) -> None:
    """LightRAG #2698 and #2904: a workspace from a header went into queries, or was passed over."""
    other = tmp_path / "other"
    other.mkdir()
    places = (Place("kb", sample_root), Place("empty", other))
    with serving(sample_root, places=places, is_read_only=True) as served:
        for name in ("LIGHTRAG-WORKSPACE", "X-Namespace", "X-Index", "Workspace"):
            for value in ("empty", "x`) MATCH (n) DETACH DELETE n //", "../other"):
                reply = served.ask("GET", f"{API}/documents", headers={name: value})
                assert reply.json["total"] == 34
        assert served.get("/api/indexes/empty/status").status == 404


@pytest.mark.parametrize(
    "index",
    [
        "..", "%2e%2e", "..%2f..", "kb%2f..%2fkb", "kb%00", "default", "KB", "kb#x", "kb%23other",
        "x')%20MATCH%20(n)%20DETACH%20DELETE%20n%20//", "'%20OR%201=1%20--", "%ff",
    ],
)  # fmt: skip
def test_an_index_that_is_not_on_the_list_does_not_exist(served: Served, index: str) -> None:
    for path in ("status", "documents", "graph?around=x"):
        assert served.get(f"/api/indexes/{index}/{path}").status == 404


def test_one_index_never_sees_another(sample_root: Path, tmp_path: Path) -> None:
    from graphrag import Document, GraphRAG

    root = copy_of(sample_root, tmp_path)
    text = "The lighthouse of Fastnet was rebuilt by William Douglass in 1904."
    with GraphRAG.open(root, namespace="b", chat=None, embed=None) as rag:
        rag.index(documents=[Document("secret.md", text)])
    places = parse_places([f"a={root}", f"b={root}#b"], root=tmp_path)
    with serving(root, places=places, is_read_only=True) as served:
        for asked in ("Who rebuilt the lighthouse of Fastnet?", "secret.md"):
            found = served.ask("POST", "/api/indexes/a/retrieve", {"question": asked})
            assert "Fastnet" not in json.dumps(found.json["passages"])
        (document,) = served.get("/api/indexes/b/documents").items("documents")
        assert served.get(f"/api/indexes/a/documents/{document['id']}").status == 404
        assert (
            "William Douglass"
            in served.ask(
                "POST", "/api/indexes/b/query", {"question": "Who rebuilt the lighthouse?"}
            ).body.decode()
        )


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd", "../../etc/passwd", "..", "/", "~", ".", "documents/../..", "\0", "a" * 4000,
        "file:///etc/passwd", "link/passwd",
    ],
)  # fmt: skip
def test_only_named_folders_can_be_indexed(own: Served, path: str, tmp_path: Path) -> None:
    (own.root / "link").symlink_to("/etc")
    assert own.post(f"{API}/index", {"paths": [path]}).status == 403
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    (allowed / "link").symlink_to("/etc")
    places = (Place("kb", own.root, folders=(allowed,)),)
    with serving(own.root, places=places) as served:
        reply = served.post(f"{API}/index", {"paths": [path]})
        # "." is the folder itself; the jobs of this root are the other server's.
        assert reply.status == (409 if path == "." else 403)


@pytest.mark.parametrize(
    "identity",
    [
        "../../../etc/passwd", "..%2F..%2F..%2Fetc%2Fpasswd", "%2Fetc%2Fpasswd", "server-token",
        "..%2Fserver-token", "0", "%00",
    ],
)  # fmt: skip
def test_an_original_is_asked_for_by_id_alone(served: Served, identity: str) -> None:
    for path in ("", "/original"):
        reply = served.get(f"{API}/documents/{identity}{path}")
        assert reply.status in (400, 404)
        assert b"root:" not in reply.body


def test_nothing_that_it_did_not_write_is_deleted(own: Served) -> None:
    """LightRAG #2110: a document's name led to the deletion of any file."""
    listed = own.get(f"{API}/documents?limit=200").items("documents")
    document = next(one for one in listed if str(one["source"]).endswith("great-eastern.md"))
    reply = own.ask("DELETE", f"{API}/documents/{document['id']}")
    assert own.finish(reply.json["id"])["state"] == "done"
    assert own.get(f"{API}/documents/{document['id']}").status == 404
    assert (own.root / "documents" / "great-eastern.md").is_file()
    assert own.ask("DELETE", f"{API}/documents/..%2F..%2Fdocuments").status == 404


@pytest.mark.parametrize(
    "name",
    [
        "../../../../tmp/evil.md", "/etc/cron.d/evil.md", "..\\..\\evil.md", "C:\\evil.md",
        "evil\0.md", "x/../../y.md", "....//evil.md", ".md", "-rf.md", "`id`.md", "a" * 500 + ".md",
        "<img src=x onerror=alert(1)>.md", "名前.md", "a\r\nSet-Cookie: x.md",
    ],
)  # fmt: skip
def test_an_upload_gets_a_name_of_ours(own: Served, name: str, tmp_path: Path) -> None:
    before = {path for path in tmp_path.rglob("*") if ".graphrag" not in path.parts}
    reply = own.upload(f"{API}/documents", (name, b"# Evil\n\nNothing to see here at all."))
    if {"\0", "\r"} & set(name) and reply.status in (400, 415):  # no name that a form can have
        return
    assert reply.status == 202, reply.body
    (source,) = cast("list[str]", reply.json["sources"])
    path = own.root / source
    assert path.parent.parent == own.root / ".graphrag" / "uploads"
    assert path.read_bytes().startswith(b"# Evil")
    assert not set(path.name) & set("/\\<>`\0\r\n: ")
    job = cast("dict[str, object]", reply.json["job"])
    own.ask("POST", f"/api/jobs/{job['id']}/cancel")
    assert {path for path in tmp_path.rglob("*") if ".graphrag" not in path.parts} == before


@pytest.mark.parametrize("name", ["evil.exe", "evil", "evil.md.sh", "graph.db", ".graphrag"])
def test_an_upload_of_another_kind_is_refused(own: Served, name: str) -> None:
    reply = own.upload(f"{API}/documents", (name, b"x"))
    assert reply.status == 415
    assert ".pdf" in str(reply.json["hint"])


@pytest.mark.parametrize("size", [1, 2 * 10**9, 10**30])
def test_a_body_that_says_it_is_too_large_is_not_read(own: Served, size: int) -> None:
    head = (
        f"POST {API}/query HTTP/1.1\r\nHost: {own.authority}\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {own.token}\r\nContent-Length: {1_000_000 + size}\r\n\r\n"
    )
    answer = raw(own, head.encode() + b"{")
    assert answer.startswith((b"HTTP/1.1 413", b"HTTP/1.1 400"))


def test_a_body_that_does_not_say_is_cut_off(sample_root: Path) -> None:
    head = (
        f"POST {API}/query HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        "Transfer-Encoding: chunked\r\nAuthorization: Bearer {}\r\n\r\n"
    )
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    with serving(sample_root, body=200_000, is_read_only=True) as served:
        answer = raw(served, head.format(served.token).encode() + chunk * 5)
        assert answer.startswith(b"HTTP/1.1 413")
        assert b"problem+json" in answer


def test_uploads_have_a_limit_of_their_own(sample_root: Path, tmp_path: Path) -> None:
    with serving(copy_of(sample_root, tmp_path), upload=100_000) as served:
        reply = served.upload(f"{API}/documents", ("big.txt", b"word " * 40_000))
        assert reply.status == 413
        uploads = served.root / ".graphrag" / "uploads"
        assert not uploads.exists() or not [path for path in uploads.rglob("*") if path.is_file()]


def test_a_slow_body_is_given_up(sample_root: Path) -> None:
    head = (
        f"POST {API}/query HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        "Content-Length: 100\r\nAuthorization: Bearer {}\r\n\r\n{{"
    )
    with serving(sample_root, body_seconds=0.2, is_read_only=True) as served:
        host, _, port = served.authority.partition(":")
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            connection.sendall(head.format(served.token).encode())
            assert connection.recv(65536).startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize("begun", [b"", b"GET /api/indexes HTTP/1.1\r\nHost: 127", b"G"])
def test_a_request_that_never_says_what_it_wants_is_given_up(
    sample_root: Path, begun: bytes
) -> None:
    with serving(sample_root, head_seconds=0.2, is_read_only=True) as served:
        host, _, port = served.authority.partition(":")
        whole = f"GET /health HTTP/1.1\r\nHost: {served.authority}\r\n\r\n".encode()
        # Also after a request that was whole; with nothing begun that is a connection kept alive.
        for before in (b"", whole) if begun else (b"",):
            with socket.create_connection((host, int(port)), timeout=20) as connection:
                connection.sendall(before)
                if before:
                    assert connection.recv(65536).startswith(b"HTTP/1.1 200")
                connection.sendall(begun)
                while connection.recv(65536):  # a time-out says that it waits for ever
                    pass


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\r\n", b"GET", b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01",
        b"GET /api/indexes HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"\0" * 1000,
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)  # fmt: skip
def test_half_requests_harm_nobody(served: Served, data: bytes) -> None:
    answer = raw(served, data)
    assert not answer or answer.split(b" ", 2)[1][:1] == b"4"
    assert served.get("/api/indexes").status == 200


def test_too_many_questions_are_told_to_come_back(sample_root: Path) -> None:
    with serving(sample_root, queries=1, waiting_queries=2, is_read_only=True) as served:
        replies: list[int] = []
        waits: set[str] = set()

        def ask() -> None:
            reply = served.post(f"{API}/query", {"question": QUESTION, "method": "hybrid"})
            replies.append(reply.status)
            if reply.status == 429:
                waits.add(reply.headers["retry-after"])

        threads = [threading.Thread(target=ask) for _ in range(30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(replies) == {200, 429}
        assert all(int(wait) > 0 for wait in waits)
        assert served.post(f"{API}/query", {"question": QUESTION}).status == 200


def test_too_many_jobs_are_told_to_come_back(sample_root: Path, tmp_path: Path) -> None:
    with serving(copy_of(sample_root, tmp_path), jobs=2) as served:
        replies = [served.post(f"{API}/index", {}) for _ in range(4)]
        assert [reply.status for reply in replies[:2]] == [202, 202]
        assert replies[-1].status == 429
        assert int(replies[-1].headers["retry-after"]) > 0


def test_a_thousand_connections_are_borne(served: Served) -> None:
    host, _, port = served.authority.partition(":")
    open_ones: list[socket.socket] = []
    try:
        for _ in range(1000):
            connection = socket.create_connection((host, int(port)), timeout=20)
            connection.sendall(b"GET /api/indexes HTTP/1.1\r\nHost: ")  # and no more
            open_ones.append(connection)
        assert served.get("/api/indexes").status == 200
    finally:
        for connection in open_ones:
            connection.close()
    assert served.get("/api/indexes").status == 200


def test_a_client_that_leaves_ends_its_question(sample_root: Path, tmp_path: Path) -> None:
    from graphrag.testing import Fault, TestServer

    root = copy_of(sample_root, tmp_path)
    with TestServer(faults=[Fault("hang")]) as model:
        (root / "graphrag.yaml").write_text(
            f"chat: {{base_url: '{model.url}', model: test, api_key: test}}\n", encoding="utf-8"
        )
        with serving(root, queries=1, is_read_only=True) as served:
            for path in ("query", "query/stream"):
                connection = served.connect()
                headers = {
                    "Authorization": f"Bearer {served.token}",
                    "Content-Type": "application/json",
                }
                body = json.dumps({"question": QUESTION, "method": "basic"})
                connection.request("POST", f"{API}/{path}", body, headers)
                time.sleep(0.3)
                connection.close()
            # The only place is free again, else this would wait for it.
            model.set_faults()
            assert served.post(f"{API}/query", {"question": QUESTION}).status == 200


def test_a_question_has_its_time(sample_root: Path, tmp_path: Path) -> None:
    from graphrag.testing import TestServer

    root = copy_of(sample_root, tmp_path)
    with TestServer(latency=30.0) as model:
        (root / "graphrag.yaml").write_text(
            f"chat: {{base_url: '{model.url}', model: test, api_key: test}}\n", encoding="utf-8"
        )
        with serving(root, seconds=0.5, is_read_only=True) as served:
            reply = served.post(f"{API}/query", {"question": QUESTION, "method": "basic"})
            assert reply.status == 504
            assert reply.json["hint"]


def test_a_defect_shows_no_trace(sample_root: Path, tmp_path: Path) -> None:
    root = copy_of(sample_root, tmp_path)
    with serving(root, is_read_only=True) as served:
        (root / ".graphrag" / "graph.db").write_bytes(b"SQLite format 3\0" + os.urandom(5000))
        for path in (f"{API}/status", f"{API}/entities", f"{API}/documents"):
            reply = served.get(path)
            assert reply.status in (409, 500, 503)
            assert b"Traceback" not in reply.body
            assert b".py" not in reply.body


def test_keys_stand_in_no_reply(sample_root: Path, tmp_path: Path) -> None:
    root = copy_of(sample_root, tmp_path)
    key = "sk-a-key-of-the-model-that-nobody-may-see"
    from graphrag.testing import TestServer

    with TestServer(api_key="another") as model:
        (root / "graphrag.yaml").write_text(
            f"chat: {{base_url: '{model.url}', model: test, api_key: {key}}}\n", encoding="utf-8"
        )
        with serving(root) as served:
            replies = [
                served.post(f"{API}/query", {"question": QUESTION}),
                served.get(f"{API}/status"),
                served.get("/openapi.json"),
                served.get("/api/indexes"),
            ]
            assert replies[0].status == 502
            for reply in replies:
                assert key.encode() not in reply.body
                assert served.token.encode() not in reply.body
