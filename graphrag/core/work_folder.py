"""Folders for what is kept of an index: texts, replies and passwords are their owner's alone."""

from __future__ import annotations

from pathlib import Path

from graphrag.core.settings import WORK_FOLDER


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
