"""The OpenAPI document is valid and says all that the routes do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

from openapi_spec_validator import validate

from graphrag.server import openapi
from graphrag.server.app import Options, Serving
from graphrag.server.indexes import Place


def test_the_document_is_valid_and_whole(tmp_path: Path) -> None:
    endpoints = Serving(Options((Place("kb", tmp_path),))).endpoints
    document = cast("dict[str, dict[str, object]]", openapi.document(endpoints))
    validate(json.loads(json.dumps(document)))
    assert document["openapi"] == "3.1.0"
    described = {
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method in cast("dict[str, object]", operations)
    }
    assert described == {(endpoint.method, endpoint.path) for endpoint in endpoints}
    assert len(described) == len(endpoints)


def test_each_operation_has_a_name_of_its_own(tmp_path: Path) -> None:
    document = openapi.document(Serving(Options((Place("kb", tmp_path),))).endpoints)
    text = json.dumps(document)
    names = [part.split('"')[0] for part in text.split('"operationId": "')[1:]]
    assert len(names) == len(set(names)) > 20
    assert "$defs" not in text
