"""How one index run makes its calls: from this process, from a Ray cluster, or by batches."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from graphrag.core.concurrency import Progress, Silent
from graphrag.core.errors import UsageError
from graphrag.core.logs import get_log
from graphrag.core.settings import WORK_FOLDER, Price, Settings
from graphrag.indexing.runners import HERE, Runner
from graphrag.models.batch.server import BatchServer
from graphrag.models.models import Models
from graphrag.models.openai_models import CHAT_PATH, EMBEDDINGS_PATH
from graphrag.models.protocol import ChatModel, Embedder
from graphrag.models.servers import Servers, open_models, open_server
from graphrag.models.spending import known_price

if TYPE_CHECKING:
    from graphrag.stores import GraphStore

log = get_log(__name__)


@dataclass(frozen=True, slots=True)
class Mode:
    """What the caller chose."""

    engine: Literal["local", "ray"] = "local"
    address: str | None = None  # of the cluster
    batch: bool = False


@dataclass(frozen=True, slots=True)
class EngineParts:
    """What a run works with. `chat` and `embedder` are objects that the caller gave, if any."""

    settings: Settings
    root: Path
    chat: ChatModel | None = None
    embedder: Embedder | None = None


@asynccontextmanager
async def prepared(
    mode: Mode,
    parts: EngineParts,
    *,
    models: Callable[[], Models],
    store: Callable[[], Awaitable[GraphStore]],
    progress: Progress,
) -> AsyncGenerator[tuple[Models, Settings, Runner], None]:
    """Models, settings and runner for the time of one run, counting from zero.

    `models` opens those of single calls. Raises UsageError on a mode that cannot be.
    """
    if mode.engine == "local" and mode.address is not None:
        raise UsageError(
            f"an address ({mode.address!r}) is given without a cluster engine",
            hint="Add --engine ray.",
        )
    if mode.batch:
        if mode.engine != "local":
            raise UsageError(
                "--batch and --engine ray do not go together",
                hint="With --batch this machine only waits: leave --engine out.",
            )
        async with _batched(parts, progress) as (batched, settings):
            yield batched, settings, HERE
        return
    if any(_notes(parts).glob("*.json")):
        log.warning("a batch is on its way: without --batch its calls are made and paid again")
    fresh = models().with_fresh_usage()
    if mode.engine == "local":
        yield fresh, parts.settings, HERE
        return
    from graphrag.indexing.runners import ray as cluster

    async with cluster.connected(
        mode.address,
        settings=parts.settings,
        store=await store(),
        root=parts.root,
        chat=parts.chat,
        embedder=parts.embedder,
    ) as runner:
        yield fresh, parts.settings, runner


def planned(parts: EngineParts) -> Models:
    """Models that know what a run by batches would cost; they are not to be called."""
    return _open(parts, Silent())[0]


@asynccontextmanager
async def _batched(
    parts: EngineParts, progress: Progress
) -> AsyncGenerator[tuple[Models, Settings], None]:
    models, settings, server = _open(parts, progress)
    try:
        yield models, settings
        await server.forget()
    finally:
        await models.close()


def _open(parts: EngineParts, progress: Progress) -> tuple[Models, Settings, BatchServer]:
    """Models whose calls go by batches, at their price, all of a step at once."""
    settings = parts.settings
    served = settings.has_embedding and not settings.embedding.is_local
    if parts.chat is not None or not (settings.has_chat or served):
        raise UsageError(
            "--batch needs a model of a server with the Batch API, and the settings name none",
            hint="Set OPENAI_API_KEY or chat.base_url, or leave --batch out.",
        )
    embeds = settings.batch.embeddings and parts.embedder is None and served
    server = partial(
        BatchServer,
        paths=frozenset((CHAT_PATH, EMBEDDINGS_PATH) if embeds else (CHAT_PATH,)),
        settings=settings.batch,
        max_retries=settings.chat.max_retries,
        folder=_notes(parts),
        progress=progress,
    )
    servers: Servers = {}
    section = "chat" if settings.has_chat else "embedding"
    batching = open_server(settings, section, servers, make=server)
    assert isinstance(batching, BatchServer)
    if embeds:
        embeds = open_server(settings, "embedding", servers) is batching
    settings = _at_once(settings, embeds=embeds)
    models = open_models(settings, root=parts.root, embedder=parts.embedder, servers=servers)
    return models, settings, batching


def _notes(parts: EngineParts) -> Path:
    """The folder that says which batches are on their way."""
    return parts.root / WORK_FOLDER / "batches"


def _at_once(settings: Settings, *, embeds: bool) -> Settings:
    """`settings` with the price of a batch, and no other bound on calls that wait together."""
    changed: dict[str, object] = {}
    for name, part in (("chat", settings.chat), ("embedding", settings.embedding)):
        if name == "chat" or embeds:
            usual = part.price or known_price(part.model or "")
            factor = settings.batch.price_factor
            price = usual and Price(input=usual.input * factor, output=usual.output * factor)
            most = settings.batch.max_requests
            changed[name] = part.model_copy(update={"price": price, "concurrency": most})
    return settings.model_copy(update=changed)
