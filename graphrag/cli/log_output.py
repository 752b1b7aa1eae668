"""Write log records to stderr, as text or as one JSON object a line; for the command alone.

With JSON nothing else may stand on stderr: what is written there in any other way, such as a
warning of Python's or the usage of a command, becomes the message of a record.
"""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TextIO, cast

from graphrag.core.logs import NOWHERE

LOGGER = "graphrag"
_LEVELS = {"Error": logging.ERROR, "Warning": logging.WARNING}  # by how a line begins


@contextmanager
def writing(*, as_json: bool, verbose: bool) -> Generator[None]:
    """Within the block records go to stderr; `verbose` adds each model call to JSON."""
    before = sys.stderr
    if as_json and not isinstance(before, JsonLines):
        sys.stderr = JsonLines(before)
    stream = sys.stderr.raw if isinstance(sys.stderr, JsonLines) else before
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Json() if as_json else _Text())
    root, ours = logging.getLogger(), logging.getLogger(LOGGER)
    level = ours.level
    ours.setLevel(logging.DEBUG if as_json and verbose else logging.INFO)
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        ours.setLevel(level)
        sys.stderr = before


class JsonLines(io.TextIOBase):
    """A text stream whose lines become records; `raw` takes them."""

    def __init__(self, raw: TextIO) -> None:
        self.raw = raw
        self._begun = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            if line.strip():
                level = _LEVELS.get(line.partition(":")[0], logging.INFO)
                record = logging.LogRecord(LOGGER, level, "", 0, line, None, None)
                self.raw.write(_as_json(record) + "\n")
        self.raw.flush()
        return len(text)


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return _as_json(record)


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        where = " ".join(filter(None, (_field(record, "step"), _field(record, "unit"))))
        label = f"{record.levelname.lower()} " if record.levelno >= logging.WARNING else ""
        return f"{_time(record)[11:19]} {label}{f'[{where}] ' if where else ''}{_message(record)}"


def _as_json(record: logging.LogRecord) -> str:
    """One line: time, level, logger, message, where in a run, error, and numbers where given."""
    fields: dict[str, object] = {
        "time": _time(record),
        "level": record.levelname,
        "logger": record.name,
        "message": _message(record),
    }
    fields |= {name: _field(record, name) or None for name in NOWHERE}
    if record.exc_info and record.exc_info[0]:
        fields["error"] = record.exc_info[0].__name__
    values = cast(object, getattr(record, "values", None))
    if values:
        fields["values"] = values
    return json.dumps(fields, ensure_ascii=True, default=str)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def _message(record: logging.LogRecord) -> str:
    return " ".join(record.getMessage().splitlines())


def _field(record: logging.LogRecord, name: str) -> str:
    return str(getattr(record, name, ""))
