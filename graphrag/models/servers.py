"""Settings in, the server of each kind of model out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias
from urllib.parse import urlsplit

from graphrag.core.errors import SettingsError
from graphrag.core.settings import ChatSettings, EmbeddingSettings, RerankSettings, Settings
from graphrag.models.http_client import Server
from graphrag.models.http_errors import without_secrets

Servers: TypeAlias = dict[tuple[str | None, str], Server]


def open_server(
    settings: Settings,
    section: str,
    servers: Servers,
    *,
    make: Callable[[str | None, str], Server] = Server,
) -> Server:
    """The server of `section`, one for each address and key in `servers`. Raises SettingsError."""
    part = _endpoint(settings, section)
    url, key = part.base_url, part.api_key.get_secret_value().strip() if part.api_key else ""
    if url is not None and not _is_url(url):
        raise SettingsError(
            f"{section}.base_url {without_secrets(url)!r} is no URL",
            hint="Write it as http://localhost:11434/v1 or https://….",
        )
    if not key.isascii() or not key.isprintable():
        raise SettingsError(
            f"{section}.api_key has characters that no key has",
            hint="Copy the key again; look for quotation marks and line breaks.",
        )
    if (url, key) not in servers:
        servers[url, key] = make(url, key)
    return servers[url, key]


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        _ = parts.port  # is read only when asked for
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and " " not in parts.netloc


def _endpoint(
    settings: Settings, section: str
) -> ChatSettings | EmbeddingSettings | RerankSettings:
    if section != "rerank":
        return settings.chat if section == "chat" else settings.embedding
    part, chat = settings.rerank, settings.chat
    if not part.model or not (part.base_url or chat.base_url):
        raise SettingsError(
            "rerank.method is 'endpoint', but rerank.model or rerank.base_url is not set",
            hint="Name the model and the server with /rerank, or use rerank.method: listwise.",
        )
    if part.base_url and part.base_url != chat.base_url:
        return part  # another server does not get the chat server's key
    return part.model_copy(
        update={"base_url": chat.base_url, "api_key": part.api_key or chat.api_key}
    )
