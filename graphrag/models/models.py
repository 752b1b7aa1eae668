"""Make model calls for the steps: cached, shared, counted, bounded in rate and in cost."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel

from graphrag.core import tracing
from graphrag.core.answers import Usage
from graphrag.core.errors import (
    BadReplyError,
    ContextTooLongError,
    ModelError,
    SettingsError,
    UsageError,
)
from graphrag.core.logs import get_log, reason
from graphrag.core.settings import Settings
from graphrag.models.asking import FATAL_OR_UNREACHABLE, ask_each, reply_or_error
from graphrag.models.cache import InFlight, ResponseCache, request_key
from graphrag.models.http_client import Server
from graphrag.models.limits.load import Load
from graphrag.models.limits.reply import LEAST, MOST, reply_tokens
from graphrag.models.limits.window import Window
from graphrag.models.local.prefixes import prefix
from graphrag.models.openai_models import OpenAIChat, OpenAIEmbedder, ReplyStream, streamed
from graphrag.models.protocol import ChatModel, Embedder
from graphrag.models.replies.completion import Completion, check_finish, checked
from graphrag.models.replies.items import ParsedReply
from graphrag.models.replies.parsing import Opening, correction, parse_reply, unfenced
from graphrag.models.replies.schema import reply_schema
from graphrag.models.replies.thoughts import ThoughtFilter, thinks_aloud, without_thoughts
from graphrag.models.rerank import RerankEndpoint
from graphrag.models.spending import Ledger, cost_of, known_price, require_price, upper_estimate
from graphrag.models.vectors import as_matrix, batches, checked_vectors
from graphrag.models.vendors.listing import windows_of
from graphrag.text.tokens import encodable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from graphrag.prompts import Message

Reply = TypeVar("Reply", bound=BaseModel)

log = get_log(__name__)

CUT_OFF_ANSWERS = "answers that were cut off: {} (raise chat.max_output_tokens)"
CUT_TEXTS = (
    "texts cut to what the embedding model takes: {} (lower embedding.window_tokens for all)"
)


class Models:
    """The models of one run, as steps use them. Belongs to one event loop.

    `chat` or `embedder` is None where there is no such model.
    """

    def __init__(
        self,
        *,
        chat: ChatModel | None,
        embedder: Embedder | None,
        settings: Settings,
        reranker: RerankEndpoint | None = None,
        cache_path: Path | None = None,
    ) -> None:
        """`cache_path`: the SQLite response cache; None keeps none."""
        self.chat = chat
        self.embedder = embedder
        self._reranker = reranker
        self._settings = settings
        self._chat_price = settings.chat.price or known_price(chat.name if chat else "")
        self._embedding_price = settings.embedding.price or known_price(
            embedder.name.partition("@")[0] if embedder else ""
        )
        most = settings.limits.max_cache_mb
        self._cache = ResponseCache(cache_path, max_mb=most) if cache_path else None
        self.window = Window(settings.chat, name=chat.name if chat else "", cache=self._cache)
        self._chat_slots = asyncio.Semaphore(settings.chat.concurrency)
        self._embedding_slots = asyncio.Semaphore(settings.embedding.concurrency)
        self._texts: InFlight[str] = InFlight()
        self._vectors: InFlight[dict[str, bytes]] = InFlight()
        self._schemas: dict[tuple[type[BaseModel], str], dict[str, object]] = {}
        self._ledger = Ledger(max_cost_usd=settings.limits.max_cost_usd)
        self._retries_before: list[int] = []
        self._aloud: set[str] = set()  # models whose thoughts have no opening tag
        self._thinks: dict[str, bool] = {}  # models that were looked up, and whether they do
        self._in_one_piece = False
        if settings.limits.max_cost_usd is not None:
            if chat is not None:
                require_price(self._chat_price, of=chat.name, section="chat")
            if embedder is not None:
                require_price(self._embedding_price, of=embedder.name, section="embedding")
            if reranker is not None and settings.rerank.price_per_call is None:
                raise SettingsError(
                    "a cost limit needs the price of the rerank endpoint, which is not known",
                    hint="Set rerank.price_per_call (USD); 0 for a server of your own.",
                )

    @property
    def usage(self) -> Usage:
        """What was spent since this object was made."""
        return self._ledger.total

    def chat_cost(self, prompt_tokens: int, completion_tokens: int) -> float | None:
        """USD that such a number of tokens costs; None when the price is not known."""
        if self.chat is None:
            return 0.0
        return cost_of(self._chat_price, prompt_tokens, completion_tokens)

    def count(self, kind: str, usage: Usage) -> None:
        """Add what another process spent for this run."""
        self._ledger.add(kind, usage)

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know of the calls since this object was made, a sentence each."""
        before = self._retries_before
        again = sum(load.retries for load in self._loads()) - sum(before)
        if not again:
            return self._ledger.told
        fewest = min(load.limit for load in self._loads())
        told = f"calls that a server failed at and that were sent again: {again}"
        slowed = any(load.limit < load.most for load in self._loads())
        return (*self._ledger.told, f"{told}; in the end {fewest} at once" if slowed else told)

    def usage_by_kind(self) -> dict[str, Usage]:
        return dict(sorted(self._ledger.by_kind.items()))

    def with_fresh_usage(self) -> Models:
        """The same models, cache and limiters, counting from zero: one per query."""
        fresh = copy.copy(self)
        fresh._ledger = Ledger(max_cost_usd=self._ledger.max_cost_usd)
        fresh._retries_before = [load.retries for load in self._loads()]
        return fresh

    def in_one_piece(self) -> Models:
        """The same for a caller whose streams nobody watches: each comes whole, at its end."""
        whole = copy.copy(self)
        whole._in_one_piece = True
        return whole

    def metered(self) -> Models:
        """The same, for some calls: its `usage` is theirs alone, and counts here too."""
        part = copy.copy(self)
        part._ledger = Ledger(max_cost_usd=self._ledger.max_cost_usd, outer=self._ledger)
        return part

    async def preflight(self) -> None:
        """Fail in seconds on a wrong key or an unreachable server, without a billed call."""
        for server in self._servers():
            listed = await server.preflight()
            if isinstance(self.chat, OpenAIChat) and self.chat.server is server:
                self.window.read(await windows_of(server, listed, model=self.chat.name))

    async def json(
        self, messages: Sequence[Message], reply: type[Reply], *, kind: str, cache: bool = True
    ) -> Reply:
        """One reply that validates as `reply`; asked again once when it does not.

        Items that cannot be read are left out and counted in `notes`; where they are many, the
        better of two replies counts. Raises BadReplyError when none validates, CostLimitError
        before the limit is passed.
        """
        schema = self._schema(reply, kind)
        key = self._key(messages, schema) if cache else None
        known = await self._known(key)
        if known is not None:
            with suppress(BadReplyError):
                parsed = parse_reply(known, reply)
                self._ledger.add(kind, Usage(cached_calls=1))
                return self._counted(parsed)
        with self._texts.claim(key) as settle:
            text = await self._ask(messages, kind, schema)
            try:
                parsed = parse_reply(text, reply)
            except BadReplyError as error:
                log.info("asked once more (%s): %s", kind, reason(error))
                text = await self._ask(correction(messages, text, str(error)), kind, schema)
                parsed = parse_reply(text, reply)
            else:
                if parsed.lost_much:
                    text, parsed = await self._ask_better(messages, kind, schema, text, parsed)
            self._keep(key, text)
            settle(text)
        return self._counted(parsed)

    async def text(self, messages: Sequence[Message], *, kind: str, cache: bool = True) -> str:
        """One reply as plain text. Raises BadReplyError on an empty or cut-off one."""
        key = self._key(messages, None) if cache else None
        text = await self._known(key)
        if text is not None:
            self._ledger.add(kind, Usage(cached_calls=1))
            return text
        with self._texts.claim(key) as settle:
            text = unfenced(await self._ask(messages, kind, None))
            self._keep(key, text)
            settle(text)
        return text

    async def stream(self, messages: Sequence[Message], *, kind: str) -> AsyncGenerator[str, None]:
        """The reply in pieces; a cached one comes in one piece.

        Raises ModelError when the reply breaks off; the pieces until then were passed on. One that
        is cut off after as many tokens as it may have is a note, for much of it is there.
        """
        key = self._key(messages, None)
        known = await self._known(key)
        if known is not None:
            self._ledger.add(kind, Usage(cached_calls=1))
            yield known
            return
        in_pieces = not (self._in_one_piece or self._is_known_to_think_aloud())
        thoughts, start, raw = ThoughtFilter(), Opening(), list[str]()
        async with self._chat_slots, self._ledger.hold(self._chat_estimate(messages)):
            chat = self._chat_model()
            if isinstance(chat, OpenAIChat):
                source = chat.stream(messages, most_tokens=self._bound(messages, MOST))
            else:
                source = chat.stream(messages)
            with tracing.model_call("chat", self._chat_model().name, kind=kind) as call:
                try:
                    async for piece in source:
                        raw.append(encodable(piece))
                        shown = start.feed(thoughts.feed(raw[-1])) if in_pieces else ""
                        if shown and not thoughts.aloud:
                            yield shown
                except ContextTooLongError as error:
                    self._refused(messages, error)
                    raise
                finally:
                    done = streamed(source, messages, "".join(raw))
                    if done.text:
                        self._record(kind, done)
                    call.used(done.prompt_tokens, done.completion_tokens, done.finish)
                    if isinstance(source, ReplyStream | AsyncGenerator):
                        await source.aclose()
                is_cut_off = done.finish == "length"
                if is_cut_off:
                    done = replace(done, finish="stop")
                text = unfenced(self._read(done, kind))
                if is_cut_off:
                    self._ledger.note(CUT_OFF_ANSWERS, 1)
                else:
                    self._keep(key, text)
        if thoughts.aloud:
            raise BadReplyError(
                "the model's thoughts came without an opening tag, as if they were its answer",
                hint="Ask again: the answer is kept, and later ones of this model come whole.",
            )
        if not in_pieces or start.is_fenced:
            yield text
        elif rest := start.close(thoughts.close()):
            yield rest

    async def embed(self, texts: Sequence[str], *, kind: str) -> NDArray[np.float32]:
        """Vectors, shape (len(texts), dimensions), kept per text by its hash.

        Equal texts are sent once; batches are as full as the settings allow. Where one fails
        the others are kept, and its error is raised. A question (`kind` is `query`) gets the
        prefix that the model wants.
        """
        if kind == "query" and (asking := prefix("query", self._settings.embedding)):
            texts = [asking + text for text in texts]
        name = self._embedding_model().name
        keys = {text: request_key("embedding", name, text) for text in texts}
        vectors = self._cache.vectors([*keys.values()]) if self._cache else {}
        missing = {keys[text]: text for text in keys if keys[text] not in vectors}
        call = request_key(*missing)
        running = await self._vectors.wait(call) if missing else None
        if missing and running is None:
            with self._vectors.claim(call) as settle:
                made = await ask_each(
                    batches(missing, self._settings.embedding),
                    lambda batch: self._embed_batch(batch, kind),
                    limit=self._settings.embedding.concurrency,
                    fatal=FATAL_OR_UNREACHABLE,
                )
                running = dict[str, bytes]()
                for part in made:
                    if isinstance(part, ModelError):
                        raise part
                    running |= part
                settle(running)
        elif texts:
            self._ledger.add(kind, Usage(cached_calls=1))
        return as_matrix(vectors | (running or {}), [keys[text] for text in texts], name=name)

    def kept_vectors(self, texts: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """By text: the vectors that the response cache holds."""
        import numpy as np

        name = self._embedding_model().name
        keys = {request_key("embedding", name, text): text for text in texts}
        known = self._cache.vectors([*keys]) if self._cache else {}
        return {keys[key]: np.frombuffer(vector, np.float32) for key, vector in known.items()}

    def keep_vectors(self, texts: Sequence[str], rows: NDArray[np.float32]) -> None:
        """Put vectors that another process made into the response cache."""
        name = self._embedding_model().name
        if self._cache:
            pairs = zip(texts, rows, strict=True)
            self._cache.put_vectors(
                {
                    request_key("embedding", name, text): row.astype("<f4").tobytes()
                    for text, row in pairs
                }
            )

    async def rerank(self, query: str, documents: Sequence[str]) -> list[float]:
        """How well each document fits, by the rerank endpoint; a cached reply costs nothing.

        Raises UsageError without an endpoint, ModelError when it fails.
        """
        endpoint = self._reranker
        if endpoint is None:
            raise UsageError(
                "there is no rerank endpoint", hint="Set rerank.method: endpoint and rerank.model."
            )
        key = request_key("rerank", endpoint.server.url, endpoint.name, query, [*documents])
        known = self._cache.reply(key) if self._cache else None
        if known is not None:
            self._ledger.add("rerank", Usage(cached_calls=1))
            return [float(score) for score in known.split()]
        price = self._settings.rerank.price_per_call
        async with self._ledger.hold(price):
            with tracing.model_call("rerank", endpoint.name, kind="rerank"):
                scores = await endpoint.rerank(query, documents)
            self._ledger.add("rerank", Usage(cost_usd=price))
        self._keep(key, " ".join(map(repr, scores)))
        return scores

    def forget_replies(self) -> None:
        """Drop cached replies, which may quote documents that were deleted; vectors stay."""
        if self._cache:
            self._cache.forget_replies()

    async def close(self) -> None:
        """Close the connections and the cache; objects that the caller gave stay open."""
        for server in self._servers():
            await server.close()
        if self._cache:
            self._cache.close()

    async def _known(self, key: str | None) -> str | None:
        """The reply that the cache holds, or that an identical call at work is about to give."""
        if key is None:
            return None
        running = await self._texts.wait(key)
        if running is not None or self._cache is None:
            return running
        kept = self._cache.reply(key)
        return without_thoughts(kept) if kept else None

    async def _ask(
        self, messages: Sequence[Message], kind: str, schema: Mapping[str, object] | None
    ) -> str:
        chat = self._chat_model()
        async with self._chat_slots, self._ledger.hold(self._chat_estimate(messages)):
            with tracing.model_call("chat", chat.name, kind=kind) as call:
                most = self._bound(messages, reply_tokens(schema, prompt=_estimate(messages)))
                done: object = None
                while done is None:
                    try:
                        if isinstance(chat, OpenAIChat):
                            done = await chat.complete(messages, schema=schema, most_tokens=most)
                        else:
                            done = await chat.complete(messages, schema=schema)
                    except ContextTooLongError as error:
                        self._refused(messages, error)
                        most = self._shorter(messages, most, error)
                completion = checked(done, name=chat.name)
                self._record(kind, completion)
                call.used(completion.prompt_tokens, completion.completion_tokens, completion.finish)
                return self._read(completion, kind)

    def _bound(self, messages: Sequence[Message], wanted: int) -> int:
        """`wanted` tokens of a reply, or what the window leaves for it."""
        self._share_thoughts()
        window = self.window.tokens
        if window is None or _estimate(messages) + wanted <= window:
            return wanted
        return max(LEAST, min(wanted, self.window.left([one.content for one in messages])))

    def _shorter(self, messages: Sequence[Message], most: int, error: ContextTooLongError) -> int:
        """A lower bound than `most`, for servers that count it in. Raises `error` where none is."""
        room = self.window.left([one.content for one in messages])
        if error.limit is None or not LEAST <= room < most:
            raise error
        return room

    def _share_thoughts(self) -> None:
        """Remember under the root that the model sends thoughts, and tell a model that does."""
        if not isinstance(chat := self.chat, OpenAIChat):
            return
        key = request_key("sends thoughts", chat.name)
        if chat.name not in self._thinks:
            self._thinks[chat.name] = bool(self._cache and self._cache.reply(key))
            chat.thinks = chat.thinks or self._thinks[chat.name]
        if chat.thinks and not self._thinks[chat.name]:
            self._thinks[chat.name] = True
            self._keep(key, "yes")

    async def _ask_better(
        self,
        messages: Sequence[Message],
        kind: str,
        schema: Mapping[str, object],
        text: str,
        parsed: ParsedReply[Reply],
    ) -> tuple[str, ParsedReply[Reply]]:
        """The better of `text` and the reply to the request with what is wrong with it."""
        log.info("asked once more (%s): %s", kind, parsed.problems)
        further = self._ask(correction(messages, text, parsed.problems), kind, schema)
        again = await reply_or_error(further)
        if isinstance(again, str):
            with suppress(BadReplyError):
                second = parse_reply(again, type(parsed.value))
                if second.lost.total() < parsed.lost.total():
                    return again, second
        return text, parsed

    def _counted(self, parsed: ParsedReply[Reply]) -> Reply:
        for items, count in sorted(parsed.lost.items()):
            self._ledger.note(f"{{}} of the {items} that the model sent could not be read", count)
        return parsed.value

    def _refused(self, messages: Sequence[Message], error: ContextTooLongError) -> None:
        self.window.refused(error.limit, sent=_estimate(messages))

    def _read(self, completion: Completion, kind: str) -> str:
        """The text of a reply without thoughts; every reply of a model comes through here."""
        text = check_finish(completion, kind=kind)
        if thinks_aloud(text) and self._chat_model().name not in self._aloud:
            self._aloud.add(self._chat_model().name)
            self._keep(self._aloud_key(), "yes")
        if not (spoken := without_thoughts(text)).strip():
            raise BadReplyError(
                f"the model sent thoughts and no reply ({kind})",
                hint="Raise chat.max_output_tokens, or use another model.",
            )
        return spoken

    def _is_known_to_think_aloud(self) -> bool:
        name = self._chat_model().name
        if self._cache and name not in self._aloud and self._cache.reply(self._aloud_key()):
            self._aloud.add(name)
        return name in self._aloud

    def _aloud_key(self) -> str:
        return request_key("thinks aloud", self._chat_model().name)

    def _record(self, kind: str, completion: Completion) -> None:
        prompt, reply = completion.prompt_tokens, completion.completion_tokens
        self._ledger.saw_reply(reply)
        usage = Usage(1, 0, prompt, reply, 0, cost_of(self._chat_price, prompt, reply))
        self._ledger.add(kind, usage)
        self._share_thoughts()

    def _chat_estimate(self, messages: Sequence[Message]) -> float | None:
        if self._ledger.max_cost_usd is None:
            return None
        prompt = _estimate(messages)
        reply = self._settings.chat.max_output_tokens
        return cost_of(self._chat_price, prompt, reply or self._ledger.longest_reply)

    async def _embed_batch(self, batch: Mapping[str, str], kind: str) -> dict[str, bytes]:
        embedder = self._embedding_model()
        texts = [*batch.values()]
        tokens = sum(map(upper_estimate, texts))
        cost = cost_of(self._embedding_price, tokens, 0)
        async with self._embedding_slots, self._ledger.hold(cost):
            with tracing.model_call("embeddings", embedder.name, kind=kind) as call:
                if isinstance(embedder, OpenAIEmbedder):
                    done = await embedder.embed_counted(texts)
                    rows, tokens = done.vectors, done.tokens
                    if done.n_cut:
                        self._ledger.note(CUT_TEXTS, done.n_cut)
                else:
                    rows = await embedder.embed(texts)
                call.used(tokens)
            cost = cost_of(self._embedding_price, tokens, 0)
            self._ledger.add(kind, Usage(0, 1, tokens, 0, 0, cost))
        rows = checked_vectors(rows, n_texts=len(texts), name=embedder.name)
        vectors = {key: row.tobytes() for key, row in zip(batch, rows, strict=True)}
        if self._cache:
            self._cache.put_vectors(vectors)
        return vectors

    def _key(self, messages: Sequence[Message], schema: Mapping[str, object] | None) -> str:
        settings = self._settings.chat
        turns = [[message.role, message.content] for message in messages]
        name = self._chat_model().name
        return request_key(
            "chat", name, settings.temperature, settings.max_output_tokens, turns, schema
        )

    def _schema(self, reply: type[BaseModel], kind: str) -> dict[str, object]:
        if (reply, kind) not in self._schemas:
            self._schemas[reply, kind] = reply_schema(reply, title=kind)
        return self._schemas[reply, kind]

    def _keep(self, key: str | None, text: str) -> None:
        if self._cache and key is not None:
            self._cache.put_reply(key, text)

    def _chat_model(self) -> ChatModel:
        if self.chat is None:
            raise _no_model("a chat", "chat")
        return self.chat

    def _embedding_model(self) -> Embedder:
        if self.embedder is None:
            raise _no_model("an embedding", "embedding")
        return self.embedder

    def _loads(self) -> list[Load]:
        models = (self.chat, self.embedder)
        return [m.load for m in models if isinstance(m, OpenAIChat | OpenAIEmbedder)]

    def _servers(self) -> list[Server]:
        models = (self.chat, self.embedder, self._reranker)
        found = [
            model.server
            for model in models
            if isinstance(model, OpenAIChat | OpenAIEmbedder | RerankEndpoint)
        ]
        return list(dict.fromkeys(found))


def _estimate(messages: Sequence[Message]) -> int:
    return sum(upper_estimate(message.content) for message in messages)


def _no_model(kind: str, section: str) -> UsageError:
    return UsageError(
        f"this needs {kind} model and none is set",
        hint=f"Set OPENAI_API_KEY, or {section}.base_url for a local server.",
    )
