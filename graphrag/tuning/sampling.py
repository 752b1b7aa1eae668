"""Sample documents or an index: units to learn from, and held-out ones to compare on.

Every choice is a function of the texts and the seed. What is held out is drawn first, at random,
so that it stands for the whole collection; the sample comes from the rest.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from graphrag.core.errors import NoIndexError, UsageError
from graphrag.core.tables import stable_id
from graphrag.text import detect_language, terms

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from graphrag.core.settings import ChunkSettings
    from graphrag.indexing.documents.files import Loaded
    from graphrag.models.models import Models
    from graphrag.stores import GraphStore

Select = Literal["diverse", "random", "all"]

POOL = 400  # text units among which the diverse ones are looked for: each is embedded
MIN_TOKENS = 30  # a shorter unit shows little; it is left out where there are others
HELD_OUT_SHARE = 4  # at most one unit in so many is held out of a small collection
MINORITY = 0.1  # share of the tokens from which another language is worth a word
_DIMENSIONS = 2048  # of the hashed TF-IDF vectors

# English names of the languages that are detected most; of the others their code is named.
LANGUAGES: Mapping[str, str] = {
    "ar": "Arabic", "bg": "Bulgarian", "ca": "Catalan", "cs": "Czech", "da": "Danish",
    "de": "German", "el": "Greek", "en": "English", "es": "Spanish", "et": "Estonian",
    "fa": "Persian", "fi": "Finnish", "fr": "French", "he": "Hebrew", "hi": "Hindi",
    "hr": "Croatian", "hu": "Hungarian", "id": "Indonesian", "it": "Italian", "ja": "Japanese",
    "ko": "Korean", "lt": "Lithuanian", "lv": "Latvian", "nb": "Norwegian", "nl": "Dutch",
    "no": "Norwegian", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian",
    "sk": "Slovak", "sl": "Slovene", "sr": "Serbian", "sv": "Swedish", "th": "Thai",
    "tr": "Turkish", "uk": "Ukrainian", "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class SourceUnit:
    """One text unit, as an index would have it."""

    id: str
    source: str
    ordinal: int
    headings: tuple[str, ...]
    text: str
    n_tokens: int

    @property
    def shown(self) -> str:
        """What extraction sends of it."""
        return "\n".join([" > ".join(self.headings), self.text]) if self.headings else self.text


@dataclass(frozen=True, slots=True)
class SourceUnits:
    """What tuning may read; `warnings` say what could not be read."""

    units: tuple[SourceUnit, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Language:
    """`code` is ISO 639-1, "und" where nothing tells; `shares` are of the tokens, by code."""

    code: str
    shares: Mapping[str, float]

    @property
    def name(self) -> str:
        if self.code == "und":
            return "the language of the passages"
        return LANGUAGES.get(self.code, f"the language with the ISO 639-1 code {self.code}")


@dataclass(frozen=True, slots=True)
class Sample:
    units: tuple[SourceUnit, ...]
    held_out: tuple[SourceUnit, ...]
    language: Language
    warnings: tuple[str, ...] = ()


async def read(
    loaded: Loaded | None,
    *,
    chunks: ChunkSettings,
    open_index: Callable[[], Awaitable[GraphStore]],
) -> SourceUnits:
    """The text units that indexing `loaded` would make; with None those of the index.

    Raises UsageError when there is neither.
    """
    if loaded is None:
        try:
            return SourceUnits(await _units_of_index(await open_index()))
        except NoIndexError as error:
            raise UsageError(
                f"no documents were named, and {error}",
                hint="Name files or folders: graphrag tune FOLDER",
            ) from error
    unread = [f"{failure.source} is left out: {failure.reason}" for failure in loaded.failures]
    return SourceUnits(_units_of_documents(loaded, chunks), (*loaded.warnings, *unread))


async def draw(
    units: Sequence[SourceUnit],
    *,
    size: int,
    held_out: int,
    select: Select,
    seed: int,
    models: Models | None,
) -> Sample:
    """A sample of at most `size` units, and at most `held_out` others.

    `models` embed the units for `diverse`; without an embedding model, or with None, distances
    are those of TF-IDF vectors. One unit alone is sample and held out at the same time.
    """
    mixed = _mixed(units, seed)
    long = [unit for unit in mixed if unit.n_tokens >= MIN_TOKENS] or mixed
    kept = min(held_out, max(1, len(long) // HELD_OUT_SHARE)) if len(long) > 1 else 0
    apart, rest = long[:kept], long[kept:]
    match select:
        case "all":
            chosen = rest
        case "random":
            chosen = rest[:size]
        case "diverse":
            pool = rest[:POOL]
            chosen = [pool[at] for at in _farthest(await _vectors(pool, models), size)]
    warnings: list[str] = []
    if not apart:
        warnings.append(
            "there is one text unit only: prompts are compared on the text they were made from"
        )
    language = main_language([*chosen, *apart])
    others = [
        f"{LANGUAGES.get(code, code)} {share:.0%}"
        for code, share in language.shares.items()
        if code not in (language.code, "und") and share >= MINORITY
    ]
    if others:
        warnings.append(
            f"mixed languages: the prompts are in {language.name} "
            f"({language.shares[language.code]:.0%} of the sample), not in {', '.join(others)}"
        )
    return Sample(tuple(chosen), tuple(apart or chosen), language, tuple(warnings))


def main_language(units: Sequence[SourceUnit]) -> Language:
    """The language of most tokens."""
    counts: Counter[str] = Counter()
    for unit in units:
        counts[detect_language(unit.text)] += unit.n_tokens
    total = sum(counts.values()) or 1
    ordered = sorted(counts.items(), key=lambda item: (item[0] == "und", -item[1], item[0]))
    shares = {code: round(count / total, 4) for code, count in ordered}
    return Language(ordered[0][0] if ordered else "und", shares)


def _units_of_documents(loaded: Loaded, settings: ChunkSettings) -> tuple[SourceUnit, ...]:
    from graphrag.indexing.documents.files import document_id
    from graphrag.indexing.text_units.chunks import split_documents

    sources = {document_id(item.source): item.source for item in loaded.documents}
    frame = split_documents(loaded.documents, settings=settings)
    columns = ("id", "document_id", "ordinal", "headings", "text", "n_tokens")
    return tuple(
        SourceUnit(key, sources[document], ordinal, tuple(headings or ()), text, n_tokens)
        for key, document, ordinal, headings, text, n_tokens in frame.select(columns).iter_rows()
    )


async def _units_of_index(store: GraphStore) -> tuple[SourceUnit, ...]:
    documents = await store.read("documents", columns=["id", "source"])
    sources: dict[str, str] = dict(documents.select("id", "source").iter_rows())
    columns = ["id", "document_id", "ordinal", "headings", "text", "n_tokens"]
    frame = await store.read("text_units", columns=columns)
    return tuple(
        SourceUnit(key, sources[document], ordinal, tuple(headings or ()), text, n_tokens)
        for key, document, ordinal, headings, text, n_tokens in frame.select(columns).iter_rows()
    )


def _mixed(units: Sequence[SourceUnit], seed: int) -> list[SourceUnit]:
    """Each text once, in an order that only the texts and the seed decide."""
    distinct = {unit.text: unit for unit in sorted(units, key=lambda unit: unit.id, reverse=True)}
    return sorted(distinct.values(), key=lambda unit: stable_id(str(seed), unit.id))


async def _vectors(units: Sequence[SourceUnit], models: Models | None) -> NDArray[np.float32]:
    """Unit vectors, one a row."""
    import numpy as np

    if models is not None and models.embedder is not None:
        rows = await models.embed([unit.text for unit in units], kind="tune_sample")
    else:
        rows = _tf_idf(units)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def _tf_idf(units: Sequence[SourceUnit]) -> NDArray[np.float32]:
    import numpy as np

    counts = [Counter(terms(unit.text, detect_language(unit.text))) for unit in units]
    frequency = Counter(term for count in counts for term in count)
    rows = np.zeros((len(units), _DIMENSIONS), dtype=np.float32)
    for row, count in enumerate(counts):
        for term in sorted(count):
            column = zlib.crc32(term.encode("utf-8", "replace")) % _DIMENSIONS
            idf = np.log((1 + len(units)) / frequency[term])
            rows[row, column] += (1 + np.log(count[term])) * idf
    return rows


def _farthest(vectors: NDArray[np.float32], size: int) -> list[int]:
    """Rows that are far apart: first the most central one, then always the farthest from all."""
    import numpy as np

    if not len(vectors):
        return []
    chosen = [int(np.argmax(vectors @ vectors.sum(axis=0)))]
    nearest = vectors @ vectors[chosen[0]]
    while len(chosen) < min(size, len(vectors)):
        nearest[chosen] = np.inf
        following = int(np.argmin(nearest))
        chosen.append(following)
        nearest = np.maximum(nearest, vectors @ vectors[following])
    return chosen
