"""Model servers in the shapes that their vendors document (see docs/model-servers.md)."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast

OLLAMA_TAGS: Mapping[str, object] = {
    "models": [
        {
            "name": "qwen3:8b",
            "model": "qwen3:8b",
            "modified_at": "2026-05-04T14:56:49.277302595-07:00",
            "size": 5225388164,
            "digest": "500a1f067a9f",
            "details": {"format": "gguf", "family": "qwen3", "parameter_size": "8.2B"},
        },
        {
            "name": "nomic-embed-text:latest",
            "model": "nomic-embed-text:latest",
            "size": 274302450,
            "details": {"format": "gguf", "family": "nomic-bert", "parameter_size": "137M"},
        },
    ]
}
OLLAMA_MODELS: Mapping[str, object] = {
    "object": "list",
    "data": [
        {"id": "qwen3:8b", "object": "model", "created": 1746395809, "owned_by": "library"},
        {
            "id": "nomic-embed-text:latest",
            "object": "model",
            "created": 1746395809,
            "owned_by": "library",
        },
    ],
}
OLLAMA_SHOW: Mapping[str, object] = {
    "parameters": 'stop    "<|im_end|>"\nnum_ctx    16384',
    "details": {"family": "qwen3"},
    "model_info": {"general.architecture": "qwen3", "qwen3.context_length": 40960},
    "capabilities": ["completion", "tools", "thinking"],
}
OLLAMA_PS: Mapping[str, object] = {
    "models": [{"name": "qwen3:8b", "model": "qwen3:8b", "size": 1, "context_length": 8192}]
}
LM_STUDIO_MODELS: Mapping[str, object] = {
    "object": "list",
    "data": [
        {"id": "qwen2.5-7b-instruct", "object": "model", "owned_by": "organization_owner"},
        {
            "id": "text-embedding-nomic-embed-text-v1.5",
            "object": "model",
            "owned_by": "organization_owner",
        },
    ],
}
LM_STUDIO_V0: Mapping[str, object] = {
    "object": "list",
    "data": [
        {
            "id": "qwen2.5-7b-instruct",
            "object": "model",
            "type": "llm",
            "state": "loaded",
            "max_context_length": 32768,
            "loaded_context_length": 6144,
        },
    ],
}
LLAMA_CPP_MODELS: Mapping[str, object] = {
    "object": "list",
    "data": [
        {"id": "smollm2", "object": "model", "owned_by": "llamacpp", "meta": {"n_ctx_train": 8192}}
    ],
}
LLAMA_CPP_PROPS: Mapping[str, object] = {
    "default_generation_settings": {"n_ctx": 2048, "params": {"n_predict": -1}},
    "total_slots": 1,
    "model_alias": "smollm2",
}
VLLM_MODELS: Mapping[str, object] = {
    "object": "list",
    "data": [
        {
            "id": "Qwen/Qwen3-8B",
            "object": "model",
            "owned_by": "vllm",
            "root": "Qwen/Qwen3-8B",
            "max_model_len": 40960,
        }
    ],
}


@contextmanager
def vendor(routes: Mapping[str, object]) -> Generator[int]:
    """The port of a server that answers GET and POST of each path with its JSON, else 404."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            found = routes.get(self.path)
            data = found if isinstance(found, bytes) else json.dumps(found).encode()
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_GET  # noqa: N815 - the name is the library's

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield cast(tuple[str, int], server.server_address)[1]
        finally:
            server.shutdown()
