"""Open the models that the settings name, one server for each address and key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

from graphrag.core.errors import SettingsError
from graphrag.core.settings import ChatSettings, EmbeddingSettings, RerankSettings, Settings
from graphrag.core.work_folder import cache_file
from graphrag.models.http_client import Server
from graphrag.models.http_errors import without_secrets
from graphrag.models.local.embedder import LocalEmbedder
from graphrag.models.models import Models
from graphrag.models.openai_models import OpenAIChat, OpenAIEmbedder
from graphrag.models.protocol import ChatModel, Embedder
from graphrag.models.rerank import RerankEndpoint

Servers: TypeAlias = dict[tuple[str | None, str], Server]


def open_models(
    settings: Settings,
    *,
    root: Path,
    chat: ChatModel | None = None,
    embedder: Embedder | None = None,
    servers: Servers | None = None,
) -> Models:
    """The models that the settings name, or those given. Nothing is called yet.

    `servers` are those that are open. Raises SettingsError on a bad URL or key, or on a cost
    limit without a price.
    """
    servers = {} if servers is None else servers
    if chat is None and settings.has_chat:
        chat = OpenAIChat(open_server(settings, "chat", servers), settings.chat)
    if embedder is None and settings.has_embedding:
        if settings.embedding.is_local:
            embedder = LocalEmbedder(settings.embedding.model or "")
        else:
            server = open_server(settings, "embedding", servers)
            embedder = OpenAIEmbedder(server, settings.embedding)
    reranker = None
    if settings.rerank.method == "endpoint":
        reranker = RerankEndpoint(open_server(settings, "rerank", servers), settings.rerank)
    return Models(
        chat=chat,
        embedder=embedder,
        reranker=reranker,
        settings=settings,
        cache_path=cache_file(root),
    )


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
