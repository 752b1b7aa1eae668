"""Read and write question sets with their gold as JSON Lines.

A row has `question` and, to be scored by retrieval, one of `gold_titles`, `gold_documents` and
`gold_texts`. `answer` and `assertions` are for the scoring of answers. Other keys are kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

from graphrag.core.errors import UsageError
from graphrag.core.work_folder import write_file

GoldKind = Literal["titles", "documents", "texts", ""]

GOLD_KEYS: Mapping[str, GoldKind] = {
    "gold_titles": "titles",
    "gold_documents": "documents",
    "gold_texts": "texts",
}
_SHAPE = (
    'Each line is a JSON object: {"question": "…", "gold_titles": ["…"]}; instead of gold_titles '
    "also gold_documents or gold_texts."
)


@dataclass(frozen=True, slots=True)
class EvalQuestion:
    """`line` of the file names it. `gold_kind` is "" where there is no gold."""

    line: int
    text: str
    gold_kind: GoldKind = ""
    gold: tuple[str, ...] = ()
    answer: str = ""
    assertions: tuple[str, ...] = ()
    row: Mapping[str, object] = field(default_factory=dict[str, object], compare=False)


def read_questions(path: Path, *, limit: int | None = None) -> list[EvalQuestion]:
    """The questions of a file, at most `limit`. Raises UsageError, naming file and line."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}", hint=_SHAPE) from error
    found = [
        _parse(line, number, path) for number, line in enumerate(lines, start=1) if line.strip()
    ]
    if not found:
        raise UsageError(f"{path} holds no question", hint=_SHAPE)
    return found[:limit]


def write_questions(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """One row a line. Raises UsageError when the file cannot be written."""
    write_file(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def _parse(line: str, number: int, path: Path) -> EvalQuestion:
    try:
        value = cast(object, json.loads(line))
    except json.JSONDecodeError as error:
        raise UsageError(f"{path}, line {number} is not JSON: {error}", hint=_SHAPE) from error
    if not isinstance(value, dict):
        raise UsageError(f"{path}, line {number} is no JSON object", hint=_SHAPE)
    row = cast(dict[str, object], value)
    text = row.get("question")
    if not isinstance(text, str) or not text.strip():
        raise UsageError(f"{path}, line {number} has no question", hint=_SHAPE)
    given = [key for key in GOLD_KEYS if row.get(key)]
    if len(given) > 1:
        raise UsageError(
            f"{path}, line {number} has {' and '.join(given)}", hint="Give one kind of gold a row."
        )
    where = f"{path}, line {number}"
    return EvalQuestion(
        line=number,
        text=text.strip(),
        gold_kind=GOLD_KEYS[given[0]] if given else "",
        gold=_texts(row, given[0], where) if given else (),
        answer=" ".join(_texts(row, "answer", where)),
        assertions=_texts(row, "assertions", where),
        row=row,
    )


def _texts(row: Mapping[str, object], key: str, where: str) -> tuple[str, ...]:
    """The texts under `key`, each once: a list of them, or one."""
    value = row.get(key)
    items = cast(list[object], value) if isinstance(value, list) else [value] if value else []
    texts = [item.strip() for item in items if isinstance(item, str) and item.strip()]
    if len(texts) != len(items):
        raise UsageError(f"{where}: {key} is not a list of texts", hint=_SHAPE)
    return tuple(dict.fromkeys(texts))
