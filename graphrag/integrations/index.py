"""Ask one index for passages, in this process or over HTTP, for the retrievers of frameworks."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from graphrag.core.errors import GraphRAGError, UsageError
from graphrag.engine.contents import FoundPassage
from graphrag.engine.options import QueryMethod
from graphrag.engine.sync import GraphRAG

if TYPE_CHECKING:
    from http.client import HTTPResponse

_TIMEOUT_S = 310.0  # a server gives up a little earlier
_MAX_REPLY = 64 * 2**20


class ServerError(GraphRAGError):
    """The server cannot be reached, or says that it cannot answer."""


@dataclass(frozen=True, slots=True)
class Search:
    """How passages are looked for; see `GraphRAG.query`."""

    k: int | None = None
    method: QueryMethod | None = None
    filters: Sequence[str] = ()
    quotes: bool = False


@dataclass(slots=True)
class Index:
    """An index by its root here, or by its name on a server at `url`."""

    root: str | Path | None = None
    namespace: str | None = None
    url: str | None = None
    token: str | None = field(default=None, repr=False)
    name: str | None = None
    _engine: GraphRAG | None = field(default=None, repr=False)
    _opening: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        if (self.root is None) == (self.url is None):
            raise UsageError(
                "an index is named by root or by url",
                hint="Give one of them; with a url, its name on that server, and the token.",
            )
        if self.url is not None and (
            urlsplit(self.url).scheme not in ("http", "https") or not self.name
        ):
            raise UsageError(
                f"{self.url!r} is no address of a server, or the index has no name",
                hint="Give url='http://127.0.0.1:8321', index='NAME' and token='…'.",
            )

    def find(self, question: str, search: Search) -> list[FoundPassage]:
        """The passages for `question`, best first. Raises GraphRAGError."""
        if self.url is not None:
            return self._ask(question, search)
        with self._opening:
            if self._engine is None:
                self._engine = GraphRAG.open(self.root or ".", namespace=self.namespace)
        found = self._engine.passages(
            question,
            quotes=search.quotes,
            k=search.k,
            method=search.method,
            filters=search.filters,
        )
        return list(found.passages)

    def close(self) -> None:
        with self._opening:
            engine, self._engine = self._engine, None
        if engine is not None:
            engine.close()

    def _ask(self, question: str, search: Search) -> list[FoundPassage]:
        body = {
            "question": question,
            "k": search.k,
            "method": search.method,
            "filters": list(search.filters),
            "quotes": search.quotes,
        }
        base = (self.url or "").partition("#")[0].rstrip("/")
        request = Request(  # noqa: S310 - its scheme was looked at
            f"{base}/api/indexes/{quote(self.name or '', safe='')}/retrieve",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        if self.token:
            request.add_unredirected_header("Authorization", f"Bearer {self.token}")
        try:
            reply = cast(
                "HTTPResponse", build_opener(_NoRedirect).open(request, timeout=_TIMEOUT_S)
            )
            with reply:
                data = reply.read(_MAX_REPLY)
        except HTTPError as error:
            raise _problem(error) from error
        except (URLError, OSError) as error:
            raise ServerError(
                f"no server answers at {base}: {error}", hint="Start it: graphrag serve."
            ) from error
        found = cast("Mapping[str, list[dict[str, object]]]", json.loads(data))
        return [_passage(one) for one in found["passages"]]


class _NoRedirect(HTTPRedirectHandler):
    """The token goes to the server that it is for, and nowhere else."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None


def _passage(values: dict[str, object]) -> FoundPassage:
    values["quotes"] = tuple(cast("list[str]", values["quotes"]))
    return FoundPassage(**values)  # type: ignore[arg-type] # as the server made it


def _problem(error: HTTPError) -> ServerError:
    try:
        problem = cast("Mapping[str, object]", json.loads(error.read(100_000)))
        return ServerError(str(problem["detail"]), hint=str(problem["hint"]))
    except (ValueError, KeyError, TypeError):
        return ServerError(f"the server answered {error.code}", hint="Is it graphrag serve?")
