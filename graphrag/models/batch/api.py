"""Call OpenAI's Batch API: send a file of requests, fetch the file of their replies.

A batch is made at most once for each file, whatever answers are lost on the way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel

from graphrag.core.errors import ModelAuthError, ModelError, UsageError
from graphrag.core.logs import get_log, reason
from graphrag.models.http_client import Counted, Policy, Post, Server
from graphrag.models.limits.load import Load
from graphrag.models.spending import RateLimiter

if TYPE_CHECKING:
    from graphrag.models.http_client import Client

log = get_log(__name__)

AT_ONCE = 8
TIMEOUT_S = 60.0
TRANSFER_S = 900.0  # for a file of 200 MB
FIRST_POLL_S = 1.0
MOST_MISSES = 20  # looks at a batch, one after the other, that may come to nothing
ENDED = frozenset({"completed", "failed", "expired", "cancelled"})
TOO_MANY_TOKENS = "token_limit_exceeded"  # waiting, for this account and model

Result = TypeVar("Result", bound=Counted)


class _Answer(BaseModel):
    """What the server says of files and batches; it counts no tokens there."""

    @property
    def total_tokens(self) -> int:
        return 0


class _File(_Answer):
    id: str


class _Problem(BaseModel):
    code: str | None = None
    message: str | None = None


class _Problems(BaseModel):
    data: list[_Problem] | None = None


class Counts(BaseModel):
    total: int = 0
    completed: int = 0
    failed: int = 0


class Batch(_Answer):
    id: str
    status: str
    input_file_id: str = ""
    output_file_id: str | None = None
    error_file_id: str | None = None
    errors: _Problems | None = None
    request_counts: Counts | None = None

    @property
    def counts(self) -> Counts:
        return self.request_counts or Counts()

    @property
    def problems(self) -> list[_Problem]:
        """Why the whole batch was refused."""
        return (self.errors.data if self.errors else None) or []

    @property
    def is_too_large(self) -> bool:
        return any(problem.code == TOO_MANY_TOKENS for problem in self.problems)


class _Batches(_Answer):
    data: list[Batch]


class Reply(BaseModel):
    """What came of one request; status 0 is nothing."""

    status_code: int = 0
    body: object = None


class _Line(BaseModel):
    """One line of a file of replies."""

    custom_id: str
    response: Reply | None = None
    error: dict[str, object] | None = None


class _Content:
    total_tokens = 0

    def __init__(self, content: bytes) -> None:
        self.content = content


class BatchAPI:
    """The Batch API of `server`, at the paths of its own URL."""

    def __init__(self, server: Server, *, max_retries: int, poll_s: float) -> None:
        """`poll_s`: the longest pause between two looks at a batch."""
        self._server = server
        self._poll_s = poll_s
        self._first_poll_s = min(FIRST_POLL_S, poll_s)
        unlimited = RateLimiter(requests=None, tokens=None)  # the limits of single calls
        soon = Load(AT_ONCE, timeout_s=TIMEOUT_S)
        self._policy = Policy("batch", max_retries, unlimited, soon)
        self._transfer = Policy(
            "batch", max_retries, unlimited, Load(AT_ONCE, timeout_s=TRANSFER_S)
        )
        self._once = Policy("batch", 0, unlimited, soon)

    async def check(self) -> None:
        """Raises UsageError where the server has no Batch API."""
        try:
            await self.find("")
        except ModelError as error:
            if error.transient or isinstance(error, ModelAuthError):
                raise
            raise UsageError(
                f"--batch needs a server with the Batch API: {error}", hint="Leave --batch out."
            ) from error

    async def upload(self, lines: bytes) -> str:
        """Returns the id of the file."""
        form = {"purpose": "batch"}
        file = ("batch.jsonl", lines, "application/jsonl")

        def send(client: Client) -> Awaitable[bytes]:
            return client.post(
                "/files",
                cast_to=bytes,
                body=form,
                files=[("file", file)],
                options={"headers": {"Content-Type": "multipart/form-data"}},
            )

        done = await self._server.call(send, _File.model_validate_json, self._transfer, tokens=0)
        return done.id

    async def create(self, file: str, path: str) -> Batch:
        """A batch of the requests in `file`, which are all for `path`."""
        body: dict[str, object] = {
            "input_file_id": file,
            "endpoint": f"/v1{path}",
            "completion_window": "24h",
        }
        tries = 0
        while True:
            try:
                return await self._server.call(
                    Post("/batches", body), Batch.model_validate_json, self._once, tokens=0
                )
            except ModelError as error:
                if not error.transient or tries == self._policy.max_retries:
                    raise
                log.info("%s; the batch is looked for", reason(error))
            tries += 1
            await asyncio.sleep(self._first_poll_s)
            if found := await self.find(file):
                return found

    async def find(self, file: str) -> Batch | None:
        """The batch that was made of `file`, if any."""
        listed = await self._get("/batches?limit=100", _Batches.model_validate_json)
        return next((batch for batch in listed.data if batch.input_file_id == file), None)

    async def wait(self, name: str, *, seen: Callable[[Batch], None]) -> Batch:
        """The batch when it has ended; `seen` gets what each look at it shows before."""
        pause, misses = self._first_poll_s, 0
        while True:
            try:
                batch = await self._get(f"/batches/{name}", Batch.model_validate_json)
            except ModelError as error:
                misses += 1
                if not error.transient or misses > MOST_MISSES:
                    raise
                log.info("batch %s: %s", name, reason(error))
            else:
                misses = 0
                seen(batch)
                if batch.status in ENDED:
                    return batch
            await asyncio.sleep(pause)
            pause = min(2 * pause, self._poll_s)

    async def replies(self, batch: Batch) -> dict[str, Reply]:
        """By request: what came of it. Requests that were not begun may be missing."""
        found: dict[str, Reply] = {}
        for file in (batch.output_file_id, batch.error_file_id):
            if file:
                path = f"/files/{file}/content"
                content = await self._get(path, _Content, self._transfer)
                found.update(await asyncio.to_thread(_read, content.content))
        return found

    async def discard(self, file: str) -> None:
        """Delete a file; one that cannot be deleted is left to the server's own rules."""
        try:
            await self._server.call(
                lambda client: client.delete(f"/files/{file}", cast_to=bytes),
                _Content,
                self._once,
                tokens=0,
            )
        except ModelError as error:
            log.info("file %s stays at the server: %s", file, reason(error))

    async def _get(
        self, path: str, parse: Callable[[bytes], Result], policy: Policy | None = None
    ) -> Result:
        return await self._server.call(
            lambda client: client.get(path, cast_to=bytes), parse, policy or self._policy, tokens=0
        )


def _read(content: bytes) -> dict[str, Reply]:
    # Not splitlines: texts may hold the other characters that end a line there.
    lines = [_Line.model_validate_json(line) for line in content.split(b"\n") if line.strip()]
    return {line.custom_id: line.response or Reply(body=line.error) for line in lines}
