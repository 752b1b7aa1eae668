"""Look models up in a server's list, and ask a vendor's own pages how large their windows are.

Sources: docs/model-servers.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import cast

from graphrag.models.http_client import Server
from graphrag.models.limits.window import listed_windows

# What servers call the owner of each model that they list.
LLAMA_CPP, OLLAMA, LM_STUDIO = "llamacpp", "library", "organization_owner"
OLLAMA_WINDOW = 4096  # where neither the model nor the server is told another
_NUM_CTX = re.compile(r"^num_ctx\s+(\d+)", re.MULTILINE)


def listed_models(body: object) -> dict[str, str]:
    """Name and owner of each model in a decoded list; empty where it is none."""
    entries = [_fields(entry) for entry in _items(_fields(body).get("data"))]
    return {str(one["id"]): str(one.get("owned_by") or "") for one in entries if one.get("id")}


def is_listed(model: str, names: Sequence[str]) -> bool:
    """Whether `model` is among `names`, as servers match them.

    Tags and folders may be left out (`qwen3`: `qwen3:latest`; `gemini`: `models/gemini`), and a
    proxy's list may have patterns.
    """
    return any(
        model in (name, name.removesuffix(":latest"), name.rpartition("/")[2])
        or model.partition(":")[0] == name
        or ("*" in name and fnmatchcase(model, name))
        for name in names
    )


async def windows_of(server: Server, body: object, *, model: str) -> Mapping[str, int]:
    """The window of each model of a list, or of `model`, by what its vendor tells elsewhere."""
    windows = listed_windows(body)
    if windows:
        return windows
    owners = {*listed_models(body).values()}
    if LLAMA_CPP in owners:
        tokens = _llama_cpp(await server.look("/props"))
    elif OLLAMA in owners:
        loaded = _ollama_loaded(await server.look("/api/ps"), model)
        tokens = loaded or _ollama(await server.look("/api/show", {"model": model}))
    elif LM_STUDIO in owners:
        return listed_windows(await server.look("/api/v0/models"))
    else:
        tokens = 0
    return {model: tokens} if tokens else {}


def _llama_cpp(props: object) -> int:
    return _whole(_fields(_fields(props).get("default_generation_settings")).get("n_ctx"))


def _ollama_loaded(running: object, model: str) -> int:
    """The window that the model was loaded with, if it is."""
    entries = [_fields(entry) for entry in _items(_fields(running).get("models"))]
    sizes = [
        _whole(one.get("context_length"))
        for one in entries
        if is_listed(model, [str(one.get("name"))])
    ]
    return max(sizes, default=0)


def _ollama(shown: object) -> int:
    """The window that it will be loaded with: what it was made with, as far as it was trained."""
    fields = _fields(shown)
    if not fields:
        return 0
    chosen = _NUM_CTX.search(str(fields.get("parameters") or ""))
    info = _fields(fields.get("model_info"))
    trained = [_whole(size) for name, size in info.items() if name.endswith(".context_length")]
    return min([int(chosen[1]) if chosen else OLLAMA_WINDOW, *filter(None, trained)])


def _fields(value: object) -> dict[str, object]:
    return cast(dict[str, object], value) if isinstance(value, dict) else {}


def _items(value: object) -> list[object]:
    return cast(list[object], value) if isinstance(value, list) else []


def _whole(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0
