"""Many strings and many lists as a few arrays: in memory, and in files that are mapped into it."""

from __future__ import annotations

import shutil
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from graphrag.core.work_folder import make_private

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]
Number = TypeVar("Number", bound=np.generic)

_SLICE = 1 << 14  # strings that are unpacked at one time


@dataclass(frozen=True, slots=True)
class Strings:
    """Sorted strings in one block of UTF-8."""

    data: NDArray[np.uint8]
    offsets: Longs

    @classmethod
    def pack(cls, values: Sequence[str]) -> Strings:
        encoded = [as_bytes(value) for value in values]
        offsets = np.zeros(len(encoded) + 1, dtype=np.int64)
        np.cumsum([len(item) for item in encoded], out=offsets[1:])
        return cls(np.frombuffer(b"".join(encoded), dtype=np.uint8), offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> str:
        encoded = self.data[self.offsets[index] : self.offsets[index + 1]].tobytes()
        return encoded.decode("utf-8", "surrogatepass")

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), _SLICE):
            offsets = self.offsets[start : start + _SLICE + 1]
            data = self.data[offsets[0] : offsets[-1]].tobytes()
            for begin, end in pairwise((offsets - offsets[0]).tolist()):
                yield data[begin:end].decode("utf-8", "surrogatepass")

    def find(self, value: str) -> int:
        """The position of `value`, or -1."""
        wanted = as_bytes(value)
        data, offsets = self.data.data, self.offsets.data  # faster to read one by one

        def at(index: int) -> bytes:
            return bytes(data[offsets[index] : offsets[index + 1]])

        index = bisect_left(range(len(self)), wanted, key=at)
        return index if index < len(self) and at(index) == wanted else -1

    def has(self, value: str) -> bool:
        return self.find(value) >= 0


@dataclass(frozen=True, slots=True)
class Lists:
    """One list of numbers for each row, end to end."""

    ends: Longs  # len(rows) + 1
    items: Ints

    @classmethod
    def pack(cls, rows: Sequence[Iterable[int]]) -> Lists:
        lists = [list(row) for row in rows]
        ends = np.zeros(len(lists) + 1, dtype=np.int64)
        np.cumsum([len(row) for row in lists], out=ends[1:])
        flat = np.fromiter((item for row in lists for item in row), np.int32, int(ends[-1]))
        return cls(ends, flat)

    def span(self, row: int) -> slice:
        return slice(int(self.ends[row]), int(self.ends[row + 1]))

    def __getitem__(self, row: int) -> Ints:
        return self.items[self.span(row)]

    def length(self, row: int) -> int:
        return int(self.ends[row + 1] - self.ends[row])

    def lengths(self) -> Longs:
        return np.diff(self.ends)

    def take(self, rows: NDArray[np.integer]) -> Lists:
        """The lists of these rows, in their order."""
        places = places_of(self.ends, rows)
        counts = self.ends[rows + 1] - self.ends[rows]
        return Lists(np.concatenate([[0], np.cumsum(counts)]), self.items[places])


def places_of(ends: Longs, rows: NDArray[np.integer]) -> Longs:
    """Where the items of these rows lie, row after row."""
    starts = ends[rows]
    counts = ends[rows + 1] - starts
    before = np.cumsum(counts) - counts
    return np.repeat(starts - before, counts) + np.arange(int(counts.sum()))


def as_bytes(value: str) -> bytes:
    """What strings are sorted by."""
    return value.encode("utf-8", "surrogatepass")


def arrays(packed: DataclassInstance) -> Iterator[tuple[str, NDArray[np.generic]]]:
    """The arrays of a dataclass of arrays, `Strings` and `Lists`, each under its own name."""
    for field in fields(packed):
        value = getattr(packed, field.name)
        if isinstance(value, Strings | Lists):
            for part in fields(value):
                yield f"{field.name}.{part.name}", getattr(value, part.name)
        else:
            yield field.name, value


def save(packed: DataclassInstance, folder: Path) -> None:
    """Write the arrays into `folder`, whole or not at all. Raises OSError."""
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    make_private(partial)
    for name, array in arrays(packed):
        np.save(partial / f"{name}.npy", array)
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def load_strings(folder: Path, name: str) -> Strings:
    data = load_array(folder, f"{name}.data", np.uint8)
    return Strings(data, load_array(folder, f"{name}.offsets", np.int64))


def load_lists(folder: Path, name: str) -> Lists:
    ends = load_array(folder, f"{name}.ends", np.int64)
    return Lists(ends, load_array(folder, f"{name}.items", np.int32))


def load_array(folder: Path, name: str, kind: type[Number]) -> NDArray[Number]:
    """An array that was saved, mapped into memory. Raises OSError, ValueError, EOFError."""
    mapped = cast(NDArray[Number], np.load(folder / f"{name}.npy", mmap_mode="r"))
    if mapped.dtype != kind:
        raise ValueError(f"{name} holds {mapped.dtype}")
    return mapped.view(np.ndarray)  # still mapped; slices of a memmap itself are slow to make
