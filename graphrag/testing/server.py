"""An OpenAI-compatible server over real HTTP on loopback, with the standard library alone."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import Literal, Self, cast
from urllib.request import Request as UrlRequest
from urllib.request import urlopen

from graphrag.testing.endpoints import Endpoints
from graphrag.testing.faults import Fault
from graphrag.testing.http import HttpServer
from graphrag.testing.limits import Dialect, Limits
from graphrag.testing.replies import Rule

HOST = "127.0.0.1"
Kinds = Mapping[str, float]


class TestServer:
    """The server in a thread of this process, as a context manager.

    `latency` is in seconds: of every chat call, or by kind, where "chat" is for the other chat
    calls. `tokens` counts four bytes a token, or as tiktoken does. `rules` come before the
    built-in ones. A prompt with its reply has `context_tokens` at most, a text to embed
    `text_tokens`; more is refused in the words of `dialect`. At most
    `slots` calls are worked on at once.
    """

    __test__ = False  # for pytest: this is no test class

    def __init__(
        self,
        *,
        latency: float | Kinds = 0.0,
        dimensions: int = 256,
        api_key: str | None = None,
        faults: Sequence[Fault] = (),
        rules: Sequence[Rule] = (),
        tokens: Literal["bytes", "tiktoken"] = "bytes",
        context_tokens: int | None = None,
        text_tokens: int | None = None,
        dialect: Dialect = "openai",
        slots: int | None = None,
        port: int = 0,
    ) -> None:
        self._endpoints = Endpoints(
            latency=latency if isinstance(latency, Mapping) else {"chat": latency},
            dimensions=dimensions,
            api_key=api_key,
            faults=faults,
            rules=rules,
            tokens=tokens,
            limits=Limits(dialect, context_tokens, text_tokens),
            slots=slots,
        )
        self._port = port
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._thread: threading.Thread | None = None
        self._failure: OSError | None = None

    @property
    def url(self) -> str:
        """The base URL for clients, ending in /v1."""
        return f"http://{HOST}:{self._port}/v1"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self.run, daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failure:
            raise self._failure
        return self

    def __exit__(self, *_: object) -> None:
        if self._loop and self._task and self._thread:
            self._loop.call_soon_threadsafe(self._task.cancel)
            self._thread.join()

    def run(self) -> None:
        """Serve in this thread until the context is left; prints nothing."""
        try:
            asyncio.run(self._serve())
        except OSError as error:  # the port is taken
            self._failure = error
            self._ready.set()
        except asyncio.CancelledError:
            pass

    def stats(self) -> dict[str, dict[str, dict[str, int]]]:
        """Counters by kind: {"chat": {kind: {calls, prompt_tokens, …}}, "embeddings": …}."""
        return cast(dict[str, dict[str, dict[str, int]]], _control(self.url, "_stats"))

    def reset(self) -> None:
        """Set the counters to zero; faults count their `times` anew."""
        _control(self.url, "_reset", {})

    def set_faults(self, *faults: Fault) -> None:
        """These faults from now on, in place of those before."""
        _control(self.url, "_faults", [fault.as_json() for fault in faults])

    @classmethod
    def spawn(cls, *arguments: str) -> SpawnedServer:
        """The same server in a process of its own, so that its CPU and memory are not yours.

        `arguments` are those of `python -m graphrag.testing`.
        """
        return SpawnedServer(arguments)

    async def _serve(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()

        def ready(port: int) -> None:
            self._port = port
            self._ready.set()

        await HttpServer(self._endpoints.handle).serve(HOST, self._port, ready=ready)


class SpawnedServer(TestServer):
    """A TestServer in another process; it ends with the context or with this process."""

    def __init__(self, arguments: Sequence[str]) -> None:
        super().__init__()
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "graphrag.testing", "--stop-with-stdin"]
        self._process = subprocess.Popen(  # noqa: S603 - our own module and the caller's options
            [*command, *self._arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        if self._process.stdout:
            line = self._process.stdout.readline()
            if not line:
                self.__exit__()
                raise RuntimeError(f"the test server did not start with {self._arguments}")
            self._port = int(json.loads(line)["port"])
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.communicate()  # closes its stdin, at which it stops
            self._process = None


def _control(url: str, name: str, data: object = None) -> object:
    body = None if data is None else json.dumps(data).encode()
    request = UrlRequest(f"{url.removesuffix('v1')}{name}", data=body)  # noqa: S310 - loopback
    with urlopen(request, timeout=10) as response:  # noqa: S310 - loopback
        return cast(object, json.loads(response.read()))
