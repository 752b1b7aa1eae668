"""Tell which prompts of a root are packaged, tuned, edited or its own; install a new set.

`<root>/prompts/` holds what `graphrag.prompts.load` reads: `NAME.domain.md`, what the prompt NAME
is to know of the domain, which tuning writes; and `NAME.md` in place of the packaged file, which
users write, as versions before did. Beside them stand `domain.json` (entity types and terms,
which the settings take up) and `tuning.json` (how the set was made, and the hash of each file, by
which an edit is known). What a new set replaces is kept in `previous-1`, `previous-2` and so on;
a set that is not installed stands in `not-installed`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from graphrag.core.errors import SettingsError, UsageError
from graphrag.core.settings_file import DOMAIN_FILE
from graphrag.core.tables import stable_id
from graphrag.core.work_folder import write_whole
from graphrag.prompts import PLACEHOLDERS, read_file

State = Literal["packaged", "tuned", "edited", "own"]
Record = Mapping[str, object]

FOLDER = "prompts"
RECORD = "tuning.json"
DOMAIN = Path(DOMAIN_FILE).name
PREVIOUS = "previous-"
ASIDE = "not-installed"


@dataclass(frozen=True, slots=True)
class Installed:
    written: tuple[str, ...]
    kept: tuple[str, ...]
    """Files of the user that were left as they are."""
    previous: str = ""
    """The folder with what was replaced."""


def file_of(name: str) -> str:
    """The path of a prompt or its domain under the folder; `domain.json` names itself."""
    return name if name == DOMAIN else f"{name}.md"


def domain_of(name: str) -> str:
    """The name, in a set, of what prompt `name` is to know of the domain."""
    return f"{name}.domain"


def file_hash(text: str) -> str:
    return stable_id("prompt", text)


def read_record(root: Path) -> Record | None:
    """How the installed set was made. Raises SettingsError on a file that cannot be read."""
    path = root / FOLDER / RECORD
    if not path.is_file():
        return None
    try:
        data = cast(object, json.loads(path.read_text(encoding="utf-8")))
        if isinstance(data, dict) and isinstance(cast(Record, data).get("files"), dict):
            return cast(Record, data)
        problem = "it has no files"
    except (OSError, ValueError) as error:
        problem = str(error)
    raise SettingsError(
        f"{path} cannot be read: {problem}",
        hint="Remove it: your prompts stay, and count as your own from then on.",
    )


def states(root: Path) -> dict[str, State]:
    """The state of every prompt, and of each further file of a set that is there.

    A prompt with a file of its own is as that file; else as its domain, where it has one.
    """
    record = read_record(root)
    hashes = cast(Mapping[str, str], record["files"] if record else {})
    found: dict[str, State] = {}
    for name in (*map(domain_of, PLACEHOLDERS), DOMAIN, *PLACEHOLDERS):
        text = _text(root / FOLDER / file_of(name))
        if text is not None:
            known = hashes.get(name)
            found[name] = "own" if known is None else "edited"
            if known == file_hash(text):
                found[name] = "tuned"
        elif name in PLACEHOLDERS:
            found[name] = found.get(domain_of(name), "packaged")
    return found


def check_writable(root: Path) -> None:
    """Raises UsageError when no prompt could be written later."""
    folder = root / FOLDER
    probe = folder / ".writable"
    try:
        for part in ("indexing", "query"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        probe.write_text("", encoding="utf-8")
        probe.unlink()
    except OSError as error:
        raise UsageError(
            f"{str(folder)!r} cannot be written: {error}",
            hint="Change its owner or mode, or choose another --root. Nothing was spent.",
        ) from error


def install(
    root: Path, files: Mapping[str, str | None], record: Record, *, force: bool
) -> Installed:
    """Put `files` (texts by name; None is to be packaged) in place, `tuning.json` last.

    Without `force` no file that is there is touched. With it, all that was there is copied to a
    new folder `previous-<n>` before anything changes.
    """
    folder = root / FOLDER
    there = {name: text for name in files if (text := _text(folder / file_of(name))) is not None}
    kept = () if force else tuple(sorted(there))
    changed = {
        name: text for name, text in files.items() if name not in kept and text != there.get(name)
    }
    previous = _keep_previous(folder) if any(name in there for name in changed) else ""
    for name, text in sorted(changed.items()):
        path = folder / file_of(name)
        if text is None:
            path.unlink(missing_ok=True)
        else:
            _write(path, text)
    hashes = {
        name: file_hash(text)
        for name, text in sorted(files.items())
        if text is not None and name not in kept
    }
    _write(folder / RECORD, as_json({**record, "installed": True, "files": hashes}))
    return Installed(tuple(sorted(hashes)), kept, previous)


def set_aside(root: Path, files: Mapping[str, str | None], record: Record) -> Path:
    """Write a set that is not installed where it can be looked at; no prompt is read there."""
    folder = root / FOLDER / ASIDE
    for name, text in files.items():
        path = folder / file_of(name)
        if text is None:
            path.unlink(missing_ok=True)
        else:
            _write(path, text)
    hashes = {name: file_hash(text) for name, text in files.items() if text is not None}
    _write(folder / RECORD, as_json({**record, "installed": False, "files": hashes}))
    return folder


def as_json(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, indent=2)
    return text.encode("utf-8", "replace").decode("utf-8") + "\n"


def _keep_previous(folder: Path) -> str:
    numbers = [
        int(path.name.removeprefix(PREVIOUS))
        for path in folder.glob(f"{PREVIOUS}*")
        if path.name.removeprefix(PREVIOUS).isdigit()
    ]
    previous = folder / f"{PREVIOUS}{max(numbers, default=0) + 1}"
    names = (*PLACEHOLDERS, *map(domain_of, PLACEHOLDERS), DOMAIN)
    for name in (*map(file_of, names), RECORD):
        text = _text(folder / name)
        if text is not None:
            _write(previous / name, text)
    return str(previous)


def _text(path: Path) -> str | None:
    return read_file(path) if path.is_file() else None


def _write(path: Path, text: str) -> None:
    """Whole or not at all."""
    try:
        write_whole(path, text)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error}",
            hint="Make room or change its owner, and run again: no call is paid for twice.",
        ) from error
