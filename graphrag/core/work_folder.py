"""Name and make what lies below `.graphrag`: texts, replies, passwords, their owner's alone."""

from __future__ import annotations

from pathlib import Path

from graphrag.core.errors import UsageError
from graphrag.core.settings import WORK_FOLDER


def graph_file(root: Path) -> Path:
    """The SQLite store, where no other is named."""
    return root / WORK_FOLDER / "graph.db"


def cache_file(root: Path) -> Path:
    """The replies of models, by request."""
    return root / WORK_FOLDER / "cache.db"


def neo4j_folder(root: Path) -> Path:
    """Data, password, log and record of the Neo4j started under `root`."""
    return root.absolute() / WORK_FOLDER / "neo4j"


def make_private(folder: Path) -> None:
    """Make `folder` and what lacks above it; from the work folder on only the owner may look in.

    One that is there keeps its mode. Raises OSError.
    """
    for path in reversed((folder, *folder.parents)):
        private = WORK_FOLDER in path.parts
        path.mkdir(mode=0o700 if private else 0o777, exist_ok=True)


def write_whole(path: Path, text: str) -> None:
    """Write `path` whole or not at all, with the folders that it lacks. Raises OSError."""
    fresh = path.with_name(f".{path.name}.new")
    make_private(path.parent)
    fresh.write_text(text, encoding="utf-8", newline="\n")
    fresh.replace(path)


def write_file(path: Path, text: str) -> None:
    """Write a file that the user named, with the folders it stands in. Raises UsageError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error}", hint="Choose a file in a folder you may write to."
        ) from error
