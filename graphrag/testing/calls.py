"""A request that the test server counts, its counters, and how it says no."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from graphrag.testing.faults import Fault
from graphrag.testing.http import Response, json_response

Body = Mapping[str, object]


@dataclass(slots=True)
class Counters:
    """Of one kind of call. `calls` counts every request; `faults` those that went wrong."""

    calls: int = 0
    faults: int = 0
    repeated: int = 0  # calls whose prompt was answered before
    inputs: int = 0  # texts to embed, documents to rank
    prompt_tokens: int = 0
    completion_tokens: int = 0
    max_in_flight: int = 0
    in_flight: int = 0
    answered: set[str] = field(default_factory=set[str])

    def as_json(self) -> dict[str, int]:
        return {
            "calls": self.calls,
            "faults": self.faults,
            "repeated": self.repeated,
            "inputs": self.inputs,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "max_in_flight": self.max_in_flight,
        }


@dataclass(frozen=True, slots=True)
class Call:
    """One counted request; `reply` makes the response, spoiled by a fault where there is one."""

    group: str
    kind: str
    body: Body
    prompt: str
    key: str
    reply: Callable[[Fault | None, Counters], Response]


def error_response(
    status: int,
    message: str,
    *,
    code: str | None = None,
    param: str | None = None,
    retry_after: float | None = None,
) -> Response:
    error = {"message": message, "type": "test_error", "code": code, "param": param}
    headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
    return json_response({"error": error}, status=status, headers=headers)
