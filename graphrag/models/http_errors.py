"""How a server failed in, our error out: what happened, what to do, whether to try again."""

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
TOO_LONG = re.compile(
    r"context_length_exceeded|maximum context length|context (size|window|length)|"
    r"too many tokens|prompt is too long|input is too long|reduce the length",
    re.IGNORECASE,
)
QUOTA = re.compile(r"insufficient_quota|exceeded your current quota|billing", re.IGNORECASE)
FILTERED = re.compile(
    r"content_filter|content_policy|content management policy|ResponsibleAI", re.IGNORECASE
)


class RejectedRequestError(ModelError):
    """400, 413 or 422: the server does not take the request as it is."""

    def __init__(self, message: str, *, hint: str, reason: str) -> None:
        super().__init__(message, hint=hint, quoted=reason)
        self.reason = reason.lower()  # the server's words

    def mentions(self, *words: str) -> bool:
        return any(word in self.reason for word in words)


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
    said = _said(body, key)
    where = f"{url} answered {status} for model {model!r}: {said}"
    if wait_s:
        where += f" (it asks to wait {wait_s:g} s)"
    if status in (401, 403):
        # The server's words may hold parts of the key.
        return auth_error(status, url=url)
    if status == 404:
        hint = "Check the model's name and base_url (most end in /v1)."
        return ModelError(where, hint=hint, quoted=said)
    if status == 402 or (status == 429 and QUOTA.search(said)):
        hint = "The account's quota is used up: check its billing page."
        return ModelError(where, hint=hint, quoted=said)
    if status in TRANSIENT or (status >= 500 and status not in PERMANENT_5XX):
        hint = "Run again later; what is done is kept."
        return ModelError(where, hint=hint, quoted=said, transient=True)
    if TOO_LONG.search(said):
        hint = "Lower chunks.max_tokens or the context budget, or use another model."
        return ContextTooLongError(where, hint=hint, quoted=said)
    if FILTERED.search(said):
        hint = "The server's content filter refused this text."
        return RefusedError(where, hint=hint, quoted=said)
    if status in (400, 413, 422):
        return RejectedRequestError(
            where, hint="The server does not take this request.", reason=said
        )
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


def timed_out(seconds: float, *, url: str, model: str) -> ModelError:
    return ModelError(
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


def _said(body: object, key: str) -> str:
    """The server's own words, short, on one line, without the key."""
    if isinstance(body, dict):
        fields = cast(dict[str, object], body)
        inner = fields.get("error", fields)
        fields = cast(dict[str, object], inner) if isinstance(inner, dict) else {"message": inner}
        parts = [str(fields[name]) for name in ("message", "code", "param") if fields.get(name)]
        text = " / ".join(parts) or json.dumps(fields, default=str)
    else:
        text = str(body or "no reason given")
    if key:
        text = text.replace(key, "…")
    return re.sub(r"\s+", " ", re.sub(r"\bsk-[\w*-]+", "…", text))[:400]
