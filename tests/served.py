"""A server of `graphrag serve` in this process, and the plainest client of it."""

from __future__ import annotations

import asyncio
import http.client
import json
import shutil
import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from graphrag.server.access import Limits
from graphrag.server.app import Options, make_server
from graphrag.server.indexes import Place

QUESTION = "Who was the electrician of the Atlantic Telegraph Company in 1857?"
FACT = "Whitehouse"


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes

    @property
    def json(self) -> dict[str, object]:
        return cast("dict[str, object]", json.loads(self.body))

    def items(self, name: str) -> list[dict[str, object]]:
        return cast("list[dict[str, object]]", self.json[name])


@dataclass(frozen=True, slots=True)
class Served:
    """`url` without a path; `token` opens it."""

    url: str
    token: str = field(repr=False)
    root: Path = Path()

    @property
    def authority(self) -> str:
        return urlsplit(self.url).netloc

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.authority, timeout=60)

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        token: str | None = "",
    ) -> Reply:
        """`body` that is not bytes is sent as JSON; `token`: None sends none, "" the right one."""
        sent = dict(headers or {})
        if token is not None:
            sent.setdefault("Authorization", f"Bearer {token or self.token}")
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        connection = self.connect()
        try:
            connection.request(method, path, data, sent)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, found, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Reply:
        return self.ask("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})

    def post(self, path: str, body: object) -> Reply:
        return self.ask("POST", path, body)

    def upload(self, path: str, *files: tuple[str, bytes], method: str = "POST") -> Reply:
        edge = "----edge-of-the-test"
        parts = b"".join(
            b'--%s\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n'
            b"Content-Type: application/octet-stream\r\n\r\n%s\r\n"
            % (edge.encode(), name.replace('"', "%22").encode(), data)
            for name, data in files
        )
        kind = {"Content-Type": f"multipart/form-data; boundary={edge}"}
        return self.ask(method, path, parts + f"--{edge}--\r\n".encode(), headers=kind)

    def events(self, method: str, path: str, body: object = None) -> Iterator[tuple[str, object]]:
        """Server-sent events until the stream ends."""
        connection = self.connect()
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        try:
            connection.request(method, path, data, headers)
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            name = ""
            for line in answer:
                key, _, value = line.decode().rstrip("\n").partition(": ")
                if key == "event":
                    name = value
                elif key == "data":
                    yield name, json.loads(value)
        finally:
            connection.close()

    def finish(self, job_id: object) -> dict[str, object]:
        """The job when it is over."""
        for name, data in self.events("GET", f"/api/jobs/{job_id}/events"):
            if name == "end":
                return cast("dict[str, object]", data)
        raise AssertionError(f"job {job_id} did not end")


@contextmanager
def serving(root: Path, **changes: object) -> Generator[Served]:
    """A server of the index `kb` at `root`; `changes` are fields of `Options` and `Limits`."""
    limits = {name: changes.pop(name) for name in list(changes) if name in Limits.__slots__}
    options = Options(
        (Place("kb", root),),
        port=0,
        limits=replace(Limits(), **limits),  # type: ignore[arg-type] # the test's own
    )
    options = replace(options, **changes)  # type: ignore[arg-type] # the test's own
    started = threading.Event()
    addresses: list[str] = []

    def ready(address: str) -> None:
        addresses.append(address)
        started.set()

    server, listening = make_server(options, ready=ready)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])))
    thread.start()
    try:
        assert started.wait(30)
        address, _, token = addresses[0].partition("#")
        yield Served(address.rstrip("/"), token, root)
    finally:
        server.should_exit = True
        thread.join(30)
        listening.close()


def copy_of(root: Path, folder: Path) -> Path:
    """An index of its own for a test that changes it."""
    return Path(shutil.copytree(root, folder / root.name))
