"""Model servers of this machine: found by their documented lists, named in a line for a shell."""

from __future__ import annotations

import shlex
import socket
from collections.abc import Mapping

import pytest

from graphrag.models.vendors.loopback import PORTS, find_local_servers, ports_from
from tests.vendors import LM_STUDIO_MODELS, OLLAMA_TAGS, vendor


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_ollama_is_named_with_the_lines_to_use_it() -> None:
    with vendor({"/api/tags": OLLAMA_TAGS}) as port:
        (found,) = find_local_servers({"Ollama": port, "LM Studio": closed_port()})
    assert (found.chat, found.embedding) == (("qwen3:8b",), ("nomic-embed-text:latest",))
    told, _, exported = found.hint.partition(": export ")
    assert told == "Ollama runs here with qwen3:8b"
    assert shlex.split(exported) == [
        f"OPENAI_BASE_URL=http://127.0.0.1:{port}/v1",
        "GRAPHRAG__CHAT__MODEL=qwen3:8b",
        "GRAPHRAG__EMBEDDING__MODEL=nomic-embed-text:latest",
    ]


def test_lm_studio_is_found_by_its_list() -> None:
    with vendor({"/v1/models": LM_STUDIO_MODELS}) as port:
        (found,) = find_local_servers({"LM Studio": port})
    assert found.chat == ("qwen2.5-7b-instruct",)
    assert "LM Studio runs here" in found.hint
    assert "MODEL=text-embedding-nomic-embed-text-v1.5" in found.hint


def test_without_models_it_says_what_is_missing() -> None:
    with vendor({"/api/tags": {"models": []}}) as port:
        (found,) = find_local_servers({"Ollama": port})
    assert "no chat model yet" in found.hint
    assert "export" not in found.hint


@pytest.mark.parametrize(
    "routes",
    [
        {},
        {"/api/tags": b"<html>"},
        {"/api/tags": [1, 2]},
        {"/api/tags": {"models": "many"}},
        {"/api/tags": b"[" * 5000},
    ],
)
def test_another_server_on_that_port_is_none(routes: Mapping[str, object]) -> None:
    with vendor(routes) as port:
        assert find_local_servers({"Ollama": port}) == []


def test_a_name_that_no_shell_should_see_is_left_out() -> None:
    hostile = [{"name": name} for name in ("a; rm -rf ~", "$(id)", "x\n\x1b[2J", "", "ok:1b")]
    with vendor({"/api/tags": {"models": hostile}}) as port:
        (found,) = find_local_servers({"Ollama": port})
    assert found.chat == ("ok:1b",)


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("", 11434),
        ("127.0.0.1:8000", 8000),
        ("0.0.0.0", 11434),
        ("http://localhost:11500/", 11500),
        ("localhost:99999", 11434),
    ],
)
def test_the_port_is_ollamas_own_setting(host: str, port: int) -> None:
    assert ports_from({"OLLAMA_HOST": host}) == {**PORTS, "Ollama": port}
