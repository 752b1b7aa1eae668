"""Gather model calls into batches: half the price, within a day.

Calls that wait at the same time go out as one file. What is on its way is noted on disk before
it is waited for, each request by the hash of what is asked, so a run that was killed takes the
replies of its batches instead of paying again. Everything above sees calls that take long.
"""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
import json
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from pydantic import BaseModel, ValidationError

from graphrag.core.concurrency import Progress, together
from graphrag.core.errors import ModelAuthError, ModelError, StoreError
from graphrag.core.logs import get_log, reason
from graphrag.core.settings import BatchSettings
from graphrag.core.work_folder import write_whole
from graphrag.models import http_errors as faults
from graphrag.models.batch.api import Batch, BatchAPI, Reply
from graphrag.models.http_client import Counted, Policy, Post, Server

if TYPE_CHECKING:
    from graphrag.models.http_client import Client

Raw = TypeVar("Raw")
Result = TypeVar("Result", bound=Counted)

log = get_log(__name__)

QUIET_S = 0.2  # without a further call, and those that wait are sent
KEPT_S = 30 * 86_400  # as long as the server keeps the files of a batch
MOST_INPUTS = 50_000  # texts to embed in one batch


@dataclass(frozen=True, slots=True)
class _Kind:
    """What all requests of one batch have in common."""

    path: str
    model: str


@dataclass(slots=True)
class _Request:
    """One request, and how many wait for its reply."""

    line: bytes  # of the file it is sent in
    inputs: int
    reply: asyncio.Future[bytes]
    waiting: int = 0


Requests = dict[str, _Request]


@dataclass(slots=True)
class _Queue:
    """What was asked of one path and not sent yet."""

    requests: Requests = field(default_factory=Requests)
    timer: asyncio.TimerHandle | None = None


@dataclass(slots=True)
class _Results:
    """By request: what settles it, and why others may be sent once more."""

    settled: dict[str, bytes | ModelError] = field(default_factory=dict[str, "bytes | ModelError"])
    undone: dict[str, ModelError] = field(default_factory=dict[str, ModelError])

    def add(self, other: _Results) -> None:
        self.settled |= other.settled
        self.undone |= other.undone


class BatchServer(Server):
    """A server whose calls to `paths` go by batches; all others are made at once."""

    def __init__(
        self,
        base_url: str | None,
        api_key: str | None,
        *,
        paths: frozenset[str],
        settings: BatchSettings,
        max_retries: int,
        folder: Path,
        progress: Progress,
        quiet_s: float = QUIET_S,
        most_inputs: int = MOST_INPUTS,
    ) -> None:
        """`folder` is for the notes of what is on its way."""
        super().__init__(base_url, api_key)
        self._queues = {path: _Queue() for path in sorted(paths)}
        self._settings = settings
        self._quiet_s, self._most_inputs = quiet_s, most_inputs
        self._notes = _Notes(folder)
        self._progress = progress
        self._api = BatchAPI(self, max_retries=max_retries, poll_s=settings.poll_s)
        self._sent: Requests = {}
        self._spare: dict[str, bytes] = {}  # replies of earlier runs that nobody asked for yet
        self._working: set[asyncio.Task[None]] = set()
        # The batches are no part of whatever step made the last of their calls.
        self._context = contextvars.copy_context()

    async def call(
        self,
        send: Callable[[Client], Awaitable[Raw]],
        parse: Callable[[Raw], Result],
        policy: Policy,
        *,
        tokens: int,
        divisible: bool = False,
    ) -> Result:
        """As `Server.call`; the limits of `policy` are those of single calls."""
        if not isinstance(post := cast(object, send), Post) or post.path not in self._queues:
            return await super().call(send, parse, policy, tokens=tokens, divisible=divisible)
        reply = await self._wait(post)
        try:
            return parse(cast(Raw, reply))
        except faults.ErrorBodyError as error:
            raise self._status_failure(error.status, error.body, policy) from error
        except ValueError as error:
            raise faults.not_a_reply(error, url=self.url) from error

    async def preflight(self) -> None:
        """Raises UsageError where there is no Batch API, too."""
        await super().preflight()
        await self._api.check()

    async def forget(self) -> None:
        """What the batches brought is kept elsewhere: drop their notes, and files at the server.

        Replies that nobody asked for, as of documents that this run left out, stay noted.
        """
        for note, files in [*self._notes.read.values()]:
            note.names = [name for name in note.names if name in self._spare]
            if note.names:
                self._notes.write(note)
                continue
            for file in files:
                await self._api.discard(file)
            self._notes.drop(note.file)

    async def close(self) -> None:
        """Stop waiting. Batches that were sent go on at the server."""
        for queue in self._queues.values():
            if queue.timer is not None:
                queue.timer.cancel()
        for task in self._working:
            task.cancel()
        await asyncio.gather(*self._working, return_exceptions=True)
        await super().close()

    async def _wait(self, post: Post) -> bytes:
        body = json.dumps(post.body)
        name = _name(self.url, post.path, body)
        if name in self._spare:
            return self._spare.pop(name)
        request = self._sent.get(name) or self._queues[post.path].requests.get(name)
        if request is None:
            request = self._queue(name, post, body)
        request.waiting += 1
        try:
            return await asyncio.shield(request.reply)
        finally:
            request.waiting -= 1

    def _queue(self, name: str, post: Post, body: str) -> _Request:
        queue, loop = self._queues[post.path], asyncio.get_running_loop()
        head = json.dumps({"custom_id": name, "method": "POST", "url": f"/v1{post.path}"})
        line = f'{head[:-1]}, "body": {body}}}'.encode()
        given = post.body.get("input")
        inputs = len(cast(list[object], given)) if isinstance(given, list) else 1
        queue.requests[name] = _Request(line, inputs, loop.create_future())
        if queue.timer is not None:
            queue.timer.cancel()
        kind = _Kind(post.path, str(post.body.get("model")))
        queue.timer = loop.call_later(self._quiet_s, self._send, kind)
        return queue.requests[name]

    def _send(self, kind: _Kind) -> None:
        queue = self._queues[kind.path]
        requests = {name: one for name, one in queue.requests.items() if one.waiting}
        queue.requests = {}
        self._sent |= requests
        task = asyncio.get_running_loop().create_task(
            self._answer(kind, requests), context=self._context.copy()
        )
        self._working.add(task)
        task.add_done_callback(partial(self._end, requests))

    def _end(self, requests: Requests, task: asyncio.Task[None]) -> None:
        """Nobody waits for ever: what stopped the work is told to all."""
        self._working.discard(task)
        error = None if task.cancelled() else task.exception()
        for name, request in requests.items():
            self._sent.pop(name, None)
            if error is None:
                request.reply.cancel()  # without effect where there is a reply
            elif not request.reply.done():
                _fail(request, error)

    async def _answer(self, kind: _Kind, requests: Requests) -> None:
        """Settle every request. What its batch left undone is put into one more."""
        results = await self._turn(kind, requests)
        if results.undone:
            counts = len(results.undone), len(requests)
            log.warning("%d of %d batched requests have no reply; sent once more", *counts)
            again = {name: requests[name] for name in results.undone}
            results = _Results(results.settled)
            results.add(await self._turn(kind, again))
        for name, result in {**results.undone, **results.settled}.items():
            if isinstance(result, bytes):
                requests[name].reply.set_result(result)
            else:
                _fail(requests[name], result)

    async def _turn(self, kind: _Kind, requests: Requests) -> _Results:
        """New batches for `requests`, and those on their way for what is in these."""
        left = dict(requests)
        jobs: list[tuple[Coroutine[object, object, _Results], Requests]] = []
        for note in self._notes.unread():
            if wanted := {name: left.pop(name) for name in note.names if name in left}:
                jobs.append((self._take_up(note, kind, wanted), wanted))
        jobs += [(self._run(kind, part), part) for part in self._parts(left)]
        async with together() as tasks:
            working = [tasks.create_task(_alone(*job)) for job in jobs]
        results = _Results()
        for task in working:
            results.add(task.result())
        return results

    def _parts(self, requests: Requests) -> Iterator[Requests]:
        """`requests`, as many together as the API takes."""
        part: Requests = {}
        size = inputs = 0
        for name, request in requests.items():
            size += len(request.line) + 1
            inputs += request.inputs
            full = len(part) == self._settings.max_requests or inputs > self._most_inputs
            if part and (full or size > self._settings.max_mb * 1e6):
                yield part
                part, size, inputs = {}, len(request.line) + 1, request.inputs
            part[name] = request
        if part:
            yield part

    async def _run(self, kind: _Kind, requests: Requests) -> _Results:
        """What a new batch brought."""
        file = await self._api.upload(b"\n".join(one.line for one in requests.values()))
        note = _Note(file=file, names=[*requests])
        self._notes.write(note)
        results, batch = await self._follow(note, kind, requests)
        if batch.is_too_large and len(requests) > 1:
            log.warning("batch %s: too many tokens would wait; it is divided", batch.id)
            results = _Results()
            for half in _halves(requests):
                results.add(await self._run(kind, half))
        elif batch.status in ("failed", "cancelled"):  # another one would end like it
            results = _Results({**results.undone, **results.settled})
        return results

    async def _take_up(self, note: _Note, kind: _Kind, requests: Requests) -> _Results:
        """What a batch of an earlier run brought. What it did not bring is undone."""
        log.info("%d requests were sent by an earlier run: batch %s", len(requests), note.batch)
        try:
            if not note.batch and (found := await self._api.find(note.file)):
                note.batch = found.id
            results, _ = await self._follow(note, kind, requests)
        except ModelError as error:
            if error.transient or isinstance(error, ModelAuthError):
                raise
            log.warning("batch %s is gone: %s", note.batch, reason(error))
            self._notes.drop(note.file)
            return _Results(undone=dict.fromkeys(requests, error))
        return results

    async def _follow(self, note: _Note, kind: _Kind, requests: Requests) -> tuple[_Results, Batch]:
        """Make the batch of `note` if there is none, wait for its end, and read it."""
        if not note.batch:
            note.batch = (await self._api.create(note.file, kind.path)).id
            self._notes.write(note)
        batch = await self._watch(note)
        replies = await self._api.replies(batch)
        files = (note.file, batch.output_file_id, batch.error_file_id)
        self._notes.read[note.file] = note, [file for file in files if file]
        results = _Results()
        for name in requests:
            self._sort(name, replies.pop(name, Reply()), (batch, kind), results)
        for name in note.names:
            reply = replies.get(name, Reply())
            if 200 <= reply.status_code < 300 and name not in self._sent:
                self._spare[name] = json.dumps(reply.body).encode()
        return results, batch

    async def _watch(self, note: _Note) -> Batch:
        step, done = f"batch {note.batch}", 0
        outcome = "goes on at the server; the same command takes its replies"
        self._progress.start(step, len(note.names))

        def seen(batch: Batch) -> None:
            nonlocal done
            now = batch.counts.completed + batch.counts.failed
            if now > done:
                self._progress.advance(step, now - done)
                done = now

        try:
            batch = await self._api.wait(note.batch, seen=seen)
            counts = batch.counts
            outcome = f"{batch.status}, {counts.completed} of {len(note.names)} requests"
            return batch
        finally:
            self._progress.finish(step, outcome)

    def _sort(self, name: str, reply: Reply, made: tuple[Batch, _Kind], results: _Results) -> None:
        batch, kind = made
        if 200 <= reply.status_code < 300:
            results.settled[name] = json.dumps(reply.body).encode()
            return
        if reply.status_code < 400:
            results.undone[name] = _unanswered(batch, reply, url=self.url)
            return
        error = faults.status_error(
            reply.status_code, reply.body, url=self.url, model=kind.model, key=self._key
        )
        (results.undone if error.transient else results.settled)[name] = error


class _Note(BaseModel):
    """A file of requests at the server; `batch` is empty until one was made of it."""

    file: str
    batch: str = ""
    names: list[str]


class _Notes:
    """What is on its way, in a folder: one file of JSON for each file of requests."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # By the file of requests: batches whose replies were taken, and their files at the server.
        self.read: dict[str, tuple[_Note, list[str]]] = {}

    def unread(self) -> Iterator[_Note]:
        for place in sorted(self._folder.glob("*.json")):
            if time.time() - place.stat().st_mtime > KEPT_S:
                place.unlink()
                continue
            try:
                note = _Note.model_validate_json(place.read_bytes())
            except ValidationError as error:
                log.warning("%s is not used: %s", place, type(error).__name__)
                continue
            if note.file not in self.read:
                yield note

    def write(self, note: _Note) -> None:
        place = self._place(note.file)
        try:
            write_whole(place, note.model_dump_json())
        except OSError as error:
            raise StoreError(
                f"{place} cannot be written: {error}",
                hint="It says which batch is on its way. Make room, or correct its rights.",
            ) from error

    def drop(self, file: str) -> None:
        self.read.pop(file, None)
        self._place(file).unlink(missing_ok=True)

    def _place(self, file: str) -> Path:
        # The server chose the name, so it names no path here.
        digest = hashlib.blake2b(file.encode(), digest_size=16).hexdigest()
        return self._folder / f"{digest}.json"


def _name(url: str, path: str, body: str) -> str:
    """What a request is called in its batch, and found again by."""
    text = f"{url}\n{path}\n{body}"
    return hashlib.blake2b(text.encode(), digest_size=20).hexdigest()


def _fail(request: _Request, error: BaseException) -> None:
    request.reply.set_exception(error)
    request.reply.exception()  # nobody may be waiting


def _halves(requests: Requests) -> tuple[Requests, Requests]:
    pairs = [*requests.items()]
    middle = len(pairs) // 2
    return dict(pairs[:middle]), dict(pairs[middle:])


async def _alone(work: Coroutine[object, object, _Results], requests: Requests) -> _Results:
    """A failure of one batch is its own: the others go on."""
    try:
        return await work
    except ModelError as error:
        return _Results(settled=dict.fromkeys(requests, error))


def _unanswered(batch: Batch, reply: Reply, *, url: str) -> ModelError:
    """What stands for a request that an ended batch has no reply of."""
    problems = [problem.message or problem.code or "" for problem in batch.problems]
    said = "; ".join(problems[:3]) or (json.dumps(reply.body)[:200] if reply.body else "")
    return ModelError(
        f"batch {batch.id} at {url} ended as {batch.status!r} without this reply"
        + (f": {said}" if said else ""),
        hint="Run the same command again; what is done is kept."
        + (" Lower batch.max_requests." if batch.is_too_large else ""),
        quoted=said,
        transient=True,
    )
