"""Answer for documents: list, read, upload, replace, delete, index, and the jobs that do it."""

from __future__ import annotations

import asyncio
import re
import secrets
import unicodedata
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote

from pydantic import Field
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from graphrag.core.settings import WORK_FOLDER, InputSettings
from graphrag.core.work_folder import make_private
from graphrag.engine.contents import DocumentDetail, DocumentPage, DocumentSummary, contents_of
from graphrag.engine.proof import MAX_CHARACTERS, DocumentText, read_text
from graphrag.server.indexes import Indexes, Place, page_of
from graphrag.server.jobs import JobReply, Jobs
from graphrag.server.openapi import Endpoint, Strict, read_body, read_query
from graphrag.server.replies import EventStream, ProblemError, json_reply, read_only
from graphrag.server.worker import Work
from graphrag.stores import parse_filter

UPLOADS_FOLDER = "uploads"
MAX_FILES = 20  # of one upload
_NAME_BYTES = 120  # of an uploaded file's name, cleaned
_BLOCK = 1 << 20
_MEDIA_TYPES = {
    ".pdf": "application/pdf",
    ".txt": "text/plain; charset=utf-8",
    ".md": "text/plain; charset=utf-8",
}

Offset = Annotated[int, Field(ge=0, le=10_000_000)]
Short = Annotated[str, Field(max_length=1000)]
Limit = Annotated[int, Field(ge=1, le=200)]


class DocumentQuery(Strict):
    search: Annotated[str, Field(max_length=1000)] = ""
    status: Literal["ok", "partial", "failed", "skipped"] | None = None
    filter: Annotated[tuple[Short, ...], Field(max_length=20)] = ()
    offset: Offset = 0
    limit: Limit = 50


class TextQuery(Strict):
    """Characters of the document's text, as citations have them."""

    start: Annotated[int, Field(ge=0, le=2**53)] = 0
    end: Annotated[
        int, Field(ge=1, le=2**53, description=f"At most {MAX_CHARACTERS:,} after `start`.")
    ] = MAX_CHARACTERS


class IndexRequest(Strict):
    """Without `paths`: go on with what earlier runs left undone."""

    paths: Annotated[
        tuple[Annotated[str, Field(max_length=4096)], ...], Field(max_length=1000)
    ] = ()
    method: Literal["auto", "standard", "fast"] | None = None
    prune: bool = False
    retry_failed: bool = False
    max_cost: Annotated[float, Field(gt=0, le=1e6)] | None = None


class EventQuery(Strict):
    after: Annotated[int, Field(ge=0, le=2**53)] = 0


@dataclass(frozen=True, slots=True)
class JobList:
    jobs: tuple[JobReply, ...]


@dataclass(frozen=True, slots=True)
class UploadReply:
    """`sources`: of the documents to be, in the order of the files."""

    job: JobReply
    sources: tuple[str, ...]


class Documents:
    """Handlers of everything that is done with documents."""

    def __init__(self, indexes: Indexes, jobs: Jobs, *, is_read_only: bool) -> None:
        self._indexes = indexes
        self._jobs = jobs
        self._is_read_only = is_read_only
        self._originals: dict[Path, tuple[str, tuple[int, ...]]] = {}

    @property
    def endpoints(self) -> list[Endpoint]:
        one = "/api/indexes/{index}/documents/{id}"
        return [
            Endpoint(
                "GET", "/api/indexes/{index}/documents", self.list_all, "List documents.",
                reply=DocumentPage, query=DocumentQuery,
            ),
            Endpoint(
                "POST", "/api/indexes/{index}/documents", self.upload, "Upload and index files.",
                reply=UploadReply, files=True, status=202, problems=(400,),
            ),
            Endpoint("GET", one, self.read, "Read a document.", reply=DocumentDetail),
            Endpoint(
                "PUT", one, self.replace, "Replace an uploaded document by another version.",
                reply=UploadReply, files=True, status=202,
            ),
            Endpoint(
                "DELETE", one, self.delete, "Remove a document and what only it supports.",
                reply=JobReply, status=202,
            ),
            Endpoint(
                "GET", f"{one}/text", self.text, "The blocks of its text, as it was read.",
                reply=DocumentText, query=TextQuery,
            ),
            Endpoint(
                "GET", f"{one}/original", self.original, "The file as it was indexed.",
                media_type="*/*",
            ),
            Endpoint(
                "POST", "/api/indexes/{index}/index", self.index, "Index folders, or go on.",
                reply=JobReply, body=IndexRequest, status=202,
            ),
            Endpoint("GET", "/api/jobs", self.list_jobs, "List jobs.", reply=JobList),
            Endpoint("GET", "/api/jobs/{id}", self.job, "How far a job is.", reply=JobReply),
            Endpoint(
                "GET", "/api/jobs/{id}/events", self.events, "Follow a job.",
                query=EventQuery, media_type="text/event-stream",
            ),
            Endpoint(
                "POST", "/api/jobs/{id}/cancel", self.cancel, "End a job; what is done is kept.",
                reply=JobReply,
            ),
        ]  # fmt: skip

    async def list_all(self, request: Request) -> Response:
        asked = read_query(request, DocumentQuery)
        filters = [parse_filter(text) for text in asked.filter]
        return await page_of(
            self._indexes,
            request,
            lambda contents: contents.documents(
                search=asked.search,
                status=asked.status,
                filters=filters,
                offset=asked.offset,
                limit=asked.limit,
            ),
        )

    async def read(self, request: Request) -> Response:
        document_id = request.path_params["id"]
        return await page_of(
            self._indexes, request, lambda contents: contents.document(document_id)
        )

    async def text(self, request: Request) -> Response:
        asked = read_query(request, TextQuery)
        document_id = request.path_params["id"]
        return await page_of(
            self._indexes,
            request,
            lambda contents: read_text(contents, document_id, start=asked.start, end=asked.end),
        )

    async def upload(self, request: Request) -> Response:
        place = self._writable(request)
        folder = place.root / WORK_FOLDER / UPLOADS_FOLDER
        async with _received(request, most=MAX_FILES) as files:
            names = [_clean_name(file.filename or "") for file in files]
            kept = [
                await _keep(file, folder / secrets.token_hex(8) / name)
                for file, name in zip(files, names, strict=True)
            ]
        return self._index_uploads(place, kept)

    async def replace(self, request: Request) -> Response:
        place = self._writable(request)
        document = await self._document(request)
        path = _upload_path(place, document.source)
        if path is None:
            raise ProblemError(
                409,
                "this document was not uploaded here",
                hint="Change its file and index its folder again.",
            )
        async with _received(request, most=1) as files:
            suffix = Path(_clean_name(files[0].filename or "")).suffix
            if suffix != path.suffix.lower():
                raise ProblemError(
                    409,
                    f"a {suffix} file cannot replace a {path.suffix} file",
                    hint="Upload it as a new document and delete this one.",
                )
            kept = await _keep(files[0], path)
        return self._index_uploads(place, [kept])

    async def delete(self, request: Request) -> Response:
        place = self._writable(request)
        document = await self._document(request)
        path = _upload_path(place, document.source)
        files = [str(path)] if path is not None else []
        job = self._jobs.submit(place, Work("delete", sources=(document.source,)), files=files)
        return _accepted(job.as_dict(), job.id)

    async def original(self, request: Request) -> Response:
        place = self._indexes.place(request.path_params["index"])
        document = await self._document(request)
        async with self._indexes.use(place.name) as engine:
            settings = engine.settings.input
        path = await asyncio.to_thread(
            _unchanged, document, place.root, settings, known=self._originals
        )
        if path is None:
            raise ProblemError(
                409,
                "the file is not the one that was indexed: it changed, moved or is gone",
                hint="Index it again. The indexed text is still in the document itself.",
            )
        headers = {
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(path.name)}",
            "Cache-Control": "private, no-store",
        }
        media_type = _MEDIA_TYPES.get(path.suffix.lower(), "application/octet-stream")
        return FileResponse(path, headers=headers, media_type=media_type)

    async def index(self, request: Request) -> Response:
        place = self._writable(request)
        asked = await read_body(request, IndexRequest)
        work = Work(
            "index",
            paths=tuple(str(allowed_path(text, place)) for text in asked.paths),
            method=asked.method,
            prune=asked.prune,
            retry_failed=asked.retry_failed,
            max_cost=asked.max_cost,
        )
        job = self._jobs.submit(place, work)
        return _accepted(job.as_dict(), job.id)

    async def list_jobs(self, _: Request) -> Response:
        return json_reply({"jobs": [job.as_dict() for job in self._jobs.all]})

    async def job(self, request: Request) -> Response:
        return json_reply(self._jobs.get(request.path_params["id"]).as_dict())

    async def events(self, request: Request) -> Response:
        last = request.headers.get("last-event-id", "")
        after = int(last[:15]) if last.isdecimal() else read_query(request, EventQuery).after
        job = self._jobs.get(request.path_params["id"])
        return EventStream(self._jobs.events(job.id, after=after))

    async def cancel(self, request: Request) -> Response:
        if self._is_read_only:
            raise read_only()
        return json_reply((await self._jobs.cancel(request.path_params["id"])).as_dict())

    def _writable(self, request: Request) -> Place:
        place = self._indexes.place(request.path_params["index"])
        if self._is_read_only:
            raise read_only()
        return place

    async def _document(self, request: Request) -> DocumentSummary:
        async with self._indexes.use(request.path_params["index"]) as engine:
            contents = await contents_of(engine)
            return (await contents.document(request.path_params["id"])).document

    def _index_uploads(self, place: Place, paths: list[Path]) -> Response:
        job = self._jobs.submit(place, Work("index", paths=tuple(map(str, paths))))
        sources = [path.relative_to(place.root).as_posix() for path in paths]
        return _accepted({"job": job.as_dict(), "sources": sources}, job.id)


def _accepted(reply: object, job_id: str) -> Response:
    return json_reply(reply, status=202, headers={"Location": f"/api/jobs/{job_id}"})


@asynccontextmanager
async def _received(request: Request, *, most: int) -> AsyncGenerator[list[UploadFile]]:
    """The files of a form, in a temporary place until the block is left."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise ProblemError(
            415, f"the body is {kind or 'of no kind'!r}", hint="Send multipart/form-data."
        )
    hint = f"Send at most {most} in the field `file`, and no other field."
    try:
        form = await request.form(max_files=most, max_fields=0)
    except HTTPException as error:
        raise ProblemError(400, f"the form is not as expected: {error.detail}", hint=hint) from None
    try:
        files = [file for file in form.getlist("file") if isinstance(file, UploadFile)]
        if not files or len(files) != len(form.multi_items()):
            raise ProblemError(400, "the form has no file, or something else", hint=hint)
        yield files
    finally:
        await form.close()


def _clean_name(given: str) -> str:
    """A file name of letters, digits, dots and dashes, with an ending that can be read.

    Nothing that a client writes is used as a path. Raises problem 415.
    """
    from graphrag.indexing.documents.readers import KINDS

    last = re.split(r"[/\\]", unicodedata.normalize("NFKC", given))[-1]
    stem, _, ending = last.rpartition(".")
    suffix = f".{ending.lower()}"
    if suffix not in KINDS:
        raise ProblemError(
            415,
            f"files of the kind {suffix[:20]!r} are not read",
            hint=f"Kinds that are: {', '.join(sorted(KINDS))}.",
        )
    cleaned = re.sub(r"[^\w.-]+", "-", stem).strip("-._") or "document"
    return cleaned.encode()[:_NAME_BYTES].decode("utf-8", "ignore") + suffix


async def _keep(file: UploadFile, path: Path) -> Path:
    """Write an upload whole, in place of what is there."""
    make_private(path.parent)
    fresh = path.with_name(f".{secrets.token_hex(4)}.new")
    try:
        with fresh.open("xb") as out:
            while block := await file.read(_BLOCK):
                await asyncio.to_thread(out.write, block)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    return path


def _upload_path(place: Place, source: str) -> Path | None:
    """The file of a document that was uploaded here, and of no other."""
    name = r"[0-9a-f]{16}/[\w.-]+"
    if not re.fullmatch(rf"{re.escape(WORK_FOLDER)}/{UPLOADS_FOLDER}/{name}", source):
        return None
    path = place.root / source
    return path if path.is_file() and not path.is_symlink() else None


def allowed_path(text: str, place: Place) -> Path:
    """A path in one of the folders that the server's owner named. Raises problem 403."""
    for folder in place.folders:
        try:
            path = (folder / text).resolve()
            if path.is_relative_to(folder) and path.exists():
                return path
        except (OSError, ValueError):  # a NUL in it, or no way there
            continue
    raise ProblemError(
        403,
        f"{text[:200]!r} is in none of the folders that may be indexed here",
        hint="Upload the file, or start the server with --documents FOLDER.",
    )


def _unchanged(
    document: DocumentSummary,
    root: Path,
    settings: InputSettings,
    *,
    known: dict[Path, tuple[str, tuple[int, ...]]],
) -> Path | None:
    """The file that `document` was read from, if reading it now gives the same document.

    `known`: files that did, with the hash of the document and what the file system said of them.
    """
    from graphrag.core.errors import GraphRAGError
    from graphrag.indexing.documents import files

    source = files.file_of_row(document.source) or document.source
    if re.match(r"(?!file:)[A-Za-z][A-Za-z0-9+.-]+:", source):
        return None
    path = files.path_of(source, root=root)
    try:
        if not path.is_file():
            return None
        state = path.lstat()
        stamp = (state.st_mode, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
        if known.get(path) == (document.content_hash, stamp):
            return path
        loaded = files.load([path], root=root, settings=settings)
    except (OSError, ValueError, GraphRAGError):
        return None
    hashes = {files.document_id(one.source): files.content_hash(one) for one in loaded.documents}
    if hashes.get(document.id) != document.content_hash:
        return None
    known[path] = document.content_hash, stamp
    return path
