"""What a list of models tells: which are there, and how large their windows are."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from graphrag.models.http_client import Server
from graphrag.models.vendors.listing import is_listed, listed_models, windows_of
from tests.vendors import (
    LLAMA_CPP_MODELS,
    LLAMA_CPP_PROPS,
    LM_STUDIO_MODELS,
    LM_STUDIO_V0,
    OLLAMA_MODELS,
    OLLAMA_PS,
    OLLAMA_SHOW,
    VLLM_MODELS,
    vendor,
)


def window(models: object, model: str, routes: Mapping[str, object]) -> int | None:
    async def look(port: int) -> Mapping[str, int]:
        server = Server(f"http://127.0.0.1:{port}/v1", None)
        try:
            return await windows_of(server, models, model=model)
        finally:
            await server.close()

    with vendor(routes) as port:
        return asyncio.run(look(port)).get(model)


@pytest.mark.parametrize(
    ("models", "model", "routes", "tokens"),
    [
        (VLLM_MODELS, "Qwen/Qwen3-8B", {}, 40960),
        (LLAMA_CPP_MODELS, "smollm2", {"/props": LLAMA_CPP_PROPS}, 2048),
        (LLAMA_CPP_MODELS, "smollm2", {}, None),
        (LM_STUDIO_MODELS, "qwen2.5-7b-instruct", {"/api/v0/models": LM_STUDIO_V0}, 6144),
        # Loaded; not loaded, with a window of its own; with Ollama's; as far as it was trained.
        (OLLAMA_MODELS, "qwen3:8b", {"/api/ps": OLLAMA_PS, "/api/show": OLLAMA_SHOW}, 8192),
        (OLLAMA_MODELS, "qwen3:8b", {"/api/ps": {"models": []}, "/api/show": OLLAMA_SHOW}, 16384),
        (OLLAMA_MODELS, "qwen3:8b", {"/api/show": {**OLLAMA_SHOW, "parameters": ""}}, 4096),
        (OLLAMA_MODELS, "qwen3:8b", {"/api/show": {"model_info": {"x.context_length": 512}}}, 512),
        (OLLAMA_MODELS, "qwen3:8b", {"/api/ps": b"<html>", "/api/show": [1]}, None),
    ],
)
def test_each_vendor_tells_its_window_in_its_own_place(
    models: object, model: str, routes: Mapping[str, object], tokens: int | None
) -> None:
    assert window(models, model, routes) == tokens


@pytest.mark.parametrize(
    ("model", "name", "there"),
    [
        ("gpt-4.1", "gpt-4.1", True),
        ("gpt-4.1", "gpt-4.1-mini", False),
        ("llama3", "llama3:latest", True),
        ("llama3", "llama3:70b", False),
        ("gemini-2.5-flash", "models/gemini-2.5-flash", True),
        ("deepseek/deepseek-r1:free", "deepseek/deepseek-r1", True),
        ("openai/gpt-4o", "openai/*", True),
        ("nosuch", "qwen3:8b", False),
    ],
)
def test_names_match_as_servers_match_them(model: str, name: str, *, there: bool) -> None:
    assert is_listed(model, ["other", name]) is there


@pytest.mark.parametrize("body", [None, [], {"data": 3}, {"data": [3, {"id": ""}]}])
def test_an_odd_list_has_no_models(body: object) -> None:
    assert listed_models(body) == {}
