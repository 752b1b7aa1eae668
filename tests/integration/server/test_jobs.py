"""Documents over HTTP: uploaded, replaced, removed, indexed from folders, by jobs that survive."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import cast

import pytest

from graphrag.server.indexes import Place
from graphrag.testing import TestServer
from tests.served import Reply, Served, serving

API = "/api/indexes/kb"
TEXT = b"# The Fastnet light\n\nWilliam Douglass rebuilt the lighthouse of Fastnet in 1904.\n"
ASKED = "Who rebuilt the lighthouse of Fastnet?"


@pytest.fixture
def own(tmp_path: Path) -> Generator[Served]:
    root = tmp_path / "kb"
    root.mkdir()
    with serving(root) as served:
        yield served


def job_of(reply: Reply) -> object:
    assert reply.status == 202, reply.body
    job = reply.json.get("job", reply.json)
    return cast("dict[str, object]", job)["id"]


def answer(served: Served, question: str) -> str:
    return str(served.post(f"{API}/query", {"question": question}).json["answer"])


def test_a_document_is_uploaded_replaced_and_removed(own: Served) -> None:
    reply = own.upload(f"{API}/documents", ("fastnet.md", TEXT))
    job = own.finish(job_of(reply))
    assert job["state"] == "done", job
    assert (job["failed"], job["partial"]) == (0, False)
    assert cast("dict[str, object]", job["result"])["documents"] == 1
    assert "Douglass" in answer(own, ASKED)
    (document,) = own.get(f"{API}/documents").items("documents")
    assert document["title"] == "The Fastnet light"
    one = f"{API}/documents/{document['id']}"
    assert own.get(f"{one}/original").body == TEXT

    changed = TEXT.replace(b"Douglass", b"Halpin")
    job = own.finish(job_of(own.upload(one, ("new.md", changed), method="PUT")))
    assert job["state"] == "done", job
    assert "Halpin" in answer(own, ASKED)
    assert own.get(f"{API}/documents").json["total"] == 1
    assert own.get(f"{one}/original").body == changed
    assert own.upload(one, ("new.pdf", changed), method="PUT").status == 409

    assert own.finish(job_of(own.ask("DELETE", one)))["state"] == "done"
    assert own.get(f"{API}/documents").json["total"] == 0
    files = (own.root / ".graphrag" / "uploads").rglob("*")
    assert not [path for path in files if path.is_file()]


def test_what_cannot_be_read_is_listed(own: Served) -> None:
    files = (("good.md", TEXT), ("bad.pdf", b"%PDF-1.7 and no more"))
    job = own.finish(job_of(own.upload(f"{API}/documents", *files)))
    assert job["state"] == "done"
    result = cast("dict[str, list[dict[str, str]]]", job["result"])
    assert result["failed"][0]["source"].endswith("bad.pdf")
    assert (job["failed"], job["partial"]) == (1, True)
    failed = own.get(f"{API}/documents?status=failed").items("documents")
    assert str(failed[0]["error"])


def test_named_folders_can_be_indexed(tmp_path: Path) -> None:
    root, folder = tmp_path / "kb", tmp_path / "documents"
    root.mkdir()
    folder.mkdir()
    (folder / "fastnet.md").write_bytes(TEXT)
    with serving(root, places=(Place("kb", root, folders=(folder,)),)) as served:
        for path in (".", "fastnet.md", str(folder)):
            given = {"paths": [path], "method": "fast"}
            assert served.finish(job_of(served.post(f"{API}/index", given)))["state"] == "done"
        (document,) = served.get(f"{API}/documents").items("documents")
        assert served.upload(f"{API}/documents/{document['id']}", ("x.md", b"x"), method="PUT")
        reply = served.ask("DELETE", f"{API}/documents/{document['id']}")
        assert served.finish(job_of(reply))["state"] == "done"
        assert (folder / "fastnet.md").read_bytes() == TEXT


def test_a_job_tells_its_steps_and_what_it_costs(tmp_path: Path) -> None:
    root = tmp_path / "kb"
    root.mkdir()
    with TestServer() as model:
        (root / "graphrag.yaml").write_text(
            f"chat: {{base_url: '{model.url}', model: gpt-4o-mini, api_key: test}}\n"
            f"embedding: {{base_url: '{model.url}', api_key: test}}\n",
            encoding="utf-8",
        )
        with serving(root) as served:
            job = job_of(served.upload(f"{API}/documents", ("fastnet.md", TEXT)))
            events = list(served.events("GET", f"/api/jobs/{job}/events"))
    names = [name for name, _ in events]
    assert names[0] == "queued"
    assert names[-1] == "end"
    steps = [cast("dict[str, object]", data) for name, data in events if name == "progress"]
    assert {"split", "extract", "merge"} <= {step["step"] for step in steps}
    assert any("entities" in str(step["note"]) for step in steps if step["step"] == "merge")
    end = cast("dict[str, object]", events[-1][1])
    spent = cast("dict[str, float]", end["usage"])
    used = cast("dict[str, dict[str, float]]", end["result"])["usage"]
    assert 0 < spent["cost_usd"] == pytest.approx(used["cost_usd"])
    assert spent["chat_calls"] == used["chat_calls"]


def test_a_job_can_be_ended_and_another_goes_on(tmp_path: Path) -> None:
    root = tmp_path / "kb"
    root.mkdir()
    with TestServer(latency=60.0) as slow:
        (root / "graphrag.yaml").write_text(
            f"chat: {{base_url: '{slow.url}', model: test, api_key: test}}\n", encoding="utf-8"
        )
        with serving(root) as served:
            job = job_of(served.upload(f"{API}/documents", ("fastnet.md", TEXT)))
            waiting = job_of(served.upload(f"{API}/documents", ("other.md", TEXT)))
            for name, data in served.events("GET", f"/api/jobs/{job}/events"):
                if name == "step" and cast("dict[str, object]", data)["step"] == "extract":
                    break
            assert served.ask("POST", f"/api/jobs/{waiting}/cancel").json["state"] == "cancelled"
            assert served.ask("POST", f"/api/jobs/{job}/cancel").json["state"] == "cancelled"
            (root / "graphrag.yaml").unlink()
            again = served.finish(job_of(served.upload(f"{API}/documents", ("x.md", TEXT))))
            assert again["state"] == "done"
            states = {one["id"]: one["state"] for one in served.get("/api/jobs").items("jobs")}
            assert states == {job: "cancelled", waiting: "cancelled", again["id"]: "done"}


def test_a_failed_job_says_what_to_do(own: Served) -> None:
    own.finish(job_of(own.upload(f"{API}/documents", ("fastnet.md", TEXT))))
    job = own.finish(job_of(own.post(f"{API}/index", {"method": "standard"})))
    assert job["state"] == "failed"
    assert "chat model" in str(job["error"])
    assert job["hint"]


def test_two_servers_of_one_root_do_not_mix_their_jobs(own: Served) -> None:
    with serving(own.root) as second:
        reply = second.upload(f"{API}/documents", ("fastnet.md", TEXT))
        assert reply.status == 409
        assert reply.json["hint"]
        assert own.finish(job_of(own.upload(f"{API}/documents", ("a.md", TEXT))))["state"] == "done"
        assert "Douglass" in answer(second, ASKED)


def test_questions_are_answered_while_a_job_runs(own: Served) -> None:
    own.finish(job_of(own.upload(f"{API}/documents", ("fastnet.md", TEXT))))
    job = job_of(own.upload(f"{API}/documents", ("other.md", b"# Tory Island\n\nA light.\n")))
    seen = 0
    for name, _ in own.events("GET", f"/api/jobs/{job}/events"):
        if name in ("step", "progress"):
            assert "Douglass" in answer(own, ASKED)
            seen += 1
    assert seen


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()


def job_of_server(process: subprocess.Popen[str]) -> int:
    return int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text())


def press_ctrl_c(process: subprocess.Popen[str]) -> None:
    """A terminal signals the whole group of processes, of which the job's is none."""
    assert os.getpgid(job_of_server(process)) != process.pid
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(30) == 0


def terminate_all(process: subprocess.Popen[str]) -> None:
    """As service managers end a service: the signal comes to each process of it, in any order."""
    os.kill(job_of_server(process), signal.SIGTERM)
    process.terminate()
    assert process.wait(30) == 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="signals, /proc")
@pytest.mark.parametrize("end", [kill, press_ctrl_c, terminate_all])
def test_a_server_that_was_ended_goes_on_with_its_job(
    end: Callable[[subprocess.Popen[str]], None], tmp_path: Path
) -> None:
    root = tmp_path / "kb"
    root.mkdir()
    with TestServer(latency={"extract": 60.0}) as model:
        (root / "graphrag.yaml").write_text(
            f"chat: {{base_url: '{model.url}', model: test, api_key: test}}\n", encoding="utf-8"
        )
        process, served = start(root)
        job = job_of(served.upload(f"{API}/documents", ("fastnet.md", TEXT)))
        for name, data in served.events("GET", f"/api/jobs/{job}/events"):
            if name == "step" and cast("dict[str, object]", data)["step"] == "extract":
                break
        end(process)
    kept = json.loads((root / ".graphrag" / "jobs" / f"{job}.json").read_text())
    assert kept["state"] == "running"
    with TestServer() as model:
        (root / "graphrag.yaml").write_text(
            f"chat: {{base_url: '{model.url}', model: test, api_key: test}}\n", encoding="utf-8"
        )
        process, served = start(root)
        try:
            finished = served.finish(job)
            assert finished["state"] == "done", finished
            assert served.get(f"{API}/documents").json["total"] == 1
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
    kept = json.loads((root / ".graphrag" / "jobs" / f"{job}.json").read_text())
    assert kept["state"] == "done"


def start(root: Path) -> tuple[subprocess.Popen[str], Served]:
    """The command, as a process of its own."""
    command = [sys.executable, "-m", "graphrag", "serve", "--root", str(root), "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )
    assert process.stdout is not None
    with process.stdout as lines:
        address, _, token = lines.readline().strip().partition("#")
    return process, Served(address.rstrip("/"), token, root)


def test_a_correction_is_written_applied_and_undone(own: Served) -> None:
    own.finish(job_of(own.upload(f"{API}/documents", ("fastnet.md", TEXT))))

    def names() -> set[str]:
        return {str(one["name"]) for one in own.get(f"{API}/entities").items("entities")}

    before, rename = names(), {"rename": "William Douglass", "to": "W. Douglass"}
    written = own.post(f"{API}/corrections", rename)
    assert (written.status, written.json["corrections"]) == (201, [rename])
    own.finish(job_of(own.post(f"{API}/index", {})))
    assert names() - before == {"W. Douglass"}
    assert before - names() == {"William Douglass"}
    again = own.post(f"{API}/corrections", {**rename, "to": "Another"})
    assert (again.status, "contradict" in str(again.json["detail"])) == (409, True)
    for wrong in (
        {},
        {"rename": "A"},
        {"hide": "A", "retype": "B", "to": "c"},
        {"split": "A", "to": "B"},
        {"colour": "A"},
    ):
        assert own.post(f"{API}/corrections", wrong).status == 400
    assert own.post(f"{API}/corrections", rename).json["corrections"] == [rename]
    for number, status in (("7", 404), ("0", 404), ("9" * 30, 404), ("abc", 400), ("-1", 400)):
        assert own.ask("DELETE", f"{API}/corrections/{number}").status == status
    assert own.ask("DELETE", f"{API}/corrections/1").json["corrections"] == []
    own.finish(job_of(own.post(f"{API}/index", {})))
    assert names() == before
    with serving(own.root, is_read_only=True) as reading:
        assert reading.post(f"{API}/corrections", {"hide": "A"}).status == 403
        assert reading.get(f"{API}/corrections").json["corrections"] == []
