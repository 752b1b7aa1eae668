"""Answer the Files and Batch endpoints.

Each line of a batch is answered, counted and spoiled as a call of its own would be.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from email import message_from_bytes
from typing import cast

from graphrag.testing.calls import Body, Call, Counters, error_response
from graphrag.testing.faults import Fault
from graphrag.testing.http import Request, Response, json_response

GROUP = "batches"
QUEUE = 2  # requests that the account may have waiting, when the queue is full
_MESSAGES = {
    "batch_expired": "This request could not be executed before the completion window expired.",
    "batch_cancelled": "This request was cancelled with its batch.",
    "server_error": "The request was lost.",
}

Line = Mapping[str, object]


@dataclass(slots=True)
class _Batch:
    id: str
    created_at: int
    endpoint: str
    input_file_id: str
    status: str = "validating"
    total: int = 0
    completed: int = 0
    failed: int = 0
    output_file_id: str | None = None
    error_file_id: str | None = None
    errors: list[dict[str, object]] = field(default_factory=list[dict[str, object]])

    def as_json(self) -> dict[str, object]:
        counts = {"total": self.total, "completed": self.completed, "failed": self.failed}
        return {
            "id": self.id,
            "object": "batch",
            "endpoint": self.endpoint,
            "completion_window": "24h",
            "created_at": self.created_at,
            "input_file_id": self.input_file_id,
            "status": self.status,
            "request_counts": counts,
            "output_file_id": self.output_file_id,
            "error_file_id": self.error_file_id,
            "errors": {"object": "list", "data": self.errors} if self.errors else None,
        }


class Batches:
    """The files and batches of one server. Ids and times are counted, so they repeat."""

    def __init__(
        self,
        route: Callable[[str, Body], Call | None],
        answer: Callable[[Call], Awaitable[Response]],
    ) -> None:
        """`route` finds the call that a line stands for, `answer` answers it."""
        self._route = route
        self._answer = answer
        self._files: dict[str, bytes] = {}
        self._batches: dict[str, _Batch] = {}
        self._number = 0
        self._working: set[asyncio.Task[None]] = set()

    def route(self, path: str, request: Request) -> Call | None:
        """The call that this request is. Raises KeyError and ValueError on one without sense."""
        match (request.method, *path.strip("/").split("/")):
            case ("POST", "files"):
                content = _uploaded(request)
                return self._call("upload", path, lambda: self._upload(content))
            case ("GET", "files", name, "content"):
                return self._call("download", path, lambda: self._content(name))
            case ("DELETE", "files", name):
                return self._call("discard", path, lambda: self._discard(name))
            case ("POST", "batches"):
                body = cast(Body, json.loads(request.body))
                return self._call("create", path, lambda: self._create(body))
            case ("GET", "batches"):
                return self._call("poll", path, self._list)
            case ("GET", "batches", name):
                return self._call("poll", path, lambda: self._describe(name))
            case _:
                return None

    def _call(self, kind: str, path: str, act: Callable[[], Response]) -> Call:
        def reply(fault: Fault | None, _: Counters) -> Response:
            response = act()
            if fault is not None and fault.fault == "half_stream":
                return Response(response.body, cut=0.5)  # done, and nobody is told
            return response

        return Call(GROUP, kind, {}, path, path, reply)

    def _upload(self, content: bytes) -> Response:
        name = self._keep(content)
        data = {"id": name, "object": "file", "bytes": len(content), "purpose": "batch"}
        return json_response(
            {**data, "created_at": self._number, "filename": "batch.jsonl", "status": "processed"}
        )

    def _content(self, name: str) -> Response:
        if name not in self._files:
            return error_response(404, f"No such File object: {name}")
        return Response(self._files[name], content_type="application/jsonl")

    def _discard(self, name: str) -> Response:
        if self._files.pop(name, None) is None:
            return error_response(404, f"No such File object: {name}")
        return json_response({"id": name, "object": "file", "deleted": True})

    def _create(self, body: Body) -> Response:
        given = str(body["input_file_id"])
        if given not in self._files:
            return error_response(400, f"Invalid input_file_id {given!r}.", param="input_file_id")
        self._number += 1
        name = f"batch-{self._number}"
        batch = _Batch(name, self._number, str(body["endpoint"]), given)
        self._batches[name] = batch
        task = asyncio.create_task(self._work(batch))
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        return json_response(batch.as_json())

    def _list(self) -> Response:
        newest_first = [batch.as_json() for batch in reversed(self._batches.values())]
        return json_response({"object": "list", "data": newest_first, "has_more": False})

    def _describe(self, name: str) -> Response:
        if name not in self._batches:
            return error_response(404, f"No batch found with id {name!r}.")
        return json_response(self._batches[name].as_json())

    async def _work(self, batch: _Batch) -> None:
        content = self._files[batch.input_file_id]
        lines, batch.errors = _checked(content, batch.endpoint)
        if batch.errors:
            batch.status = "failed"
            return
        batch.total, batch.status = len(lines), "in_progress"
        fault = await self._decide(content, batch.endpoint, len(lines))
        if fault == "failed" or (fault == "queue_full" and len(lines) > QUEUE):
            batch.status = "failed"
            code = "token_limit_exceeded" if fault == "queue_full" else "invalid_file"
            message = "Enqueued token limit reached." if fault == "queue_full" else "Bad file."
            batch.errors = [{"code": code, "message": message, "line": None, "param": None}]
            return
        broken_off = fault in ("expired", "cancelled")
        done = lines[::2] if broken_off else lines
        results = [await self._run(line, batch) for line in done]
        if broken_off:
            results += [_undone(line, f"batch_{fault}") for line in lines[1::2]]
        good = [result for result in results if _succeeded(result)]
        bad = [result for result in results if not _succeeded(result)]
        # The last come first: the order of replies is not that of the requests.
        batch.output_file_id = self._keep(_jsonl(good[::-1])) if good else None
        batch.error_file_id = self._keep(_jsonl(bad[::-1])) if bad else None
        batch.status = fault if broken_off else "completed"

    async def _decide(self, content: bytes, endpoint: str, n_lines: int) -> str:
        """How the batch ends: the name of a fault, or "". Waits as long as batches take."""
        faults: list[Fault | None] = []

        def reply(fault: Fault | None, counters: Counters) -> Response:
            counters.inputs += n_lines
            faults.append(fault)
            return json_response({})

        await self._answer(Call(GROUP, "batch", {}, content.decode(), endpoint, reply))
        return faults[0].fault if faults and faults[0] else ""

    async def _run(self, line: Line, batch: _Batch) -> dict[str, object]:
        path = batch.endpoint.removeprefix("/v1")
        call = self._route(path, cast(Body, line["body"]))
        await asyncio.sleep(0)  # others are answered meanwhile
        response = None if call is None else await self._answer(call)
        if response is None or response.cut is not None or not isinstance(response.body, bytes):
            batch.failed += 1
            return _undone(line, "server_error")
        try:
            body = cast(object, json.loads(response.body))
        except ValueError:
            batch.failed += 1
            return _undone(line, "server_error")
        batch.completed += response.status < 400
        batch.failed += response.status >= 400
        return {
            "id": f"line-{line['custom_id']}",
            "custom_id": line["custom_id"],
            "response": {"status_code": response.status, "request_id": "", "body": body},
            "error": None,
        }

    def _keep(self, content: bytes) -> str:
        self._number += 1
        name = f"file-{self._number}"
        self._files[name] = content
        return name


def _uploaded(request: Request) -> bytes:
    """The part called `file` of a multipart form."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode("latin-1")
    form = message_from_bytes(head + request.body)
    if not form.is_multipart():
        raise ValueError("no multipart form")
    parts = {
        str(part.get_param("name", header="content-disposition")): part.get_payload(decode=True)
        for part in form.walk()
        if not part.is_multipart()
    }
    if parts.get("purpose") != b"batch":
        raise ValueError("the purpose is not batch")
    return cast(bytes, parts["file"])


def _checked(content: bytes, endpoint: str) -> tuple[list[Line], list[dict[str, object]]]:
    """The requests in a file, and what is wrong with it."""
    lines = [cast(Line, json.loads(line)) for line in content.splitlines() if line]
    names = [str(line["custom_id"]) for line in lines]
    problems = {
        "empty_file": not lines,
        "duplicate_custom_id": len(set(names)) < len(names),
        "custom_id_too_long": any(len(name) > 64 for name in names),
        "mismatched_url": any(line["url"] != endpoint for line in lines),
        "mismatched_model": len({str(cast(Body, line["body"])["model"]) for line in lines}) > 1,
        "invalid_method": any(line["method"] != "POST" for line in lines),
    }
    found = [code for code, is_there in problems.items() if is_there]
    return lines, [{"code": code, "message": code.replace("_", " ")} for code in found]


def _undone(line: Line, code: str) -> dict[str, object]:
    return {
        "id": f"line-{line['custom_id']}",
        "custom_id": line["custom_id"],
        "response": None,
        "error": {"code": code, "message": _MESSAGES[code]},
    }


def _succeeded(result: Line) -> bool:
    response = cast(Mapping[str, int] | None, result["response"])
    return response is not None and response["status_code"] < 400


def _jsonl(results: list[dict[str, object]]) -> bytes:
    return "".join(f"{json.dumps(result)}\n" for result in results).encode()
