"""Run a Neo4j server as a process of its own, and keep the record by which it is found again."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import cast

from graphrag.core.errors import StoreError
from graphrag.stores.neo4j_server.config import HEAP_MB, java_options, settings_file

USER = "neo4j"
_FIRST_PASSWORD = "neo4j"  # noqa: S105 - the maker's default, replaced before `start` returns


class PortTakenError(StoreError):
    """Another program took a port after it was seen to be free."""


@dataclass(frozen=True, slots=True)
class ServerRecord:
    """What `server.json` records. `pid_started` tells our process from a later one's number."""

    version: str
    bolt_port: int
    http_port: int
    pid: int | None
    pid_started: str | None
    heap_mb: int = HEAP_MB


@contextlib.contextmanager
def locked(path: Path) -> Generator[None]:
    """One start, stop or download at a time; released by the system if the process dies."""
    if sys.platform == "win32":
        raise StoreError(
            "A local Neo4j is started on Linux and macOS only", hint="Use docker/compose.yaml."
        )
    import fcntl

    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def read_record(home: Path) -> ServerRecord | None:
    path = home / "server.json"
    try:
        data = cast(dict[str, str | int | None], json.loads(path.read_text(encoding="utf-8")))
        pid = data["pid"]
        return ServerRecord(
            version=str(data["version"]),
            bolt_port=int(data["bolt_port"] or 0),
            http_port=int(data["http_port"] or 0),
            pid=None if pid is None else int(pid),
            pid_started=None if data["pid_started"] is None else str(data["pid_started"]),
            heap_mb=int(data.get("heap_mb") or HEAP_MB),
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{str(path)!r} cannot be read: {error}",
            hint="Delete it; if a server still runs under this root, stop that process first.",
        ) from error


def write_record(home: Path, record: ServerRecord) -> None:
    fresh = home / "server.json.new"
    fresh.write_text(json.dumps(asdict(record)), encoding="utf-8")
    fresh.replace(home / "server.json")


def launch(
    home: Path,
    record: ServerRecord,
    java: Path,
    jars: list[Path],
    options: Mapping[str, str],
) -> ServerRecord:
    """Spawn the server detached from this process and record its pid at once."""
    for name in ("conf", "logs"):
        (home / name).mkdir(exist_ok=True)
    settings = settings_file(
        record.bolt_port, record.http_port, heap_mb=record.heap_mb, options=options
    )
    (home / "conf" / "neo4j.conf").write_text(settings, encoding="utf-8")
    main = "CommunityEntryPoint" if record.version.startswith("5.") else "Neo4jCommunity"
    arguments = [
        str(java),
        *java_options(record.heap_mb),
        "-cp",
        os.pathsep.join(str(jar) for jar in jars),
        f"org.neo4j.server.{main}",
        f"--home-dir={home}",
        f"--config-dir={home / 'conf'}",
    ]
    # Only what a server needs: no API key of this process reaches it.
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    log = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    # Not subprocess: this process neither waits for the server nor warns that it still runs.
    pid = os.posix_spawn(
        java,
        arguments,
        environment,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(_log(home)), log, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    launched = replace(record, pid=pid, pid_started=_started(pid))
    write_record(home, launched)
    return launched


def await_server(home: Path, record: ServerRecord, password: str, *, deadline: float) -> None:
    """Wait until the server answers our password, giving it that password on its first start."""
    while time.monotonic() < deadline:
        if not is_alive(record):
            raise _failed(home, f"Neo4j {record.version} ended while it started")
        match _ask(record, password, "neo4j", "RETURN 1", {}):
            case 200 | 202:
                return
            case 401:
                change = "ALTER CURRENT USER SET PASSWORD FROM $old TO $new"
                words = {"old": _FIRST_PASSWORD, "new": password}
                refused = _ask(record, _FIRST_PASSWORD, "system", change, words) == 401
                # Until our server has started, another may have got the port that it will not get.
                if refused and " Started." in _this_start(home):
                    raise StoreError(
                        f"The server does not accept the password in {str(home / 'password')!r}",
                        hint="Put its password into that file, or remove the folder to begin anew.",
                    )
            case _:
                pass
        time.sleep(0.2)
    raise _failed(home, f"Neo4j {record.version} did not answer in time")


def _ask(
    record: ServerRecord, password: str, database: str, statement: str, parameters: dict[str, str]
) -> int:
    """The HTTP status of one statement, 0 while nothing answers.

    HTTP, for only `stores/neo4j/connection.py` imports the driver.
    """
    import base64
    import http.client

    token = base64.b64encode(f"{USER}:{password}".encode()).decode()
    headers = {"Authorization": f"Basic {token}", "Content-Type": "application/json"}
    body = json.dumps({"statement": statement, "parameters": parameters})
    connection = http.client.HTTPConnection("127.0.0.1", record.http_port, timeout=20)
    try:
        connection.request("POST", f"/db/{database}/query/v2", body, headers)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def _failed(home: Path, message: str) -> StoreError:
    # Without a terminal the server prints little: the rest is in its own log, after older starts.
    log = _read(_log(home)) + "\n" + _this_start(home)
    # The frames of Java's stack traces would push out the messages above them.
    lines = [line for line in log.splitlines() if line and not line.startswith("\tat ")][-15:]
    taken = any("already in use" in line for line in lines)
    tail = "\n".join(f"  {line[:300]}" for line in lines)
    text = f"{message}. The end of its log:\n{tail}"
    if taken:
        return PortTakenError(text, hint="Another program took its port just now: start again.")
    whole = f"{str(_log(home))!r} and {str(_own_log(home))!r}"
    return StoreError(text, hint=f"The whole log is in {whole}.")


def _this_start(home: Path) -> str:
    """The server's own log since it was last started."""
    own = _read(_own_log(home))
    return own[max(0, own.rfind(" Starting...")) :]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _own_log(home: Path) -> Path:
    return home / "logs" / "neo4j.log"


def _log(home: Path) -> Path:
    return home / "logs" / "server.log"


def end(record: ServerRecord, *, timeout_s: float) -> None:
    """Ask the process to stop, wait, then kill it; never a stranger with the same number."""
    if record.pid is None:
        return
    for number, patience in ((signal.SIGTERM, timeout_s), (signal.SIGKILL, 10.0)):
        if not is_alive(record):
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(record.pid, number)
        deadline = time.monotonic() + patience
        while is_alive(record) and time.monotonic() < deadline:
            time.sleep(0.05)


def is_alive(record: ServerRecord) -> bool:
    return record.pid is not None and _started(record.pid) == (record.pid_started or "")


def _started(pid: int) -> str | None:
    """When the process began, in the system's own words; None when it is gone."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # a child of ours that ended must not linger as a zombie
    if sys.platform == "linux":
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in "ZX" else fields[19]
    listing = subprocess.run(  # noqa: S603 - a number of our own
        ["/bin/ps", "-o", "lstart=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
    )
    return listing.stdout.strip() or None
