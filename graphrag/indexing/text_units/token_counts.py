"""Texts in, their token counts out, kept by the texts' hashes from one run to the next.

Every run looks at the rows of all report contexts and at all reports, most of which are as they
were.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from graphrag.stores.arrays import packed
from graphrag.stores.arrays.packed import Ints, Longs, as_bytes, load_array
from graphrag.text import tokens

FOLDER = "tokens"


@dataclass(frozen=True, slots=True)
class _Known:
    hashes: Longs  # ascending
    counts: Ints


_NOTHING = _Known(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int32))


class TokenCounts:
    """Counts of texts; `of` is as exact as `tokens.counts`."""

    def __init__(self, work_folder: Path) -> None:
        self._folder = work_folder / FOLDER
        self._known = _load(self._folder)
        self._met: list[_Known] = []

    def of(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text."""
        hashes = _hashes(texts)
        known = self._known
        places = np.searchsorted(known.hashes, hashes)
        is_new = np.append(known.hashes, np.int64(0))[places] != hashes
        is_new |= places == len(known.hashes)
        counts = np.append(known.counts, np.int32(0))[places]
        new = tokens.counts([texts[row] for row in np.flatnonzero(is_new).tolist()])
        counts[is_new] = np.array(new, dtype=np.int32)
        self._met.append(_Known(hashes, counts))
        return counts.tolist()

    def save(self) -> None:
        """Keep the counts that were asked for, and no others; forgotten where that fails."""
        every = [_NOTHING, *self._met]
        hashes, first = np.unique(np.concatenate([one.hashes for one in every]), return_index=True)
        digest = hashlib.blake2b(hashes.tobytes(), digest_size=16).hexdigest()
        folder = self._folder / digest
        try:
            if not np.array_equal(hashes, self._known.hashes):
                counts = np.concatenate([one.counts for one in every])[first]
                packed.save(_Known(hashes, counts), folder)
            for other in self._folder.iterdir():
                if other != folder:
                    shutil.rmtree(other, ignore_errors=True)
        except OSError:
            return  # the next run counts again


def _load(parent: Path) -> _Known:
    for folder in sorted(parent.glob("*")):
        try:
            known = _Known(
                load_array(folder, "hashes", np.int64), load_array(folder, "counts", np.int32)
            )
        except (OSError, ValueError, EOFError):
            continue
        if len(known.hashes) == len(known.counts):
            return known
    return _NOTHING


def _hashes(texts: Sequence[str]) -> Longs:
    digests = [hashlib.blake2b(as_bytes(text), digest_size=8).digest() for text in texts]
    return np.frombuffer(b"".join(digests), dtype=np.int64)
