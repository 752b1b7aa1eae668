"""Check the models that the settings name: reached, listed, and, on demand, asked.

Nothing is written. Without `ask` nothing is billed; with it four short calls are made.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel

from graphrag.core.errors import GraphRAGError
from graphrag.core.settings import Settings
from graphrag.engine.checks import Check, failed
from graphrag.models.limits.reply import LEAST
from graphrag.models.limits.window import Window
from graphrag.models.models import Models
from graphrag.models.openai_models import OpenAIChat, OpenAIEmbedder
from graphrag.models.replies.completion import check_finish
from graphrag.models.replies.parsing import parse_reply
from graphrag.models.replies.schema import reply_schema
from graphrag.models.replies.thoughts import without_thoughts
from graphrag.models.servers import open_models
from graphrag.models.vendors.listing import is_listed, listed_models, windows_of
from graphrag.models.vendors.loopback import find_local_servers, ports_from

if TYPE_CHECKING:
    from graphrag.models.http_client import Server

SHOWN_NAMES = 8
COUNT = "Write the numbers from one to twenty as words, and nothing else."
NAME = "Name the capital of France. Reply with one JSON object and nothing else."


class Capital(BaseModel):
    city: str
    letters: int


async def check_models(root: Path, settings: Settings, *, ask: bool) -> list[Check]:
    """Whether the servers answer and have the models; with `ask`, what the models do."""
    named = [
        f"{kind} {section.model!r}"
        for kind, used, section in (
            ("chat", settings.has_chat, settings.chat),
            ("embedding", settings.has_embedding, settings.embedding),
        )
        if used
    ]
    if not named:
        detail = "none: extraction by rules, answers made of quotations"
        found = await asyncio.to_thread(find_local_servers, ports_from(os.environ))
        return [Check("models", "ok", detail, "\n        ".join(one.hint for one in found))]
    try:
        models = open_models(settings, root=root)
        try:
            lists = {server: await server.preflight() for server in _servers(models)}
            served = settings.has_chat or not settings.embedding.is_local
            where = (
                "the server answers" if served else "in this process, loaded with the first text"
            )
            checks = [Check("models", "ok", f"{', '.join(named)}: {where}")]
            if isinstance(models.chat, OpenAIChat):
                listed = lists[models.chat.server]
                checks.append(await _chat(models.chat, settings, listed, ask=ask))
            if isinstance(models.embedder, OpenAIEmbedder):
                listed = lists[models.embedder.server]
                checks.append(await _embedder(models.embedder, settings, listed, ask=ask))
        finally:
            await models.close()
    except GraphRAGError as error:
        return [failed("models", error)]
    return checks


def _servers(models: Models) -> list[Server]:
    found = [
        model.server
        for model in (models.chat, models.embedder)
        if isinstance(model, OpenAIChat | OpenAIEmbedder)
    ]
    return list(dict.fromkeys(found))


async def _chat(chat: OpenAIChat, settings: Settings, listed: object, *, ask: bool) -> Check:
    looked_up = _look_up("chat", chat.name, chat.server, listed)
    window = Window(settings.chat, name=chat.name, cache=None)
    source = "chat.context_tokens"
    if window.tokens is None:
        window.read(await windows_of(chat.server, listed, model=chat.name))
        source = "as the server says"
    if ask:
        try:
            done = await _ask_chat(chat)
        except GraphRAGError as error:
            return failed("chat model", error)
        looked_up = Check("chat model", "ok", done)
    told = "its window is not known: set chat.context_tokens, or it is learnt from a refusal"
    if window.tokens is not None:
        told = f"window {window.tokens} tokens ({source}), prompts at most {window.fit(10**9)}"
        told += " and their instructions"
    return Check("chat model", looked_up.state, f"{looked_up.detail}; {told}", looked_up.hint)


async def _embedder(
    embedder: OpenAIEmbedder, settings: Settings, listed: object, *, ask: bool
) -> Check:
    if not ask:
        return _look_up("embedding", settings.embedding.model or "", embedder.server, listed)
    started = time.perf_counter()
    try:
        done = await embedder.embed_counted(["Paris"])
    except GraphRAGError as error:
        return failed("embedding model", error)
    seconds = time.perf_counter() - started
    fallbacks = _told(embedder.fallbacks)
    detail = f"{embedder.name!r} answers in {seconds:.1f} s with {done.vectors.shape[1]} numbers"
    return Check("embedding model", "ok", detail + fallbacks)


def _look_up(kind: str, name: str, server: Server, listed: object) -> Check:
    """Whether the list of the server has the model `name`."""
    names = [*listed_models(listed)]
    if not names or server.is_azure:  # which lists models, not deployments
        return Check(f"{kind} model", "ok", f"{name!r}: {server.url} does not say what it has")
    if is_listed(name, names):
        return Check(f"{kind} model", "ok", f"{name!r}: {server.url} has it")
    shown = ", ".join(sorted(names)[:SHOWN_NAMES])
    more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return Check(
        f"{kind} model",
        # A server of one model may answer to any name.
        "warning" if len(names) == 1 else "failed",
        f"{server.url} has no {name!r}; it has {shown}{more}",
        f"Set {kind}.model to what it has, or fetch the model there; `graphrag doctor --ask` asks.",
    )


async def _ask_chat(chat: OpenAIChat) -> str:
    """Complete, stream, and ask for a schema; what came of it."""
    from graphrag.prompts import Message

    messages = [Message("system", "You follow instructions."), Message("user", COUNT)]
    started = time.perf_counter()
    done = await chat.complete(messages, most_tokens=LEAST)
    seconds = time.perf_counter() - started
    told = f"{done.model or chat.name!r} answers in {seconds:.1f} s"
    if done.finish != "length":  # a small model may go on counting
        check_finish(done, kind="ask")
    told += f", {done.completion_tokens / max(seconds, 1e-3):.0f} tokens/s"
    started, first = time.perf_counter(), 0.0
    async for _ in chat.stream(messages, most_tokens=LEAST):
        first = first or time.perf_counter() - started
    told += f"; streams from {first:.1f} s on"
    question = [messages[0], Message("user", NAME)]
    schema = reply_schema(Capital, title="capital")
    reply = await chat.complete(question, schema=schema, most_tokens=LEAST)
    parse_reply(without_thoughts(check_finish(reply, kind="ask")), Capital)
    return f"{told}; keeps to a schema{_told(chat.fallbacks)}"


def _told(fallbacks: tuple[str, ...]) -> str:
    return f"; it does not take {', '.join(fallbacks)}" if fallbacks else ""
