"""`python -m graphrag.testing`: the test server in a process of its own.

Prints its URL and port as one JSON line, then serves until it is interrupted.
"""

from __future__ import annotations

import argparse
import importlib
import json
import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType
from typing import cast

from graphrag.testing.faults import Fault
from graphrag.testing.replies import Rule
from graphrag.testing.server import TestServer


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m graphrag.testing", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds of a chat call")
    parser.add_argument("--embedding-latency", type=float, default=0.0)
    parser.add_argument("--kind-latency", action="append", default=[], metavar="KIND=SECONDS")
    parser.add_argument("--dimensions", type=int, default=256, help="of the vectors")
    parser.add_argument("--api-key", help="refuse every other key")
    parser.add_argument("--tokens", choices=("bytes", "tiktoken"), default="bytes")
    parser.add_argument("--faults", default="[]", help='JSON: [{"kind": "extract", "status": 503}]')
    parser.add_argument("--rules", metavar="MODULE:NAME", help="more kinds: a list of Rule")
    parser.add_argument("--stop-with-stdin", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    latency = {"chat": float(options.latency), "embed": float(options.embedding_latency)}
    for item in cast(list[str], options.kind_latency):
        kind, _, seconds = item.partition("=")
        latency[kind] = float(seconds)
    try:
        faults = [Fault.from_json(item) for item in json.loads(options.faults)]
    except (ValueError, TypeError) as error:
        parser.error(f"--faults: {error}")
    server = TestServer(
        latency=latency,
        dimensions=int(options.dimensions),
        api_key=cast(str | None, options.api_key),
        faults=faults,
        rules=_load_rules(options.rules) if options.rules else (),
        tokens=options.tokens,
        port=int(options.port),
    )
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
    if options.stop_with_stdin:
        threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    with server:
        line = json.dumps({"url": server.url, "port": int(server.url.split(":")[2].split("/")[0])})
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
        stop.wait()


def _load_rules(place: str) -> Sequence[Rule]:
    module, _, name = place.partition(":")
    return cast(Sequence[Rule], getattr(importlib.import_module(module), name))


if __name__ == "__main__":
    main()
