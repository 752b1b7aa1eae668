"""Check whether everything that the engine needs is in order under a root.

Nothing is written, no billed call is made unless it is asked for, and keys and passwords are never
part of a result.
"""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import stat
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from graphrag.core.errors import GraphRAGError, NoIndexError
from graphrag.core.settings import FILE_NAME, WORK_FOLDER, Settings
from graphrag.core.settings_file import load_settings
from graphrag.engine.checks import Check, failed
from graphrag.engine.model_checks import check_models
from graphrag.stores import opened_store

DISTRIBUTION = "graphrag-neo4j"
PACKAGE = "graphrag"
SHOWN = ("neo4j", "openai", "polars", "numpy", "tiktoken", "graspologic-native", "leidenalg")
LITTLE_SPACE_MB = 500
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


async def examine(
    root: Path, *, options: Mapping[str, object] | None = None, ask: bool = False
) -> list[Check]:
    """Every check of the index under `root`; `options` are settings by dotted name.

    Wrong settings are a failed check, and those that need settings are then left out. With `ask`
    the models are called, which may cost a fraction of a cent.
    """
    checks = [_versions(), _name_clash(), _full_text(), check_space(root), *_permissions(root)]
    try:
        settings = load_settings(root, options=options)
    except GraphRAGError as error:
        return [*checks, failed("settings", error)]
    where = root / FILE_NAME
    source = str(where) if where.is_file() else f"defaults (no {FILE_NAME}), environment"
    checks.append(Check("settings", "ok", source))
    checks += _corrections(root)
    checks.append(await _store(root, settings))
    return [*checks, *await check_models(root, settings, ask=ask)]


def _corrections(root: Path) -> list[Check]:
    from graphrag.indexing.resolution.corrections import FILE_NAME as CORRECTIONS_FILE
    from graphrag.indexing.resolution.corrections import read_corrections

    if not (root / CORRECTIONS_FILE).exists():
        return []
    try:
        count = len(read_corrections(root).items)
    except GraphRAGError as error:
        return [failed("corrections", error)]
    return [Check("corrections", "ok", f"{count} in {CORRECTIONS_FILE}")]


def _versions() -> Check:
    found = [f"{name} {metadata.version(name)}" for name in (DISTRIBUTION, *SHOWN)]
    return Check("versions", "ok", f"Python {platform.python_version()}, {', '.join(found)}")


def _name_clash() -> Check:
    owners = sorted(set(metadata.packages_distributions().get(PACKAGE, ())) - {DISTRIBUTION})
    if not owners:
        return Check("name clash", "ok", f"no other distribution installs {PACKAGE!r}")
    return Check(
        "name clash",
        "failed",
        f"{', '.join(owners)} installs the import package {PACKAGE!r} too",
        f"Uninstall both, then install {DISTRIBUTION} alone; give the other an environment of "
        "its own.",
    )


def _full_text() -> Check:
    version = f"SQLite {sqlite3.sqlite_version}"
    with sqlite3.connect(":memory:") as connection:
        try:
            connection.execute("CREATE VIRTUAL TABLE t USING fts5(body)")
        except sqlite3.OperationalError:
            return Check(
                "full text",
                "failed",
                f"{version} has no full-text search (FTS5)",
                "Use a Python from python.org, conda, uv or a Linux distribution, or Neo4j.",
            )
    return Check("full text", "ok", f"{version} with FTS5")


def check_space(root: Path, *, least_mb: int = LITTLE_SPACE_MB) -> Check:
    """Whether the disk of `root` has `least_mb` free."""
    there = next(
        folder for folder in (root.absolute(), *root.absolute().parents) if folder.exists()
    )
    free = shutil.disk_usage(there).free // 2**20
    detail = f"{free} MB free at {str(there)!r}"
    if free < least_mb:
        return Check("disk", "warning", detail, "Free some space before you index.")
    return Check("disk", "ok", detail)


def _permissions(root: Path) -> list[Check]:
    folder = root / WORK_FOLDER
    open_to_others: list[str] = []
    for path in (root / FILE_NAME, folder, *(folder.iterdir() if folder.is_dir() else ())):
        if path.exists() and path.stat().st_mode & _OTHERS and _is_private(path):
            open_to_others.append(str(path))
    checks: list[Check] = []
    if folder.exists() and not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        hint = "Change the owner or the mode of the folder."
        detail = f"{str(folder)!r} cannot be read and written"
        checks.append(Check("permissions", "failed", detail, hint))
    if open_to_others:
        detail = f"others can read {', '.join(map(repr, sorted(open_to_others)))}"
        checks.append(Check("permissions", "warning", detail, "Take their access: chmod go= FILE."))
    return checks or [Check("permissions", "ok", "what is kept here is its owner's alone")]


def _is_private(path: Path) -> bool:
    """Settings without a key in them are no secret; a folder closed to others hides its files."""
    if path.name == FILE_NAME:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        return any(_holds_secret(line) for line in lines)
    return path.name == WORK_FOLDER or bool(path.parent.stat().st_mode & _OTHERS)


def _holds_secret(line: str) -> bool:
    name, _, value = line.partition(":")
    value = value.strip().strip("\"'")
    secret = name.strip() in ("api_key", "password")
    return secret and value not in ("", "null") and not value.startswith("${")


async def _store(root: Path, settings: Settings) -> Check:
    try:
        async with opened_store(settings, root) as store:
            meta, counts = await store.meta(), await store.counts()
    except NoIndexError as error:
        return Check("store", "warning", str(error), error.hint)
    except GraphRAGError as error:
        return failed("store", error)
    if not meta:
        return Check("store", "warning", f"{store.url} holds no index yet", "Run `graphrag index`.")
    held = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    return Check("store", "ok", f"{store.url}, namespace {store.namespace!r}: {held}")
