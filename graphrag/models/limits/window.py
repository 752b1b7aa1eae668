"""Know the context window of the chat model, and keep the budgets of prompts within it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from graphrag.core.settings import ChatSettings, Section, Settings
from graphrag.models.cache import ResponseCache, request_key
from graphrag.models.spending import OUTPUT_TOKENS
from graphrag.text import tokens

INSTRUCTIONS = 1000  # tokens of a prompt beside its data
OTHER_TOKENISER = 1.15  # tokens of other models for each that we count, in prose
MARKS = 50  # tokens that a chat template puts around the messages
SHORTER = 0.75  # of a prompt that was refused
SMALLEST_SHARE = 0.3
SMALLEST_BUDGET = 100
# A budget of several prompts together.
NOT_OF_A_PROMPT = frozenset({"max_prompt_tokens"})
# Names that vLLM, OpenRouter, LM Studio, llama.cpp and Groq give it in their list of models.
FIELDS = ("max_model_len", "context_length", "loaded_context_length", "n_ctx", "context_window")


class Window:
    """Tokens of a prompt and its reply: set, read from the server, or learnt and remembered."""

    def __init__(self, settings: ChatSettings, *, name: str, cache: ResponseCache | None) -> None:
        self._given = settings.context_tokens
        self._most_output = settings.max_output_tokens or OUTPUT_TOKENS
        self._name = name
        self._cache = cache
        self._key = request_key("context window", name)
        self._learnt: int | None = None
        self._share = 1.0  # of the window, where our count of tokens turned out too low

    @property
    def tokens(self) -> int | None:
        """None while it is not known."""
        if self._given is not None:
            return self._given
        if self._learnt is None and self._cache and (kept := self._cache.reply(self._key)):
            self._learnt = int(kept)
        return self._learnt

    def read(self, windows: Mapping[str, int]) -> None:
        """Of a server's models: ours, or the only one, whatever it is called."""
        only = [*windows.values()] if len(windows) == 1 else [None]
        if size := windows.get(self._name, only[0]):
            self.learn(size)

    def learn(self, size: int) -> None:
        """What the server says, now and under the root for later runs."""
        if size != self.tokens:
            self._learnt = size
            if self._cache:
                self._cache.put_reply(self._key, str(size))

    def refused(self, limit: int | None, *, sent: int) -> None:
        """A prompt of about `sent` tokens was too long; `limit` is what the server named."""
        known = self.tokens
        if known is None:
            self.learn(limit or int(sent * SHORTER))
        elif limit is not None and limit < known:
            self._given = None
            self.learn(limit)

    def pack_less(self) -> None:
        """A prompt that was packed to the window was refused: our count of tokens is too low."""
        self._share = max(SMALLEST_SHARE, self._share * SHORTER)

    def fit(self, budget: int) -> int:
        """The least of `budget` and what the window leaves for the data of a prompt."""
        if self.tokens is None:
            return budget
        reply = min(self._most_output, self.tokens // 4)
        left = self.tokens - reply - min(INSTRUCTIONS, self.tokens // 4)
        return max(SMALLEST_BUDGET, min(budget, int(left * self._share / OTHER_TOKENISER)))

    def fit_values(self, values: Mapping[str, str]) -> Mapping[str, str]:
        """`values` of a prompt, the longest cut where the window has no room for all of them."""
        if self.tokens is None:
            return values
        sizes = dict(zip(values, tokens.counts([*values.values()]), strict=True))
        room = most = self.fit(sum(sizes.values()))
        for place, size in enumerate(sorted(sizes.values())):
            most = room // (len(sizes) - place)
            if size > most:
                break
            room -= size
            most = size
        return {
            name: tokens.truncate(value, most) if sizes[name] > most else value
            for name, value in values.items()
        }

    def left(self, texts: Sequence[str]) -> int:
        """What a prompt of `texts` leaves for its reply."""
        if self.tokens is None:
            return self._most_output
        return self.tokens - int(OTHER_TOKENISER * sum(map(tokens.count, texts))) - MARKS

    def fitted(self, settings: Settings) -> Settings:
        """`settings`, every budget of a query's prompt within the window."""
        if self.tokens is None:
            return settings
        return settings.model_copy(update={"query": self._fitted(settings.query)})

    def _fitted(self, section: Section) -> Section:
        update: dict[str, object] = {}
        for name in type(section).model_fields:
            value = cast(object, getattr(section, name))
            if isinstance(value, Section):
                update[name] = self._fitted(value)
            elif name.endswith("_tokens") and name not in NOT_OF_A_PROMPT:
                update[name] = self.fit(cast(int, value))
        return section.model_copy(update=update)


def listed_windows(body: object) -> dict[str, int]:
    """The window of each model that a server's list of models tells of."""
    data = cast(Mapping[str, object], body).get("data") if isinstance(body, dict) else None
    windows: dict[str, int] = {}
    for entry in cast(Sequence[object], data) if isinstance(data, list) else ():
        if not isinstance(entry, dict):
            continue
        fields = cast(dict[str, object], entry)
        meta = fields.get("meta")
        fields = {**cast(dict[str, object], meta), **fields} if isinstance(meta, dict) else fields
        sizes = [size for name in FIELDS if isinstance(size := fields.get(name), int) and size > 0]
        if sizes:
            windows[str(fields.get("id"))] = min(sizes)
    return windows
