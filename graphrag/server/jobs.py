"""Run index jobs one after another for each root, keep them on disk, tell how far they are."""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Literal, cast

from graphrag.core.answers import Usage
from graphrag.core.logs import get_log
from graphrag.core.settings import WORK_FOLDER
from graphrag.core.work_folder import make_private, write_whole
from graphrag.indexing.run import IndexResult
from graphrag.server.indexes import Indexes, Place
from graphrag.server.replies import ProblemError, event, to_json, too_many
from graphrag.server.worker import INTERRUPTED, Work, read_work

State = Literal["queued", "running", "done", "failed", "cancelled"]
ENDED: frozenset[State] = frozenset(("done", "failed", "cancelled"))

JOBS_FOLDER = "jobs"
LOCK_FILE = "server.lock"
_KEPT = 50  # jobs of a root that are over
_EVENTS = 500  # of a job that late listeners get
_GRACE_SECONDS = 10.0
_MAX_LINE = 64 * 2**20  # of the worker: a result lists every document that failed

log = get_log(__name__)


@dataclass(frozen=True, slots=True)
class JobReply:
    """A job as clients see it. `result` is that of `graphrag index --json`.

    `failed`: how much of it could not be done, `result` has the reasons; `partial`: it is done
    but for that.
    """

    id: str
    index: str
    kind: Literal["index", "delete"]
    state: State
    created: str
    step: str = ""
    done: int = 0
    total: int | None = None
    failed: int = 0
    partial: bool = False
    usage: Usage = field(default_factory=Usage)
    result: IndexResult | None = None
    error: str = ""
    hint: str = ""


@dataclass(slots=True)
class Job:
    id: str
    place: Place
    work: Work
    created: str
    state: State = "queued"
    files: tuple[str, ...] = ()
    """Uploads that go when the job is done: their documents are no more."""
    progress: dict[str, object] = field(default_factory=dict[str, object])
    result: dict[str, object] | None = None
    error: str = ""
    hint: str = ""
    events: list[tuple[int, bytes]] = field(default_factory=list[tuple[int, bytes]])
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    process: asyncio.subprocess.Process | None = None
    is_second_try: bool = False

    @property
    def path(self) -> Path:
        return self.place.root / WORK_FOLDER / JOBS_FOLDER / f"{self.id}.json"

    def as_dict(self) -> dict[str, object]:
        failed = len(cast("Sequence[object]", (self.result or {}).get("failed", ())))
        return {
            "id": self.id,
            "index": self.place.name,
            "kind": self.work.kind,
            "state": self.state,
            "created": self.created,
            "step": self.progress.get("step", ""),
            "done": self.progress.get("done", 0),
            "total": self.progress.get("total"),
            "failed": failed,
            "partial": failed > 0,
            "usage": self.progress.get("usage") or asdict(Usage()),
            "result": self.result,
            "error": self.error,
            "hint": self.hint,
        }

    def tell(self, name: str, data: object) -> None:
        number = self.events[-1][0] + 1 if self.events else 1
        self.events.append((number, b"id: %d\n%s" % (number, event(name, data))))
        del self.events[:-_EVENTS]
        self.changed.set()
        self.changed = asyncio.Event()

    def save(self) -> None:
        record = {
            **self.as_dict(),
            "namespace": self.place.namespace,
            "work": asdict(self.work),
            "files": self.files,
        }
        write_whole(self.path, to_json(record).decode())


class Jobs:
    """The jobs of all indexes. A root's jobs belong to the one server that holds its lock."""

    def __init__(self, indexes: Indexes, *, most: int, at_once: int = 2) -> None:
        self._indexes = indexes
        self._most = most
        self._running = asyncio.Semaphore(at_once)
        self._jobs: dict[str, Job] = {}
        self._queues: dict[Path, asyncio.Queue[Job]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._locks: dict[Path, IO[bytes]] = {}
        self._closing = False

    def start(self) -> None:
        """Take up what an earlier server left undone."""
        for place in self._indexes.places.values():
            if self._owns(place.root):
                self._take_up(place)

    def submit(self, place: Place, work: Work, *, files: Sequence[str] = ()) -> Job:
        """Raises problems 409 where another server has the jobs of this root, and 429."""
        if not self._owns(place.root):
            raise ProblemError(
                409,
                f"another server runs the jobs of {place.name!r}",
                hint="Ask that one, or stop it.",
            )
        waiting = sum(job.state not in ENDED for job in self._jobs.values())
        if waiting >= self._most:
            raise too_many("jobs", seconds=30)
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        job = Job(secrets.token_hex(8), place, work, now, files=tuple(files))
        job.save()
        self._queue(job)
        return job

    def get(self, job_id: str) -> Job:
        if job_id not in self._jobs:
            raise ProblemError(404, f"no job {job_id!r}", hint="GET /api/jobs lists them.")
        return self._jobs[job_id]

    @property
    def all(self) -> list[Job]:
        """The latest first."""
        return sorted(self._jobs.values(), key=lambda job: (job.created, job.id), reverse=True)

    async def cancel(self, job_id: str) -> Job:
        """End the job; what it has done so far is kept by the index, and found by the next."""
        job = self.get(job_id)
        if job.state not in ENDED:
            self._end(job, "cancelled")
            await _stop(job.process)
        return job

    async def events(self, job_id: str, *, after: int = 0) -> AsyncGenerator[bytes]:
        """What happens to the job, from the event `after` on, until it is over."""
        job = self.get(job_id)
        while True:
            changed = job.changed
            for number, text in [one for one in job.events if one[0] > after]:
                after = number
                yield text
            if job.state in ENDED:
                yield event("end", job.as_dict())
                return
            await changed.wait()

    async def close(self) -> None:
        """Stop the work; what is not done stays on disk for the next server."""
        self._closing = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for job in self._jobs.values():
            await _stop(job.process)
        for lock in self._locks.values():
            lock.close()

    def _owns(self, root: Path) -> bool:
        if root not in self._locks:
            lock = _lock(root / WORK_FOLDER / LOCK_FILE)
            if lock is None:
                return False
            self._locks[root] = lock
        return True

    def _take_up(self, place: Place) -> None:
        records: list[dict[str, object]] = []
        for path in (place.root / WORK_FOLDER / JOBS_FOLDER).glob("*.json"):
            try:
                record = cast("dict[str, object]", json.loads(path.read_text(encoding="utf-8")))
                if record["namespace"] == place.namespace and record["id"] == path.stem:
                    records.append(record)
            except (OSError, ValueError, KeyError, TypeError):
                log.warning("a job cannot be read: %s", path.name)
        for record in sorted(records, key=lambda one: (str(one["created"]), str(one["id"]))):
            job = Job(
                str(record["id"]),
                place,
                read_work(cast("dict[str, object]", record["work"])),
                str(record["created"]),
                cast("State", record["state"]),
                tuple(cast("list[str]", record["files"])),
                result=cast("dict[str, object] | None", record["result"]),
                error=str(record["error"]),
                hint=str(record["hint"]),
            )
            if job.state in ENDED:
                self._jobs[job.id] = job
            else:
                job.state = "queued"
                self._queue(job)
        self._forget_old()

    def _queue(self, job: Job) -> None:
        self._jobs[job.id] = job
        root = job.place.root
        if root not in self._queues:
            self._queues[root] = asyncio.Queue()
            self._tasks.append(asyncio.create_task(self._work_off(self._queues[root])))
        self._queues[root].put_nowait(job)
        job.tell("queued", job.as_dict())

    async def _work_off(self, queue: asyncio.Queue[Job]) -> None:
        while True:
            job = await queue.get()
            async with self._running:
                while job.state == "queued":  # again where a signal ended it
                    await self._run(job)
            self._forget_old()

    async def _run(self, job: Job) -> None:
        job.state = "running"
        job.save()
        job.tell("running", job.as_dict())
        order = {
            "root": str(job.place.root),
            "namespace": job.place.namespace,
            "work": asdict(job.work),
        }
        process = job.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "graphrag.server.worker"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C in a terminal is for the server, which ends this
            limit=_MAX_LINE,
        )
        if job.state != "running":  # cancelled meanwhile
            await _stop(process)
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(to_json(order) + b"\n")
            async for line in process.stdout:
                self._note(job, cast("dict[str, object]", json.loads(line)))
            code = await process.wait()
            if job.state == "running":
                self._end_without_result(job, code)
        finally:
            job.process = None
            if process.returncode is None:
                await _stop(process)

    def _end_without_result(self, job: Job, code: int) -> None:
        """Try once more after a signal: where the server gets it, too, the next one has the job."""
        if (code < 0 or code == INTERRUPTED) and not job.is_second_try:
            job.is_second_try = True
            job.state = "queued"
            return
        self._end(
            job,
            "failed",
            error=f"the job ended without a result (code {code})",
            hint="What it has done is kept. See the server's log; too little memory ends jobs so.",
        )

    def _note(self, job: Job, said: Mapping[str, object]) -> None:
        match said["event"]:
            case "done":
                for name in job.files:
                    Path(name).unlink(missing_ok=True)
                job.result = cast("dict[str, object]", said["result"])
                self._end(job, "done")
            case "failed":
                self._end(job, "failed", error=str(said["detail"]), hint=str(said["hint"]))
            case name:
                job.progress |= said
                job.tell(str(name), said)

    def _end(self, job: Job, state: State, *, error: str = "", hint: str = "") -> None:
        if job.state in ENDED or self._closing:
            return
        job.state, job.error, job.hint = state, error, hint
        job.save()
        job.tell(state, job.as_dict())

    def _forget_old(self) -> None:
        for job in [job for job in self.all if job.state in ENDED][_KEPT:]:
            del self._jobs[job.id]
            job.path.unlink(missing_ok=True)


async def _stop(process: asyncio.subprocess.Process | None) -> None:
    if process is None or process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _GRACE_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


def _lock(path: Path) -> IO[bytes] | None:
    """The file, held until it is closed or this process ends; None where another holds it."""
    make_private(path.parent)
    file = path.open("ab")
    if sys.platform == "win32":
        return file
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file
