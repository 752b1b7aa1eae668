"""Every fault of a model server in every step of indexing that calls one: nothing is lost."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from graphrag import Document, GraphRAG
from graphrag.core.errors import ModelError
from graphrag.query.router import Method
from graphrag.testing import Fault, TestServer
from graphrag.testing.faults import FaultName

# Cyrus Field and Charles Bright stand in several texts, so that their descriptions are many, and
# Trinity may be Trinity Bay.
DOCUMENTS = [
    Document(source=f"{number}.md", title=f"Letter {number}", text=text)
    for number, text in enumerate(
        (
            "Cyrus Field founded the Atlantic Telegraph Company with Charles Bright in London.",
            "Charles Bright laid the cable from Valentia to Trinity Bay for Cyrus Field.",
            "Isambard Brunel built the Great Eastern, and Cyrus Field chartered her.",
            "William Thomson advised Charles Bright. Cyrus Field quarrelled with Whitehouse.",
            "Three ships waited at Trinity for Cyrus Field.",
        )
    )
]
QUESTION = "Where did Charles Bright lay the cable from Valentia for Cyrus Field?"
STEPS = ("context", "extract", "glean", "join", "summarise", "report", "embed")
GLEANING = "Read the text once more"
OF_THE_SERVER = {
    "429": Fault(status=429),
    "429 with a time": Fault(status=429, retry_after=0.01),
    "500": Fault(status=500),
    "503": Fault(status=503),
    "drop": Fault("drop"),
    "hang": Fault("hang"),
    "quota": Fault("quota"),
    "too long": Fault("context_too_long"),
}
OF_THE_MODEL = {
    "truncated body": Fault("truncated_body"),
    "refusal": Fault("refusal"),
    "content filter": Fault("content_filter"),
    "cut off": Fault("length"),
    "empty": Fault("empty"),
}
OF_ITS_JSON = {"truncated JSON": Fault("truncated_json"), "wrong JSON": Fault("wrong_json")}
MATRIX = [
    *((step, name, fault) for step in STEPS for name, fault in OF_THE_SERVER.items()),
    *((step, name, fault) for step in STEPS[:-1] for name, fault in OF_THE_MODEL.items()),
    *(
        (step, name, fault)
        for step in ("extract", "glean", "join", "report")
        for name, fault in OF_ITS_JSON.items()
    ),
]
SHAPES = ("odd_item", "odd_values", "thoughts", "deep_thoughts", "fenced", "parts", "no_usage")
OPTIONS: dict[str, object] = {
    "chat.max_retries": 1,
    "chat.timeout_s": 0.5,
    "chunks.context": True,
    "communities.update": "exact",
    "embedding.max_retries": 0,
    "embedding.timeout_s": 0.5,
    "extraction.max_gleanings": 1,
    "extraction.summary_tokens": 20,
}


@pytest.fixture(scope="module")
def server() -> Iterator[TestServer]:
    with TestServer() as running:
        yield running


@pytest.fixture(scope="module")
def undisturbed(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("undisturbed")
    with open_index(folder, server) as rag:
        assert not rag.index(documents=DOCUMENTS).failed
        counted = server.stats()
        kinds = {kind.split("_")[0] for group in counted.values() for kind in group}
        assert kinds >= set(STEPS) - {"glean"}
        return exported(rag, folder)


def open_index(folder: Path, server: TestServer) -> GraphRAG:
    urls = {"chat.base_url": server.url, "embedding.base_url": server.url}
    return GraphRAG.open(folder, options={**OPTIONS, **urls})


def exported(rag: GraphRAG, folder: Path) -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in rag.export(folder / "export", format="csv")}


@pytest.mark.parametrize(
    ("step", "fault"),
    [
        # A third of them, in which each step and each fault stands several times.
        pytest.param(step, fault, id=f"{step}-{name}", marks=[pytest.mark.soak] * (place % 3 > 0))
        for place, (step, name, fault) in enumerate(MATRIX)
    ],
)
def test_what_failed_is_listed_and_made_up_for(
    step: str, fault: Fault, server: TestServer, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    gleaning = step == "glean"
    kind, match = ("extract", GLEANING) if gleaning else (step, "")
    with open_index(tmp_path, server) as rag:
        server.reset()
        server.set_faults(replace(fault, kind=kind, match=match))
        listed: Sequence[object] = ()
        try:
            result = rag.index(documents=DOCUMENTS)
        except ModelError:
            assert kind == "extract"  # the one step that nothing goes on without
        else:
            listed = [*result.failed, *result.warnings]
            assert listed
            assert result.documents == len(DOCUMENTS)
        groups = server.stats().values()
        assert sum(counts["faults"] for group in groups for counts in group.values())
        server.set_faults()
        again = rag.index(documents=DOCUMENTS, retry_failed=True)
        assert not again.failed
        assert exported(rag, tmp_path) == undisturbed


def test_what_was_cut_off_is_tried_again_when_replies_may_be_longer(
    server: TestServer, tmp_path: Path
) -> None:
    def index(**options: object) -> tuple[int, int]:
        server.reset()
        with GraphRAG.open(tmp_path, options={"chat.base_url": server.url, **options}) as rag:
            result = rag.index(documents=DOCUMENTS)
        return len(result.failed), server.stats().get("chat", {}).get("extract", {}).get("calls", 0)

    server.set_faults(Fault("endless", kind="extract", match="Brunel"))
    try:
        assert index() == (1, 5)
        assert index() == (1, 0)
        assert index(**{"chat.max_output_tokens": 2000}) == (1, 0)
        assert index(**{"chat.max_output_tokens": 9000}) == (1, 1)
    finally:
        server.set_faults()
    assert index(**{"chat.max_output_tokens": 9000}) == (1, 0)
    assert index(**{"chat.max_output_tokens": 9001}) == (0, 1)


@pytest.mark.parametrize("kind", ["extract", "glean"])
def test_what_came_before_a_reply_was_cut_off_counts(
    kind: str, server: TestServer, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    match = GLEANING if kind == "glean" else "Brunel"
    with open_index(tmp_path, server) as rag:
        server.set_faults(Fault("length", kind="extract", match=match))
        failed = rag.index(documents=DOCUMENTS).failed
        assert "cut off" in failed[0].reason
        before = exported(rag, tmp_path)
        assert b"Isambard Brunel" in before["entities"]
        # Another failure takes nothing away; one that succeeds adds the rest.
        server.set_faults(Fault(status=500, kind="extract", match=match))
        assert rag.index(documents=DOCUMENTS, retry_failed=True).failed == failed
        assert exported(rag, tmp_path) == before
        server.set_faults()
        assert not rag.index(documents=DOCUMENTS, retry_failed=True).failed
        assert exported(rag, tmp_path) == undisturbed


@pytest.mark.parametrize("step", STEPS[:-1])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_reply_of_an_odd_shape_costs_nothing(
    step: str, shape: FaultName, server: TestServer, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    kind, match = ("extract", GLEANING) if step == "glean" else (step, "")
    with open_index(tmp_path, server) as rag:
        server.reset()
        server.set_faults(Fault(shape, kind=kind, match=match))
        result = rag.index(documents=DOCUMENTS)
        assert server.stats()["chat"][kind]["faults"]
        server.set_faults()
        assert not result.failed
        assert exported(rag, tmp_path) == undisturbed


# By the kind of call: the method that makes it, and the settings under which it does.
OF_QUERIES: dict[str, tuple[Method, dict[str, object]]] = {
    "rewrite": ("basic", {"query.basic.rewrite": True}),
    "rerank": ("basic", {"rerank.method": "listwise"}),
    "answer": ("local", {}),
    "map": ("global", {}),
    "reduce": ("global", {}),
    "rate": ("global", {"query.global.dynamic": True}),
    "hypothetical": ("drift", {}),
    "drift": ("drift", {}),
    "subqueries": ("lazy", {}),
    "relevance": ("lazy", {}),
    "claims": ("lazy", {}),
    "suggest": ("basic", {}),
}


@pytest.fixture(scope="module")
def indexed(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("indexed")
    server.set_faults()
    with open_index(root, server) as rag:
        assert not rag.index(documents=DOCUMENTS).failed
    return root


@pytest.mark.parametrize("kind", OF_QUERIES)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_reply_of_an_odd_shape_costs_no_answer(
    kind: str, shape: FaultName, server: TestServer, indexed: Path, tmp_path: Path
) -> None:
    method, options = OF_QUERIES[kind]
    root = tmp_path / "kb"
    shutil.copytree(indexed, root)
    urls = {"chat.base_url": server.url, "embedding.base_url": server.url}
    with GraphRAG.open(root, options={**OPTIONS, **urls, **options}) as rag:
        server.reset()
        server.set_faults(Fault(shape, kind=kind))
        try:
            answer = rag.query(QUESTION, method=method)
            further = rag.suggest(answer) if kind == "suggest" else [QUESTION]
            faults = server.stats()["chat"][kind]["faults"]
        finally:
            server.set_faults()
    assert faults
    assert further
    assert "Cyrus Field" in answer.answer
    assert answer.citations
    assert not any(mark in answer.answer for mark in ("think", "Is it {", "Hm.", "```"))
