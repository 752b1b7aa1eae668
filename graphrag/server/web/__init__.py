"""Serve the explorer: a page and its files, built from `web/`, that ask the server as any client.

The page may load nothing from elsewhere, and runs no script but its own files.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response

from graphrag.server.replies import ProblemError, is_known

_PAGE = "index.html"
_MEDIA_TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
}
_POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; object-src 'none'"
)


async def serve(request: Request) -> Response:
    """The page, or the file of it that the path names. Raises problem 404."""
    body, version = _file(str(request.path_params.get("name", _PAGE)))
    headers = {
        "ETag": f'"{version}"',
        "Cache-Control": "no-cache",  # asked for each time, sent only where it changed
        "Content-Security-Policy": _POLICY,
    }
    if is_known(request, version):
        return Response(status_code=304, headers=headers)
    ending = request.path_params.get("name", _PAGE).rpartition(".")[2]
    return Response(body, headers=headers, media_type=_MEDIA_TYPES[ending])


@cache
def _file(name: str) -> tuple[bytes, str]:
    known = {one.name: one for one in files(__name__).iterdir()}
    if name.rpartition(".")[2] not in _MEDIA_TYPES or name not in known:
        raise ProblemError(404, f"no file {name!r}", hint="Open / for the page.")
    body = known[name].read_bytes()
    return body, hashlib.sha256(body).hexdigest()[:32]
