"""Describe the HTTP interface as OpenAPI 3.1, from the same table that routes the requests."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar, cast

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from graphrag import __version__
from graphrag.server.replies import MEDIA_TYPE, TITLES, ProblemError

Model = TypeVar("Model", bound=BaseModel)
Schema = dict[str, object]

_REF = "#/components/schemas/{model}"
_EVENT: Schema = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {"event": {"type": "string"}, "data": {"type": "string"}},
}
_PARAMETER = re.compile(r"\{(\w+)\}")


class Strict(BaseModel):
    """What a client sends: names that are not known are refused, not passed over."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ProblemReply(BaseModel):
    """RFC 9457, with what to do next."""

    type: str
    title: str
    status: int
    detail: str
    hint: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One path and method: who answers it, what it takes, what it gives."""

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    handle: Callable[[Request], Awaitable[Response]]
    summary: str
    reply: object = None  # a type; None has a body of another media type, or none
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    files: bool = False  # multipart, field `file`
    status: int = 200
    media_type: str = "application/json"
    problems: tuple[int, ...] = ()

    @property
    def route(self) -> Route:
        return Route(self.path, self.handle, methods=[self.method])


async def read_body(request: Request, model: type[Model]) -> Model:
    """The JSON body as `model`. Raises problems 400 and 415."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise ProblemError(
            415, f"the body is {kind or 'of no kind'!r}", hint="Send application/json."
        )
    body = await request.body()
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise _wrong(error) from None


def read_query(request: Request, model: type[Model]) -> Model:
    """What stands after `?` as `model`; `filter` may come often. Raises problem 400."""
    given: dict[str, object] = {}
    for name, value in request.query_params.multi_items():
        before = given.get(name)
        if name == "filter":
            given[name] = [*cast("list[str]", before or []), value]
        elif before is None:
            given[name] = value
        else:
            raise ProblemError(400, f"{name!r} is given twice", hint="Give it once.")
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise _wrong(error) from None


def _wrong(error: ValidationError) -> ProblemError:
    """The first thing that is wrong, without the value: it may be long, or a secret."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return ProblemError(
        400,
        f"{where}: {first['msg']}" if where else first["msg"],
        hint="See /openapi.json for what can be sent.",
    )


def document(endpoints: Sequence[Endpoint]) -> Schema:
    """The OpenAPI document of `endpoints`."""
    components: Schema = {}
    paths: dict[str, Schema] = {}
    for endpoint in endpoints:
        path = re.sub(r":\w+\}", "}", endpoint.path)
        paths.setdefault(path, {})[endpoint.method.lower()] = _operation(endpoint, path, components)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "graphrag",
            "version": __version__,
            "description": "Documents as knowledge graphs: cited answers, retrieval, the graph.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def _operation(endpoint: Endpoint, path: str, components: Schema) -> Schema:
    words = re.sub(r"[{}]", "", path.removeprefix("/api/")).replace("/", "_").replace(".", "_")
    operation: Schema = {
        "operationId": f"{endpoint.method.lower()}_{words.strip('_') or 'root'}",
        "summary": endpoint.summary,
        "responses": _responses(endpoint, components),
    }
    parameters: list[Schema] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(path)
    ]
    if endpoint.query is not None:
        parameters += _query_parameters(endpoint.query)
    if parameters:
        operation["parameters"] = parameters
    if endpoint.body is not None:
        schema = _schema(endpoint.body, components, mode="validation")
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema}},
        }
    if endpoint.files:
        file: Schema = {"type": "string", "format": "binary"}
        form: Schema = {
            "type": "object",
            "required": ["file"],
            "properties": {"file": {"type": "array", "items": file, "minItems": 1}},
        }
        operation["requestBody"] = {
            "required": True,
            "content": {"multipart/form-data": {"schema": form}},
        }
    return operation


def _query_parameters(model: type[BaseModel]) -> list[Schema]:
    schema = cast(Schema, model.model_json_schema())
    properties = cast("dict[str, Schema]", schema["properties"])
    return [
        {"name": name, "in": "query", "required": False, "schema": properties[name]}
        for name in properties
    ]


def _responses(endpoint: Endpoint, components: Schema) -> Schema:
    good: Schema = {"description": "Done." if endpoint.status == 200 else "Begun."}
    if endpoint.reply is not None:
        schema = _schema(endpoint.reply, components, mode="serialization")
        good["content"] = {endpoint.media_type: {"schema": schema}}
    elif endpoint.media_type != "application/json":
        schema = _EVENT if endpoint.media_type == "text/event-stream" else {}
        good["content"] = {endpoint.media_type: {"schema": schema}}
    responses: Schema = {str(endpoint.status): good}
    statuses = {401, 403, 408, 413, 421, 429, 503, *endpoint.problems}
    if endpoint.body or endpoint.query or endpoint.files:
        statuses.add(400)
    if endpoint.body or endpoint.files:
        statuses.add(415)
    if "{" in endpoint.path:
        statuses |= {404, 409}
    if endpoint.method == "GET":
        responses["304"] = {"description": "As it was: the ETag is the one that was sent."}
    problem = _schema(ProblemReply, components, mode="serialization")
    for status in sorted(statuses):
        responses[str(status)] = {
            "description": TITLES[status],
            "content": {MEDIA_TYPE: {"schema": problem}},
        }
    return responses


def _schema(
    model: object, components: Schema, *, mode: Literal["validation", "serialization"]
) -> Schema:
    """The schema of `model`, its parts moved to `components`."""
    adapter = TypeAdapter(cast("type[object]", model))
    schema = cast(Schema, adapter.json_schema(ref_template=_REF, mode=mode))
    components.update(cast(Schema, schema.pop("$defs", {})))
    title = schema.get("title")
    if isinstance(title, str) and schema.get("type") == "object":
        components[title] = schema
        return {"$ref": _REF.format(model=title)}
    return schema
