"""Rules for what the test server does wrong, and for which requests."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Literal, cast, get_args

FaultName = Literal[
    "status",  # answer `status`, with Retry-After when `retry_after` is set
    "hang",  # never answer
    "drop",  # close the connection without a word
    "half_stream",  # send half of the reply, then close the connection
    "truncated_body",  # half of the HTTP body, as if it were whole
    "truncated_json",  # half of the model's text
    "wrong_json",  # JSON of another shape
    "refusal",
    "content_filter",
    "length",  # cut off by the token limit
    "endless",  # a reply that only the token limit ends
    "deep_thoughts",  # as `endless`, of thoughts: only a limit above 8,000 leaves room for a reply
    "empty",
    "odd_item",  # an item without any of its fields at the end of each list
    "odd_values",  # lists, numbers and words where others are due
    "thoughts",  # before the text
    "fenced",  # a Markdown fence around the text
    "parts",  # the content in parts
    "no_usage",  # leave out the token counts
    "context_too_long",
    "quota",
    "no_schema",  # refuse response_format json_schema
    "no_json",  # refuse any response_format
    "no_system",  # refuse the role system
    "no_temperature",
    "no_max_tokens",
    "no_max_completion_tokens",
    "no_stream_options",
    "no_base64",
    "expired",  # a batch whose time is over when every second line is done
    "cancelled",  # a batch that is cancelled at that point
    "failed",  # a batch whose file is refused
    "queue_full",  # a batch with more lines than the account may have waiting
]
NAMES: tuple[str, ...] = get_args(FaultName)


@dataclass(frozen=True, slots=True)
class Fault:
    """`fault` for requests of `kind` (None: all) whose prompt contains `match`.

    `rate` picks that share of the prompts by their hash, so the same ones each time. `times`
    lets each prompt fail that often and then succeed. Kinds are those of the replies, and
    embed, rerank, models, and of batches: upload, create, poll, download, discard, and batch for
    the work on one.
    """

    fault: FaultName = "status"
    status: int = 503
    kind: str | None = None
    match: str = ""
    rate: float = 1.0
    times: int | None = None
    retry_after: float | None = None

    def as_json(self) -> dict[str, object]:
        return {key: value for key, value in asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> Fault:
        """Raises ValueError on an unknown name."""
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(data) - known):
            raise ValueError(f"a fault has no {unknown}; it has {sorted(known)}")
        if data.get("fault", "status") not in NAMES:
            raise ValueError(f"no fault {data['fault']!r}; there are {', '.join(NAMES)}")
        return cls(**dict(data))  # pyright: ignore[reportArgumentType] - checked by name above


class FaultPlan:
    """Decides, request by request, what goes wrong."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self._faults = tuple(faults)
        self._seen: Counter[tuple[int, str]] = Counter()

    def pick(self, kind: str, key: str, prompt: str, body: Mapping[str, object]) -> Fault | None:
        """The first fault that meets this request; `key` is the same for each try of a prompt."""
        for number, fault in enumerate(self._faults):
            if fault.kind not in (None, kind) or fault.match not in prompt:
                continue
            if not _refuses(fault.fault, body) or _share(number, key) >= fault.rate:
                continue
            self._seen[number, key] += 1
            if fault.times is None or self._seen[number, key] <= fault.times:
                return fault
        return None


def _refuses(fault: str, body: Mapping[str, object]) -> bool:
    """Whether a request holds what a `no_…` fault is about; True for other faults."""
    wanted = body.get("response_format")
    match fault:
        case "no_usage":
            return True
        case "no_json":
            return wanted is not None
        case "no_schema":
            return isinstance(wanted, dict) and "json_schema" in wanted
        case "no_system":
            turns = cast(Sequence[Mapping[str, object]], body.get("messages") or ())
            return any(turn.get("role") == "system" for turn in turns)
        case "no_base64":
            return body.get("encoding_format") == "base64"
        case _:
            return not fault.startswith("no_") or fault.removeprefix("no_") in body


def _share(number: int, key: str) -> float:
    digest = hashlib.blake2b(f"{number}:{key}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") / 2**32
