"""Every endpoint asked what its description allows, and what it does not: no 500, no surprise."""

# The fuzzer leaves the parameter of its own classes open:
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportUnknownVariableType=false
# pyright: reportMissingTypeArgument=false
from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from graphrag.server import openapi
from graphrag.server.app import Options, Serving
from graphrag.server.indexes import Place
from tests.served import Served, copy_of, serving

EXAMPLES = 8
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
OPERATIONS = [
    (endpoint.method, endpoint.path)
    for endpoint in Serving(Options((Place("kb", Path()),))).endpoints
]


@pytest.fixture(scope="module")
def own(sample_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    """A server that writes but has room for no job: all is looked at and nothing is done."""
    root = copy_of(sample_root, tmp_path_factory.mktemp("fuzzed"))
    with serving(root, jobs=0) as served:
        yield served


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_an_endpoint_answers_as_it_is_described(
    own: Served, method: str, path: str, mode: GenerationMode
) -> None:
    document = openapi.document(Serving(Options((Place("kb", own.root),))).endpoints)
    schema = schemathesis.openapi.from_dict(document)
    operation = schema[path][method]
    known = known_ids(own, path)

    @settings(
        max_examples=EXAMPLES, database=None, derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )  # fmt: skip
    @given(case=operation.as_strategy(generation_mode=mode), draw=st.data())
    def ask(case: schemathesis.Case, draw: st.DataObject) -> None:
        for name in case.path_parameters:
            if draw.draw(st.integers(0, 4)):  # else what was made up
                case.path_parameters[name] = draw.draw(st.sampled_from(known[name]))
        headers = {"Authorization": f"Bearer {own.token}"}
        response = case.call(base_url=own.url, headers=headers, timeout=60)
        case.validate_response(response, checks=CHECKS)

    ask()


def known_ids(own: Served, path: str) -> dict[str, list[str]]:
    """Values of the parts of a path that there are."""
    part = next((name for name in ("documents", "entities", "reports") if f"/{name}" in path), "")
    if not part:
        return {"index": ["kb"], "id": ["no-such-job"], "number": ["1", "2"]}
    found = own.get(f"/api/indexes/kb/{part}?limit=5").items(part)
    return {"index": ["kb"], "id": [str(one.get("id") or one["community_id"]) for one in found]}
