"""Names across documents become one entity, through the engine and the command line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise, permutations
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graphrag import Document, GraphRAG
from graphrag.cli.main import main
from graphrag.core.errors import SettingsError
from graphrag.testing import Fault, TestServer
from graphrag.testing.replies import ChatRequest, Rule

NAMES = ("Sherlock Holmes", "Mycroft Holmes", "Mr. Holmes", "Holmes", "Watson", "Whitehall")
TEXTS = (
    "Sherlock Holmes lit his pipe. Holmes said nothing, and Watson waited.",
    "Watson wrote to Mr. Holmes. Holmes answered from the coast.",
    "Mycroft Holmes sat in Whitehall. Sherlock Holmes called on him. Holmes bowed.",
    "At Whitehall they knew Mycroft Holmes well, and Holmes less.",
)
DOCUMENTS = [Document(source=f"{at}.txt", text=text) for at, text in enumerate(TEXTS)]


def extracted(request: ChatRequest) -> str:
    """The known names of the text, longest first, each related to the next."""
    text = request.block("text")
    found = re.findall("|".join(map(re.escape, NAMES)), text)
    names = list(dict.fromkeys(found))
    return json.dumps(
        {
            "entities": [
                {"name": name, "type": "person", "description": f"{name} is in the text."}
                for name in names
            ],
            "relationships": [
                {"source": one, "target": other, "type": "with", "description": "", "strength": 1}
                for one, other in pairwise(names)
            ],
        }
    )


def verdicts(request: ChatRequest) -> str:
    """Only Mycroft is somebody else."""
    rows = [line.split(" | ") for line in request.block("pairs").splitlines()]
    found = [
        {"pair": int(row[0]), "same": not any("Mycroft" in name for name in row[1:]), "reason": "x"}
        for row in rows
    ]
    return json.dumps({"verdicts": found})


PLANTED = (
    Rule("extract", lambda request: {"entities", "relationships"} <= request.fields, extracted),
    Rule("join", lambda request: "verdicts" in request.fields, verdicts),
)


@pytest.fixture(scope="module")
def server() -> Iterator[TestServer]:
    with TestServer(rules=PLANTED) as running:
        yield running


def open_index(root: Path, server: TestServer, **options: object) -> GraphRAG:
    chosen = {"chat.base_url": server.url, "chat.model": "m", "chat.max_retries": 0, **options}
    return GraphRAG.open(root, embed=None, options=chosen)


def calls(server: TestServer, kind: str = "join") -> int:
    return server.stats().get("chat", {}).get(kind, {}).get("calls", 0)


def joined(rag: GraphRAG) -> dict[str, str]:
    return {
        item["name"]: entity["name"]
        for entity in rag.entity_joins()["entities"]
        for item in entity["joined"]
    }


def test_holmes_in_his_many_names(tmp_path: Path, server: TestServer) -> None:
    server.reset()
    with open_index(tmp_path, server) as rag:
        rag.index(documents=DOCUMENTS)
        assert joined(rag) == {"Mr. Holmes": "Holmes", "Sherlock Holmes": "Holmes"}
        found = rag.entity_joins()
        assert found["current"]
        assert found["self_loops"] > 0
        assert rag.status()["counts"]["entities"] == 4
        kept_apart = {(item["first"], item["second"]) for item in found["refused"]}
        assert ("Holmes", "Mycroft Holmes") in kept_apart
        by = {item["decided_by"] for entity in found["entities"] for item in entity["joined"]}
        assert by == {"m"}
        assert calls(server) == 1
        rag.index(documents=DOCUMENTS)
        assert calls(server) == 1
        # A new text that says nothing new of these names asks nothing about them.
        rag.index(documents=[Document(source="new.txt", text="Only Watson was there.")])
        assert calls(server) == 1


def test_a_verdict_that_cannot_be_read_joins_nothing_and_warns(
    tmp_path: Path, server: TestServer
) -> None:
    server.set_faults(Fault(kind="join", fault="wrong_json"))
    try:
        with open_index(tmp_path, server) as rag:
            result = rag.index(documents=DOCUMENTS)
            assert not result.failed
            assert any("no clear verdict" in warning for warning in result.warnings)
            assert joined(rag) == {}
    finally:
        server.set_faults()


def test_a_call_that_fails_is_listed_and_made_up_for(tmp_path: Path, server: TestServer) -> None:
    server.set_faults(Fault(kind="join", fault="status", status=500))
    with open_index(tmp_path, server) as rag:
        result = rag.index(documents=DOCUMENTS)
        assert [item.source for item in result.failed] == ["entity resolution"]
        assert joined(rag) == {}
        server.set_faults()
        again = rag.index()
        assert not again.failed
        assert joined(rag) == {"Mr. Holmes": "Holmes", "Sherlock Holmes": "Holmes"}


@pytest.mark.parametrize("modelled", [False, True], ids=["fast", "standard"])
def test_joins_do_not_depend_on_what_was_indexed_before(
    modelled: bool, tmp_path: Path, server: TestServer
) -> None:
    orders = sorted(permutations(range(len(DOCUMENTS))))
    method = "standard" if modelled else "fast"
    with open_index(tmp_path / "whole", server) as rag:
        rag.index(documents=DOCUMENTS, method=method)
        expected = rag.entity_joins()

    @settings(
        max_examples=4,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(order=st.sampled_from(orders), gone=st.integers(0, 3))
    def check(order: Sequence[int], gone: int) -> None:
        root = tmp_path / f"{''.join(map(str, order))}{gone}"
        with open_index(root, server) as rag:
            for place in order:
                rag.index(documents=[DOCUMENTS[place]], method=method)
            rag.delete([f"{gone}.txt"])
            rag.index(documents=[DOCUMENTS[gone]], method=method)
            assert rag.entity_joins() == expected

    check()


def test_settings_join_and_keep_apart(tmp_path: Path, server: TestServer) -> None:
    chosen: dict[str, object] = {
        "resolution.never_join": [["Holmes", "Sherlock Holmes"]],
        "resolution.always_join": [["Doctor", "Watson"]],
    }
    with open_index(tmp_path, server, **chosen) as rag:
        rag.index(documents=DOCUMENTS)
        assert joined(rag) == {"Mr. Holmes": "Holmes", "Watson": "Doctor"}
        refused = {(item["first"], item["second"]): item for item in rag.entity_joins()["refused"]}
        assert refused["Holmes", "Sherlock Holmes"]["note"] == "resolution.never_join"
    with open_index(tmp_path, server) as rag:
        assert not rag.entity_joins()["current"]
    wrong = {**chosen, "resolution.never_join": [["watson", "doctor"]]}
    with (
        open_index(tmp_path, server, **wrong) as rag,
        pytest.raises(SettingsError, match="'watson' and 'doctor'"),
    ):
        rag.index(documents=DOCUMENTS)


def test_the_command_explains_every_join(tmp_path: Path, server: TestServer) -> None:
    with open_index(tmp_path, server) as rag:
        rag.index(documents=DOCUMENTS)
    shown = run("entities", "--duplicates", "--root", str(tmp_path))
    assert shown.exit_code == 0
    assert "Holmes\n  = Mr. Holmes: one shared word, score" in shown.stdout
    assert "decided by m (x)" in shown.stdout
    assert "Kept apart:" in shown.stdout
    assert "2 names were joined to 1 entities" in shown.stdout
    as_json = run("entities", "--duplicates", "--json", "--root", str(tmp_path))
    assert {entity["name"] for entity in json.loads(as_json.stdout)["entities"]} == {"Holmes"}
    assert run("entities", "--root", str(tmp_path)).exit_code == 0
    nothing = run("entities", "--duplicates", "--root", str(tmp_path / "none"))
    assert nothing.exit_code != 0
    assert "Hint" in nothing.stderr


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)
