"""Count, cut and divide text by o200k_base tokens; exact, offline, loaded on first use."""

from __future__ import annotations

import hashlib
import re
import threading
from binascii import a2b_base64
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from graphrag.core.errors import GraphRAGError

if TYPE_CHECKING:
    from tiktoken import Encoding

# Ranks and pattern of OpenAI's o200k_base, the encoding of the gpt-4o, gpt-4.1 and o families.
_RANKS = Path(__file__).parent / "data" / "o200k_base.tiktoken"
_RANKS_SHA256 = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"
_UPPER, _LOWER = r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}", r"\p{Ll}\p{Lm}\p{Lo}\p{M}"
_CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_PATTERN = "|".join(
    (
        rf"[^\r\n\p{{L}}\p{{N}}]?[{_UPPER}]*[{_LOWER}]+{_CONTRACTION}",
        rf"[^\r\n\p{{L}}\p{{N}}]?[{_UPPER}]+[{_LOWER}]*{_CONTRACTION}",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    )
)

# The encoder's stack overflows on a megabyte of spaces, so longer text is encoded in parts. After
# a letter or digit and before one of these signs every token of the pattern ends: such a cut
# changes no count. Only a stretch without any is cut elsewhere.
_PART = 50_000
_EXACT_CUT = re.compile(r"[^\W_](?=[\s,.;:!?、。！？])")
_CUT_WINDOW = 1000
_CONTINUATION = bytes(range(0x80, 0xC0))  # bytes inside a UTF-8 character
_SLAB = 1 << 18  # bytes of ranks parsed at once: fewer loops than by line, less memory than all

_lock = threading.Lock()


def count(text: str) -> int:
    """Tokens of `text`. What looks like a special token is plain text."""
    encode = _encoding().encode_ordinary
    if len(text) <= _PART:
        return len(encode(text))
    return sum(len(encode(part)) for part in _parts(text))


def counts(texts: Sequence[str]) -> list[int]:
    """Tokens of each text."""
    return [count(text) for text in texts]


def truncate(text: str, max_tokens: int) -> str:
    """The beginning of `text`, as long as it can be with at most `max_tokens` tokens."""
    text = encodable(text)
    max_tokens = max(0, max_tokens)
    if len(text.encode()) <= max_tokens:
        return text  # a token is a byte or more: no need to load the ranks
    ends = list(islice(_token_ends(text), max_tokens + 1))
    if len(ends) <= max_tokens:
        return text
    return text[: _last_fit(text, 0, ends=ends[:max_tokens], max_tokens=max_tokens)]


def split(text: str, *, max_tokens: int, overlap: int = 0) -> list[str]:
    """`text` in pieces of at most `max_tokens`; each repeats up to `overlap` tokens of the last.

    Pieces end where tokens end and never inside a character. A character that alone has more
    tokens than `max_tokens` (four at most) is a piece all the same.
    """
    text = encodable(text)
    ends = list(_token_ends(text))
    pieces: list[str] = []
    token = start = 0  # the first token of the piece, and the character where it begins
    while start < len(text):
        window = ends[token : token + max_tokens]
        end = max(start + 1, _last_fit(text, start, ends=window, max_tokens=max_tokens))
        pieces.append(text[start:end])
        if end >= len(text):
            break
        following = bisect_right(ends, end, lo=token)
        back = max(token + 1, following - overlap)
        if ends[back - 1] > start:
            token, start = back, ends[back - 1]
        else:
            token, start = following, end
    return pieces


def _last_fit(text: str, start: int, *, ends: Sequence[int], max_tokens: int) -> int:
    """The last of `ends` up to which `text[start:]` has at most `max_tokens`, else `start`.

    A piece can have other tokens at its edges than the text it was cut from.
    """
    for end in reversed(ends):
        if end > start and count(text[start:end]) <= max_tokens:
            return end
    return start


def _token_ends(text: str) -> Iterator[int]:
    """The character where each token ends; inside a character, where that one begins."""
    encoding = _encoding()
    begun = 0
    for part in _parts(text):
        tokens = encoding.decode_tokens_bytes(encoding.encode_ordinary(part))
        for token, following in pairwise([*tokens, b""]):
            begun += len(token.translate(None, _CONTINUATION))
            inside = following[:1] and following[0] in _CONTINUATION
            yield begun - 1 if inside else begun


def _parts(text: str) -> Iterator[str]:
    start = 0
    while len(text) - start > _PART:
        cut = start + _PART
        for match in _EXACT_CUT.finditer(text, cut - _CUT_WINDOW, cut):
            cut = match.end()
        yield text[start:cut]
        start = cut
    yield text[start:]


def encodable(text: str) -> str:
    """`text` with each lone surrogate as U+FFFD, which is how the encoder counts it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _encoding() -> Encoding:
    with _lock:
        return _load()


@cache
def _load() -> Encoding:
    from tiktoken import Encoding

    try:
        data = _RANKS.read_bytes()
    except OSError as error:
        raise GraphRAGError(
            f"the token ranks cannot be read: {error}", hint="Install the package again."
        ) from error
    if hashlib.sha256(data).hexdigest() != _RANKS_SHA256:
        raise GraphRAGError(
            f"{str(_RANKS)!r} is damaged: its hash differs", hint="Install the package again."
        )
    ranks = _parse(data)
    encoding = Encoding("o200k_base", pat_str=_PATTERN, mergeable_ranks=ranks, special_tokens={})
    ranks.clear()  # the encoder has its own copy; this one would hold 30 MB
    return encoding


def _parse(data: bytes) -> dict[bytes, int]:
    """Ranks by token from lines of `base64 rank`; the hash vouches that they count from 0."""
    ranks: dict[bytes, int] = {}
    start = 0
    while start < len(data):
        end = data.find(b"\n", start + _SLAB) + 1 or len(data)
        tokens = data[start:end].split()[::2]
        ranks.update(
            zip(map(a2b_base64, tokens), range(len(ranks), len(ranks) + len(tokens)), strict=True)
        )
        start = end
    return ranks
