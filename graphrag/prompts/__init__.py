"""Prompt files: Markdown with `{{name}}` placeholders, filled in one pass and never rescanned.

A file has two parts, divided by a line `<!-- data -->`: stable instructions (the system
message, so that providers can cache the prefix) and the data of one call (the user message).
A project's own `prompts/` folder wins over the packaged one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from graphrag.errors import SettingsError, UsageError
from graphrag.tables import stable_id

DIVIDER = "<!-- data -->"
PLACEHOLDER = re.compile(r"\{\{([a-z_]+)\}\}")

# Every prompt with the placeholders that its file must hold, all of them and no other.
PLACEHOLDERS: Mapping[str, frozenset[str]] = {
    "indexing/extract": frozenset({"entity_types", "text"}),
    "indexing/extract_claims": frozenset({"entity_types", "text"}),
    "indexing/glean": frozenset(),
    "indexing/summarise": frozenset({"name", "descriptions"}),
    "indexing/report": frozenset({"max_findings", "context"}),
    "indexing/context": frozenset({"document", "text"}),
    "query/lazy_subqueries": frozenset({"history", "question"}),
    "query/lazy_relevance": frozenset({"question", "text"}),
    "query/lazy_claims": frozenset({"sources", "question"}),
    "query/rewrite": frozenset({"keys", "history", "question"}),
    "query/rerank": frozenset({"passages", "question"}),
    "query/suggest": frozenset({"context", "question", "answer"}),
    "query/answer": frozenset({"context", "history", "question"}),
    "query/global_map": frozenset({"reports", "question"}),
    "query/global_reduce": frozenset({"points", "history", "question"}),
    "query/rate_report": frozenset({"question", "report"}),
    "query/drift_hypothetical": frozenset({"report", "history", "question"}),
    "query/drift_primer": frozenset({"reports", "history", "question"}),
    "query/drift_follow_up": frozenset({"context", "larger_question", "question"}),
    "query/drift_reduce": frozenset({"points", "history", "question"}),
}


@dataclass(frozen=True, slots=True)
class Message:
    role: str  # system, user, assistant
    content: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt file. `hash` is part of every key under which its replies are kept."""

    name: str
    text: str

    @property
    def hash(self) -> str:
        return stable_id("prompt", self.text)

    def fill(self, values: Mapping[str, str]) -> list[Message]:
        """The messages, with `values` put in. Closing tags in values cannot end a data block."""
        declared = PLACEHOLDERS[self.name]
        if set(values) != set(declared):
            raise ValueError(f"{self.name} takes {sorted(declared)}, not {sorted(values)}")
        system, _, user = self.text.partition(DIVIDER)
        roles = (("system", system), ("user", user))
        return [
            Message(role, PLACEHOLDER.sub(lambda match: _guard(values[match[1]]), part).strip())
            for role, part in roles
            if part.strip()
        ]


def load(name: str, *, root: Path | None = None) -> Prompt:
    """The prompt `name`, from `root/prompts/` if it is there, else the packaged one.

    Raises SettingsError when the file lacks a placeholder, has an unknown one, or no data part.
    """
    declared = PLACEHOLDERS[name]
    own = root / "prompts" / f"{name}.md" if root else None
    path = own if own and own.is_file() else Path(__file__).parent / f"{name}.md"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"prompt {path} cannot be read: {error}", hint="Restore or remove the file."
        ) from error
    found: set[str] = set(PLACEHOLDER.findall(text))
    if found != set(declared) or (declared and DIVIDER not in text):
        missing = sorted(declared - found) or "no placeholder"
        unknown = sorted(found - declared) or "none"
        raise SettingsError(
            f"prompt {path}: lacks {missing}, unknown {unknown}; a line {DIVIDER!r} must divide "
            "instructions from data",
            hint="Compare it with the packaged prompt of the same name.",
        )
    return Prompt(name, text)


def check_name(name: str) -> str:
    """`name` if there is such a prompt. Raises UsageError."""
    if name not in PLACEHOLDERS:
        raise UsageError(f"no prompt {name!r}", hint=f"There are: {', '.join(PLACEHOLDERS)}.")
    return name


def _guard(value: str) -> str:
    # `</text>` in a document must not close the block that holds the document.
    return re.sub(r"</(?=[a-z_]+>)", "<\\\\/", value)
