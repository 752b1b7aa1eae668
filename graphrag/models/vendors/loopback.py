"""Find Ollama and LM Studio on this machine, and say how to use them.

A port on which nobody listens answers at once; one that says nothing costs a third of a second.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

HOST = "127.0.0.1"
TIMEOUT_S = 0.3
MOST_BYTES = 2**20
# What may stand in a line for a shell; a server may list whatever it likes.
_NAME = re.compile(r"[\w.:/@+-]{1,200}", re.ASCII)
_EMBEDS = re.compile(r"embed|bert|minilm|\bbge\b|\be5\b", re.IGNORECASE)

Vendor = Literal["Ollama", "LM Studio"]
PORTS: Mapping[Vendor, int] = {"Ollama": 11434, "LM Studio": 1234}


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A server that answers, and the names of its models."""

    vendor: Vendor
    base_url: str
    chat: tuple[str, ...]
    embedding: tuple[str, ...]

    @property
    def hint(self) -> str:
        """How to use it; what is missing where there is no chat model."""
        if not self.chat:
            return f"{self.vendor} runs here at {self.base_url} and has no chat model yet."
        embedding = self.embedding[0] if self.embedding else "null"
        return (
            f"{self.vendor} runs here with {self.chat[0]}: export OPENAI_BASE_URL={self.base_url} "
            f"GRAPHRAG__CHAT__MODEL={self.chat[0]} GRAPHRAG__EMBEDDING__MODEL={embedding}"
        )


def ports_from(environ: Mapping[str, str]) -> Mapping[Vendor, int]:
    """Where they listen: by default, or as `OLLAMA_HOST` says, of which the port counts."""
    port = environ.get("OLLAMA_HOST", "").rstrip("/").rpartition(":")[2]
    return {**PORTS, "Ollama": int(port)} if port.isdecimal() and int(port) < 2**16 else PORTS


def find_local_servers(ports: Mapping[Vendor, int]) -> list[LocalServer]:
    """Those that answer on the loopback."""
    found: list[LocalServer] = []
    for vendor, port in ports.items():
        path, key, name = ("/api/tags", "models", "name")
        if vendor == "LM Studio":
            path, key, name = ("/v1/models", "data", "id")
        entries = _list(_get(port, path), key)
        if entries is None:
            continue
        names = {str(entry.get(name)): _is_embedder(entry, name) for entry in entries}
        names = {one: embeds for one, embeds in names.items() if _NAME.fullmatch(one)}
        found.append(
            LocalServer(
                vendor,
                f"http://{HOST}:{port}/v1",
                tuple(one for one, embeds in names.items() if not embeds),
                tuple(one for one, embeds in names.items() if embeds),
            )
        )
    return found


def _is_embedder(entry: Mapping[str, object], name: str) -> bool:
    details = entry.get("details")
    family = cast(Mapping[str, object], details).get("family") if isinstance(details, dict) else ""
    return _EMBEDS.search(f"{entry.get(name)} {family}") is not None


def _get(port: int, path: str) -> object:
    from http.client import HTTPConnection, HTTPException

    connection = HTTPConnection(HOST, port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", path)
        reply = connection.getresponse()
        return cast(object, json.loads(reply.read(MOST_BYTES))) if reply.status == 200 else None
    except (OSError, HTTPException, ValueError, RecursionError):
        return None
    finally:
        connection.close()


def _list(body: object, key: str) -> Sequence[Mapping[str, object]] | None:
    value = cast(Mapping[str, object], body).get(key) if isinstance(body, dict) else None
    if not isinstance(value, list):
        return None
    return [
        cast(Mapping[str, object], entry)
        for entry in cast(list[object], value)
        if isinstance(entry, dict)
    ]
