"""Write an embedding model as small as can be: a table of word vectors, as an ONNX network."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

MARKS = {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2}


def write_model(folder: Path, vectors: Mapping[str, Sequence[float]]) -> Path:
    """`folder` with a model that gives each word its vector; unknown words and marks have none."""
    folder.mkdir(parents=True, exist_ok=True)
    size = len(next(iter(vectors.values())))
    words = {word: number for number, word in enumerate(vectors, start=len(MARKS))}
    tokenizer = Tokenizer(WordLevel(MARKS | words, unk_token="[UNK]"))
    tokenizer.normalizer = Lowercase()
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    rows = [*([[0.0] * size] * len(MARKS)), *vectors.values()]
    (folder / "model.onnx").write_bytes(_network(rows))
    return folder


def _network(rows: Sequence[Sequence[float]]) -> bytes:
    """A protobuf `ModelProto` whose one node gathers the row of each token."""
    node = _text(1, "table") + _text(1, "input_ids") + _text(2, "hidden") + _text(4, "Gather")
    numbers = [number for row in rows for number in row]
    table = (
        _number(1, len(rows))
        + _number(1, len(rows[0]))
        + _number(2, 1)  # float
        + _text(8, "table")
        + _bytes(9, struct.pack(f"<{len(numbers)}f", *numbers))
    )
    graph = (
        _bytes(1, node)
        + _text(2, "words")
        + _bytes(5, table)
        + _bytes(11, _value("input_ids", 7, 2))  # int64
        + _bytes(12, _value("hidden", 1, 3))
    )
    return _number(1, 8) + _bytes(7, graph) + _bytes(8, _number(2, 13))


def _value(name: str, kind: int, n_dimensions: int) -> bytes:
    shape = b"".join(_bytes(1, _text(2, f"d{number}")) for number in range(n_dimensions))
    return _text(1, name) + _bytes(2, _bytes(1, _number(1, kind) + _bytes(2, shape)))


def _text(field: int, text: str) -> bytes:
    return _bytes(field, text.encode())


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])
