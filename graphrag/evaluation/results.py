"""Keep an evaluation under the root: its result as JSON and its report as HTML.

A result is named by its kind and the hash of its content, so the same evaluation of the same
index overwrites itself, and one of a changed index stands beside the old one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from graphrag.core.errors import UsageError
from graphrag.core.settings import WORK_FOLDER
from graphrag.core.tables import stable_id
from graphrag.core.work_folder import make_private

FOLDER = "evaluations"
# What differs from run to run although nothing changed.
VOLATILE = ("seconds", "usage", "result", "report")

Result = dict[str, object]


@dataclass(frozen=True, slots=True)
class Kept:
    """Where an evaluation was written."""

    result: Path
    report: Path


def folder_of(root: Path) -> Path:
    return root / WORK_FOLDER / FOLDER


def keep(root: Path, result: Mapping[str, object], *, html: str, name: str | None = None) -> Kept:
    """Write both files under the root. `name` replaces the hash.

    Raises UsageError on a name that is no file name, and when they cannot be written.
    """
    kind = str(result["kind"])
    if name is not None and not re.fullmatch(r"[\w][\w.-]{0,80}", name):
        raise UsageError(
            f"{name!r} cannot name a result", hint="Use letters, digits, dots, - and _."
        )
    stem = f"{kind}-{name or _hash(result)}"
    folder = folder_of(root)
    kept = Kept(folder / f"{stem}.json", folder / f"{stem}.html")
    try:
        make_private(folder)
        text = json.dumps(result, ensure_ascii=False, indent=1)
        kept.result.write_text(text + "\n", encoding="utf-8")
        kept.report.write_text(html, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"the result cannot be written to {folder}: {error}",
            hint="Use a root that you may write to.",
        ) from error
    return kept


def read_result(path: Path) -> Result:
    """A kept result. Raises UsageError when the file is none."""
    try:
        value = cast(object, json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{path} cannot be read as a result: {error}",
            hint=f"Results are the .json files under <root>/{WORK_FOLDER}/{FOLDER}/.",
        ) from error
    if not isinstance(value, dict) or "kind" not in value:
        raise UsageError(f"{path} is no result of an evaluation", hint="Run `graphrag eval` first.")
    return cast(Result, value)


def latest_result(root: Path, *, kind: str) -> Path | None:
    """The file that was written last, of results of this kind."""
    files = sorted(folder_of(root).glob(f"{kind}-*.json"), key=lambda file: file.name)
    return max(files, key=lambda file: file.stat().st_mtime_ns, default=None)


def _hash(result: Mapping[str, object]) -> str:
    stable = {name: value for name, value in result.items() if name not in VOLATILE}
    return stable_id(json.dumps(stable, sort_keys=True, ensure_ascii=False))[:12]


@dataclass(frozen=True, slots=True)
class Finished:
    """`is_partial`: something failed, or the budget ran out."""

    result: Result
    kept: Kept
    is_partial: bool = False
