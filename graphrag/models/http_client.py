"""Call one model server through the `openai` SDK, with time-outs and retries.

The only module that imports `openai` and the HTTP library below it, and only when the first call
is made. The SDK's errors end here, told by their class; what leaves are ours. The SDK makes one
attempt a call: retries are made here, for they share the limiter of all callers.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar, cast
from urllib.parse import parse_qsl, urlsplit

from graphrag.core.errors import ModelError, ModelUnreachableError
from graphrag.core.logs import get_log, reason
from graphrag.models import http_errors as faults
from graphrag.models.limits.load import Load
from graphrag.models.spending import RateLimiter

if TYPE_CHECKING:
    import openai

    Client = openai.AsyncOpenAI  # for the types of others

log = get_log(__name__)

OPENAI_URL = "https://api.openai.com/v1"
LOOPBACK = ("localhost", "127.0.0.1", "::1")
CONNECT_TIMEOUT_S = 5.0
PREFLIGHT_TIMEOUT_S = 5.0
LONGEST_BACKOFF_S = 20.0
LONGEST_RETRY_AFTER_S = 120.0
UNREACHED_RETRIES = 1
LATE_RETRIES = 2  # of a call that had the server for itself: it takes longer than it may
SILENCES_A_RETRY = 2  # time-outs in a row, of all calls, before a server is taken for dead
# The hosts that want `max_completion_tokens`; elsewhere `max_tokens` is what all know.
AZURE_HOSTS = ("azure.com", "azure.us", "azure.cn")
OPENAI_HOSTS = ("openai.com", *AZURE_HOSTS)
OVERLOADED = frozenset({429, 503, 529})


class Counted(Protocol):
    @property
    def total_tokens(self) -> int:
        """Tokens that the server counted; 0 where it did not."""
        ...


Raw = TypeVar("Raw")
Result = TypeVar("Result", bound=Counted)


@dataclass(frozen=True, slots=True)
class Policy:
    """How the calls of one model are made."""

    model: str
    max_retries: int
    limiter: RateLimiter
    load: Load

    @property
    def timeout_s(self) -> float:
        return self.load.timeout_s


@dataclass(frozen=True, slots=True)
class Post:
    """A request that may also be sent in another way than at once: see `batch_server`."""

    path: str
    body: Mapping[str, object]

    def __call__(self, client: openai.AsyncOpenAI) -> Awaitable[bytes]:
        return client.post(self.path, cast_to=bytes, body=self.body)


class Server:
    """One server and key: one HTTP client for chat and embeddings, and the retries."""

    def __init__(
        self, base_url: str | None, api_key: str | None, *, backoff_s: float = 0.5
    ) -> None:
        """`backoff_s`: the longest pause before the second try; it doubles with each."""
        self._base_url = base_url or OPENAI_URL
        self.url = faults.without_secrets(self._base_url)
        self._key = api_key or ""
        self._backoff_s = backoff_s
        self._reached = False
        self._client: openai.AsyncOpenAI | None = None

    @property
    def is_local(self) -> bool:
        """Whether it stands on this machine."""
        return self._host in LOOPBACK

    @property
    def is_azure(self) -> bool:
        """Whether its models are called by their deployments, and listed by their own names."""
        has_version = "api-version" in dict(parse_qsl(self._base_url.partition("?")[2]))
        return has_version or self._host.endswith(AZURE_HOSTS)

    @property
    def is_openai(self) -> bool:
        """Whether it is OpenAI's own, or Azure's."""
        return self._host.endswith(OPENAI_HOSTS)

    @property
    def _host(self) -> str:
        return urlsplit(self._base_url).hostname or ""

    async def call(
        self,
        send: Callable[[openai.AsyncOpenAI], Awaitable[Raw]],
        parse: Callable[[Raw], Result],
        policy: Policy,
        *,
        tokens: int,
        divisible: bool = False,
    ) -> Result:
        """`parse(await send(client))`, tried again while that may help.

        `tokens` is the estimate for the limiter. A `divisible` call is not sent again as it is
        after a time-out. Raises ModelError and its kinds.
        """
        client = self._connect()
        import openai

        attempt = late = 0
        while True:
            place = await policy.limiter.wait(tokens)
            pause, turn = None, None
            try:
                async with policy.load.turn() as turn:
                    result = parse(await send(client))
            except openai.APIStatusError as error:
                self._reached = True
                pause = faults.retry_after(error.response.headers)
                failure = self._status_failure(error.status_code, error.body, policy, wait_s=pause)
                cause, status = error, error.status_code
                if error.status_code == 429 and pause and pause <= LONGEST_RETRY_AFTER_S:
                    policy.limiter.pause(pause)
            except faults.ErrorBodyError as error:
                self._reached = True
                status, cause = error.status, error
                failure = self._status_failure(status, error.body, policy)
            except (openai.APIError, TimeoutError, ValueError) as error:
                failure, cause, status = self._failure(error, policy), error, 0
            else:
                self._reached = True
                policy.load.answered(turn)
                policy.limiter.settle(place, result.total_tokens or tokens)
                return result
            if turn is not None and status:
                policy.load.heard(turn)
                if status in OVERLOADED:
                    policy.load.overloaded(turn)
            is_late = isinstance(cause, TimeoutError)
            late += turn is not None and turn.was_late_alone
            in_parts = divisible and is_late
            if not in_parts and (
                late > LATE_RETRIES or not self._retries(failure, attempt, pause, policy)
            ):
                raise failure from cause
            policy.load.retries += 1
            if in_parts:
                raise failure from cause
            delay = self._delay(attempt, pause)
            attempt += 1
            why = reason(failure)
            told = {"error": why}
            log.info("%s; try %d follows in %.1f s", why, attempt + 1, delay, extra=told)
            await asyncio.sleep(delay)

    async def events(
        self, path: str, body: dict[str, object], policy: Policy, *, tokens: int
    ) -> AsyncGenerator[object, None]:
        """The decoded events of a streamed reply; nothing is tried again once it flows."""
        self._connect()
        import openai

        stream_cls = openai.AsyncStream[object]
        opened = await self.call(
            lambda client: client.post(
                path, cast_to=object, body=body, stream=True, stream_cls=stream_cls
            ),
            _Opened,
            policy,
            tokens=tokens,
        )
        try:
            while True:
                try:
                    async with asyncio.timeout(policy.timeout_s):
                        event = await anext(opened.stream)
                except StopAsyncIteration:
                    return
                except (openai.APIError, TimeoutError, ValueError) as error:
                    raise self._failure(error, policy) from error
                yield event
        finally:
            await opened.stream.close()

    async def preflight(self) -> object:
        """One GET of the models: the decoded list, or None where there is none.

        Raises ModelAuthError or ModelUnreachableError, else nothing.
        """
        client = self._connect()
        import openai

        try:
            async with asyncio.timeout(PREFLIGHT_TIMEOUT_S):
                return cast(object, json.loads(await client.get("/models", cast_to=bytes)))
        except openai.APIStatusError as error:
            # Keys that may chat but not list the models are told so with a 403.
            scoped = error.status_code == 403 and "scope" in str(error.body).lower()
            if error.status_code in (401, 403) and not scoped:
                raise faults.auth_error(error.status_code, url=self.url) from error
        except openai.APIConnectionError as error:
            if isinstance(failure := self._connection_failure(error), ModelUnreachableError):
                raise failure from error
        except (openai.APIError, TimeoutError, ValueError):
            pass  # it is there, only slow or without a list
        return None

    async def look(self, path: str, body: dict[str, object] | None = None) -> object:
        """What the server says at `path` of its root, decoded; None where it is of no use."""
        client = self._connect()
        import openai

        root = self._base_url.partition("?")[0].rstrip("/").removesuffix("/v1")
        try:
            async with asyncio.timeout(PREFLIGHT_TIMEOUT_S):
                if body is None:
                    said = await client.get(root + path, cast_to=bytes)
                else:
                    said = await client.post(root + path, cast_to=bytes, body=body)
                return cast(object, json.loads(said))
        except (openai.APIError, TimeoutError, ValueError):
            return None

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None

    def _connect(self) -> openai.AsyncOpenAI:
        if self._client is None:
            import ssl

            import openai

            timeout = openai.Timeout(None, connect=CONNECT_TIMEOUT_S)
            local = None
            if self.is_local:
                # To load the certificate authorities takes longer than a call to such a server
                # does; the context without them trusts nobody.
                trusting_nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                local = openai.DefaultAsyncHttpxClient(verify=trusting_nobody, timeout=timeout)
            address, _, query = self._base_url.partition("?")
            fixed = dict(parse_qsl(query))
            key = self._key or "none"
            if version := fixed.get("api-version"):  # as in the address of an Azure deployment
                self._client = openai.AsyncAzureOpenAI(
                    api_key=key,
                    api_version=version,
                    base_url=address,
                    max_retries=0,
                    timeout=timeout,
                    http_client=local,
                )
            else:
                self._client = openai.AsyncOpenAI(
                    api_key=key,
                    base_url=address,
                    default_query=fixed,
                    max_retries=0,
                    timeout=timeout,
                    http_client=local,
                )
        return self._client

    def _status_failure(
        self, status: int, body: object, policy: Policy, *, wait_s: float | None = None
    ) -> ModelError:
        return faults.status_error(
            status, body, url=self.url, model=policy.model, key=self._key, wait_s=wait_s
        )

    def _failure(self, error: Exception, policy: Policy) -> ModelError:
        import openai

        match error:
            case openai.APIConnectionError():
                return self._connection_failure(error)
            case TimeoutError():
                return faults.timed_out(policy.timeout_s, url=self.url, model=policy.model)
            case ValueError():
                return faults.not_a_reply(error, url=self.url)
            case openai.APIError() if found := faults.error_in({"error": error.body}):
                return self._status_failure(found.status, found.body, policy)
            case _:
                return faults.lost(error, url=self.url)

    def _connection_failure(self, error: openai.APIConnectionError) -> ModelError:
        import httpx2
        import openai

        cause = error.__cause__ or error
        # Only connecting has a time-out of the SDK's; `asyncio.timeout` bounds the rest.
        no_server = isinstance(error, openai.APITimeoutError)
        if no_server or isinstance(cause, httpx2.ConnectError | httpx2.UnsupportedProtocol):
            return faults.unreachable(cause, url=self.url)
        return faults.lost(cause, url=self.url)

    def _retries(
        self, failure: ModelError, attempt: int, pause: float | None, policy: Policy
    ) -> bool:
        if not failure.transient or (pause or 0.0) > LONGEST_RETRY_AFTER_S:
            return False
        if isinstance(failure, ModelUnreachableError) and not self._reached:
            return attempt < min(UNREACHED_RETRIES, policy.max_retries)
        is_dead = policy.load.silences > SILENCES_A_RETRY * policy.max_retries
        return attempt < policy.max_retries and not is_dead

    def _delay(self, attempt: int, pause: float | None) -> float:
        backoff = min(LONGEST_BACKOFF_S, self._backoff_s * 2 ** min(attempt, 10))
        if pause is None:
            return random.uniform(0, backoff)
        return pause + random.uniform(0, self._backoff_s)


class _Opened:
    """A stream that has begun; what it costs is known only at its end."""

    total_tokens = 0

    def __init__(self, stream: openai.AsyncStream[object]) -> None:
        self.stream = stream
