"""Say how a server failed: what happened, what to do, and whether to try again."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import cast

from graphrag.core.errors import (
    ContextTooLongError,
    ModelAuthError,
    ModelError,
    ModelUnreachableError,
    RefusedError,
)

TRANSIENT = frozenset({408, 409, 425, 429})
PERMANENT_5XX = frozenset({501, 505})
SHORTEST_KEY = 8
MOST_WORDS = 400  # characters; some servers send the request back after their own words
TOO_LONG = re.compile(
    r"context_length_exceeded|maximum (context|input) length|context (size|window|length)|"
    r"too many tokens|prompt is too long|input is too long|reduce the length|"
    r"too large to process|must have less than \d+ tokens",
    re.IGNORECASE,
)
# The limit, in the words of OpenAI and vLLM, TEI, and llama.cpp's two.
LIMIT = re.compile(
    r"(?:maximum (?:context|input) length (?:is|of)|must have less than|"
    r"current batch size:|context size \() ?(\d+)",
    re.IGNORECASE,
)
# Templates of models that know no such role end in an error, some with a status of 500.
NO_SYSTEM = re.compile(
    r"system role (is )?not supported|does not support '?system|roles must alternate|"
    r"only user and assistant roles|developer instruction is not enabled|"
    r"system (message|prompt|instruction)s? (is|are) not (supported|enabled|allowed)",
    re.IGNORECASE,
)
QUOTA = re.compile(r"insufficient_quota|exceeded your current quota|billing", re.IGNORECASE)
FILTERED = re.compile(
    r"content_filter|content_policy|content management policy|ResponsibleAI", re.IGNORECASE
)


class RejectedRequestError(ModelError):
    """400, 413 or 422: the server does not take the request as it is."""

    def __init__(self, message: str, *, hint: str, reason: str, quoted: str) -> None:
        super().__init__(message, hint=hint, quoted=quoted)
        self._reason = reason.lower()  # the server's words, which may hold the key

    def mentions(self, *words: str) -> bool:
        return any(word in self._reason for word in words)

    @property
    def refuses_system(self) -> bool:
        """Whether it is the role `system` that the model does not know."""
        return NO_SYSTEM.search(self._reason) is not None


class TimedOutError(ModelError):
    """No reply in time."""


class ErrorBodyError(ValueError):
    """An error that came with a status of 200."""

    def __init__(self, status: int, body: object) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


def error_in(body: object) -> ErrorBodyError | None:
    """The error that a decoded body holds in place of a reply."""
    if not isinstance(body, dict):
        return None
    fields = cast(dict[str, object], body)
    error = fields.get("error")
    if not error or fields.get("choices") or fields.get("data"):
        return None
    inner = cast(dict[str, object], error) if isinstance(error, dict) else {}
    for code in (inner.get("status"), inner.get("code")):
        if str(code).isdecimal() and 400 <= int(str(code)) < 600:
            return ErrorBodyError(int(str(code)), fields)
    words = json.dumps(fields)
    permanent = QUOTA.search(words) or TOO_LONG.search(words) or FILTERED.search(words)
    return ErrorBodyError(400 if permanent else 500, fields)


def without_secrets(url: str) -> str:
    """`url` as errors may show it: without user, password and query."""
    scheme, mark, rest = url.partition("://")
    place, slash, path = re.split("[?#]", rest, maxsplit=1)[0].partition("/")
    return f"{scheme}{mark}{place.rpartition('@')[2]}{slash}{path}"


def status_error(
    status: int, body: object, *, url: str, model: str, key: str, wait_s: float | None = None
) -> ModelError:
    """The error for an HTTP status of 400 or more.

    `body` is the decoded answer, `wait_s` the time that the server asks to wait.
    """
    whole = _words(body)
    words, said = whole[:MOST_WORDS], _shown(whole, key)
    where = f"{url} answered {status} for model {model!r}: {said}"
    if wait_s:
        where += f" (it asks to wait {wait_s:g} s)"
    if status in (401, 403):
        # The server's words may hold parts of the key.
        return auth_error(status, url=url)
    if status == 404:
        hint = "Check the model's name and base_url (most end in /v1)."
        return ModelError(where, hint=hint, quoted=said)
    if status == 402 or (status == 429 and QUOTA.search(words)):
        hint = "The account's quota is used up: check its billing page."
        return ModelError(where, hint=hint, quoted=said)
    if status not in TRANSIENT and TOO_LONG.search(words):
        hint = "Lower chunks.max_tokens or the context budget, or use another model."
        error = ContextTooLongError(where, hint=hint, quoted=said)
        error.limit = int(found[1]) if (found := LIMIT.search(words)) else None
        return error
    rejected = RejectedRequestError(
        where, hint="The server does not take this request.", reason=words, quoted=said
    )
    if status not in TRANSIENT and rejected.refuses_system:
        return rejected
    if status in TRANSIENT or (status >= 500 and status not in PERMANENT_5XX):
        hint = "Run again later; what is done is kept."
        return ModelError(where, hint=hint, quoted=said, transient=True)
    if FILTERED.search(words):
        hint = "The server's content filter refused this text."
        return RefusedError(where, hint=hint, quoted=said)
    if status in (400, 413, 422):
        return rejected
    return ModelError(where, hint="See the server's documentation for this status.", quoted=said)


def auth_error(status: int, *, url: str) -> ModelAuthError:
    return ModelAuthError(
        f"{url} refused the API key ({status})",
        hint="Set OPENAI_API_KEY (or chat.api_key, embedding.api_key) to a key of this server.",
    )


def unreachable(cause: BaseException, *, url: str) -> ModelUnreachableError:
    return ModelUnreachableError(
        f"no model server answers at {url}: {cause or type(cause).__name__}",
        hint="Start the server, or check base_url (OPENAI_BASE_URL) and the network.",
    )


def lost(cause: BaseException, *, url: str) -> ModelError:
    said = str(cause) or type(cause).__name__
    return ModelError(
        f"the connection to {url} was lost: {said}",
        hint="Run again; what is done is kept.",
        quoted=said,
        transient=True,
    )


def timed_out(seconds: float, *, url: str, model: str) -> TimedOutError:
    return TimedOutError(
        f"{url} sent no reply for model {model!r} within {seconds:g} s",
        hint="Raise timeout_s, or lower concurrency if the server is overloaded.",
        transient=True,
    )


def not_a_reply(cause: BaseException, *, url: str) -> ModelError:
    said = str(cause)[:200]
    return ModelError(
        f"{url} sent a body that is no OpenAI-compatible reply: {said}",
        hint="Check base_url: most end in /v1.",
        quoted=said,
        transient=True,
    )


def retry_after(headers: Mapping[str, str], *, now: datetime | None = None) -> float | None:
    """Seconds that the server asks to wait: `retry-after-ms`, or seconds or a date."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name, "")
        if re.fullmatch(r"\s*\d+(\.\d+)?\s*", value):
            return float(value) * unit
    try:
        date = parsedate_to_datetime(headers.get("retry-after", ""))
    except ValueError:
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - (now or datetime.now(UTC))).total_seconds())


def _words(body: object) -> str:
    """The server's own words, on one line."""
    if not isinstance(body, dict):
        return " ".join(str(body or "no reason given").split())
    fields = cast(dict[str, object], body)
    inner = fields.get("error", fields)
    fields = cast(dict[str, object], inner) if isinstance(inner, dict) else {"message": inner}
    parts = [str(fields[name]) for name in ("message", "code", "param") if fields.get(name)]
    return " ".join((" / ".join(parts) or json.dumps(fields, default=str)).split())


def _shown(words: str, key: str) -> str:
    """`words` short and without the key. A shorter key is a placeholder, as `none` or `test`."""
    if len(key) >= SHORTEST_KEY:
        words = words.replace(key, "…")
    return re.sub(r"\bsk-[\w*-]+", "…", words)[:MOST_WORDS]
