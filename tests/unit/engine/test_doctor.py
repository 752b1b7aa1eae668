"""The doctor finds what is wrong, says what to do, and shows no secret."""

import asyncio
import os
import stat
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest

from graphrag import Document, GraphRAG
from graphrag.core.work_folder import make_private
from graphrag.engine import doctor
from graphrag.engine.checks import Check
from graphrag.testing import Fault, Rule, TestServer
from tests.vendors import LLAMA_CPP_MODELS, LLAMA_CPP_PROPS, OLLAMA_TAGS, vendor

SECRET = "sk-doctor-secret"
DISTRIBUTIONS = cache(metadata.packages_distributions)


@pytest.fixture(autouse=True)
def _distributions_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "packages_distributions", DISTRIBUTIONS)


def checks(root: Path, **options: object) -> dict[str, Check]:
    found = asyncio.run(doctor.examine(root, options=options))
    return {check.name: check for check in found}


def index(root: Path) -> None:
    with GraphRAG.open(root, chat=None, embed=None) as rag:
        rag.index(documents=[Document(source="a", text="Cyrus Field laid the Atlantic cable.")])


def test_a_healthy_root(tmp_path: Path) -> None:
    index(tmp_path)
    found = checks(tmp_path)
    assert {check.state for check in found.values()} == {"ok"}
    assert "1 documents" in found["store"].detail
    assert metadata.version("graphrag-neo4j") in found["versions"].detail


def test_nothing_is_written_where_there_is_no_index(tmp_path: Path) -> None:
    found = checks(tmp_path / "new")
    assert found["store"].state == "warning"
    assert "graphrag index" in found["store"].hint
    assert not (tmp_path / "new").exists()


def test_wrong_settings_are_named_and_end_the_checks(tmp_path: Path) -> None:
    (tmp_path / "graphrag.yaml").write_text("chat: {modell: x}\n")
    found = checks(tmp_path)
    assert found["settings"].state == "failed"
    assert "modell" in found["settings"].detail
    assert "store" not in found


def test_corrections_are_read(tmp_path: Path) -> None:
    file = tmp_path / "corrections.yaml"
    file.write_text("- {hide: A}\n- {hide: B}\n")
    assert checks(tmp_path)["corrections"] == Check("corrections", "ok", "2 in corrections.yaml")
    file.write_text("- {hide: A}\n- {retype: A, to: b}\n")
    found = checks(tmp_path)["corrections"]
    assert (found.state, "items 1, 2 contradict" in found.detail) == ("failed", True)


def test_a_damaged_store_fails(tmp_path: Path) -> None:
    index(tmp_path)
    (tmp_path / ".graphrag" / "graph.db").write_bytes(b"not a database at all")
    found = checks(tmp_path)
    assert found["store"].state == "failed"
    assert found["store"].hint


def test_files_that_others_can_read_are_named(tmp_path: Path) -> None:
    index(tmp_path)
    folder = tmp_path / ".graphrag"
    folder.chmod(0o755)
    (folder / "graph.db").chmod(0o644)
    found = checks(tmp_path)["permissions"]
    assert found.state == "warning"
    assert "graph.db" in found.detail
    folder.chmod(0o700)
    assert checks(tmp_path)["permissions"].state == "ok"


@pytest.mark.parametrize(
    ("line", "state"),
    [(SECRET, "warning"), ("${A_KEY}", "ok"), ("null", "ok")],
)
def test_a_key_in_a_settings_file_is_to_be_kept_from_others(
    line: str, state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_KEY", SECRET)
    path = tmp_path / "graphrag.yaml"
    path.write_text(f"chat:\n  api_key: {line}\n")
    path.chmod(0o644)
    assert checks(tmp_path, **{"chat.model": None})["permissions"].state == state


def test_whatever_is_made_first_is_its_owners_alone(tmp_path: Path) -> None:
    for folder in (".graphrag", ".graphrag/paths/arrays", "a/b/.graphrag/neo4j"):
        root = tmp_path / folder.split("/")[0].strip(".")
        make_private(root / folder)
        work = root / folder.partition(".graphrag")[0] / ".graphrag"
        assert stat.S_IMODE(work.stat().st_mode) == 0o700
        assert root.stat().st_mode & 0o055  # the root itself is as the user's other folders
    with TestServer() as server:
        options: dict[str, object] = {"chat.base_url": server.url}
        with GraphRAG.open(tmp_path / "kb", embed=None, options=options) as rag:
            rag.tune(documents=[Document(source="a", text="Cyrus Field laid a cable.")])
    kept = list((tmp_path / "kb").rglob(".graphrag*"))
    assert kept
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o700 for path in kept)


def test_another_distribution_of_the_same_name(monkeypatch: pytest.MonkeyPatch) -> None:
    owners = {"graphrag": ["graphrag", "graphrag-neo4j"]}
    monkeypatch.setattr(metadata, "packages_distributions", lambda: owners)
    clash = checks(Path("/"))["name clash"]
    assert clash.state == "failed"
    assert clash.detail.startswith("graphrag installs")


def test_models_are_reached_without_a_billed_call_and_no_secret_is_shown(tmp_path: Path) -> None:
    options = {"chat.model": "test-chat", "chat.api_key": SECRET}
    with TestServer(api_key=SECRET) as server:
        given = {**options, "chat.base_url": server.url, "embedding.base_url": server.url}
        given |= {"embedding.api_key": SECRET, "embedding.model": "test-embedding"}
        assert checks(tmp_path, **given)["models"].state == "ok"
        assert "chat" not in server.stats()
        given["chat.api_key"] = "sk-wrong-secret"
        refused = checks(tmp_path, **given)["models"]
    assert refused.state == "failed"
    assert "key" in refused.detail
    assert "sk-" not in repr(refused)
    gone = checks(tmp_path, **given)["models"]
    assert gone.state == "failed"
    assert "sk-" not in repr(gone)


def of_models(
    root: Path, server: TestServer, *, ask: bool = False, **given: str
) -> dict[str, Check]:
    options = {
        "chat.base_url": server.url,
        "chat.model": "test-chat",
        "embedding.base_url": server.url,
        "embedding.model": "test-embedding",
        **{name.replace("__", "."): value for name, value in given.items()},
    }
    found = asyncio.run(doctor.examine(root, options=options, ask=ask))
    return {check.name: check for check in found}


def test_models_are_looked_up_in_the_list_of_the_server(tmp_path: Path) -> None:
    with TestServer(dialect="vllm", context_tokens=8192) as server:
        fine = of_models(tmp_path, server)
        wrong = of_models(tmp_path, server, chat__model="nosuch", embedding__model="nosuch")
        assert "chat" not in server.stats()
        assert "embeddings" not in server.stats()
    assert {fine[name].state for name in ("models", "chat model", "embedding model")} == {"ok"}
    assert "window 8192 tokens (as the server says)" in fine["chat model"].detail
    for name in ("chat model", "embedding model"):
        assert wrong[name].state == "failed"
        assert "no 'nosuch'; it has" in wrong[name].detail
        assert "test-chat" in wrong[name].detail
    assert not (tmp_path / ".graphrag").exists()


def test_a_server_of_one_model_may_answer_to_any_name_and_that_is_a_warning(
    tmp_path: Path,
) -> None:
    with vendor({"/v1/models": LLAMA_CPP_MODELS, "/props": LLAMA_CPP_PROPS}) as port:
        options = {
            "chat.base_url": f"http://127.0.0.1:{port}/v1",
            "chat.model": "nosuch",
            "embedding.model": None,
        }
        found = checks(tmp_path, **options)["chat model"]
    assert found.state == "warning"
    assert "it has smollm2" in found.detail
    assert "window 2048" in found.detail


def test_models_are_asked_on_demand(tmp_path: Path) -> None:
    paris = Rule(
        "capital",
        lambda asked: "letters" in asked.fields,
        lambda _: '{"city": "Paris", "letters": 5}',
    )
    with TestServer(rules=[paris]) as server:
        found = of_models(tmp_path, server, ask=True)
        made = sum(kind["calls"] for kind in server.stats()["chat"].values())
        assert (made, server.stats()["embeddings"]["embed"]["inputs"]) == (3, 1)
        server.set_faults(Fault("no_json"), Fault("no_system"), Fault("no_max_tokens"))
        lesser = of_models(tmp_path, server, ask=True)["chat model"]
        server.set_faults(Fault(status=404))
        gone = of_models(tmp_path, server, ask=True, chat__model="nosuch")
    chat = found["chat model"].detail
    assert "'test-chat' answers in" in chat
    assert "tokens/s; streams from" in chat
    assert "keeps to a schema; its window is not known" in chat
    assert "with 256 numbers" in found["embedding model"].detail
    assert lesser.state == "ok"
    assert "it does not take json_schema, json_object, the role system, max_tokens" in lesser.detail
    assert (gone["chat model"].state, gone["embedding model"].state) == ("failed", "failed")
    assert not (tmp_path / ".graphrag").exists()


def test_servers_of_this_machine_are_named_where_no_model_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with vendor({"/api/tags": OLLAMA_TAGS}) as port:
        monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{port}")
        found = checks(tmp_path)["models"]
    assert found.state == "ok"
    assert "Ollama runs here with qwen3:8b: export OPENAI_BASE_URL=" in found.hint


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_little_space_is_a_warning(tmp_path: Path) -> None:
    assert doctor.check_space(tmp_path, least_mb=10**9).state == "warning"
    assert checks(tmp_path)["disk"].detail
