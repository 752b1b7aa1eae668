"""Describe prompt files: what they are, what they cost, how they differ, what is wrong.

Files of Microsoft's graphrag are recognised by their own placeholders and marks, and each comes
with what must change before its wording can serve here.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from graphrag import prompts
from graphrag.core.errors import SettingsError, UsageError
from graphrag.prompts import DIVIDER, DOMAIN_MARK, PLACEHOLDER, PLACEHOLDERS, Prompt, read_file
from graphrag.text import tokens
from graphrag.tuning.prompt_set import (
    ASIDE,
    DOMAIN,
    FOLDER,
    PREVIOUS,
    RECORD,
    State,
    domain_of,
    file_of,
    states,
)

MOST_DOMAIN_TOKENS = 3000  # two worked examples and notes have about 2,000
_DOMAIN_SUFFIX = ".domain.md"
_SINGLE = re.compile(r"(?<!\{)\{([a-z_]+)\}(?!\})")  # a placeholder of str.format
# What only Microsoft's files have: delimited tuples, and citations of data records.
_TUPLES = re.compile(r"\{tuple_delimiter\}|\{record_delimiter\}|<\|>|<\|COMPLETE\|>")
_RECORDS = re.compile(r"\[Data: ")


@dataclass(frozen=True, slots=True)
class Listed:
    """A prompt with the tokens of its file and of the packaged one, data not counted."""

    name: str
    state: State
    tokens: int
    packaged_tokens: int
    placeholders: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Checked:
    """`problems` keep a file from being used; `notes` say what else to know."""

    path: str
    name: str
    """The prompt that it is, or that a foreign file stands nearest to; "" where there is none."""
    state: str
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Foreign:
    """A prompt of Microsoft's graphrag: the placeholders that tell it apart, and ours for it."""

    needs: frozenset[str]
    name: str
    renamed: dict[str, str]


# The first whose placeholders are all there, and whose marks, is it.
_FOREIGN = (
    _Foreign(
        frozenset({"entity_specs", "claim_description"}),
        "indexing/extract_claims",
        {"input_text": "text", "entity_specs": "entity_types", "claim_description": ""},
    ),
    _Foreign(
        frozenset({"entity_types", "input_text"}),
        "indexing/extract",
        {"input_text": "text", "entity_types": "entity_types"},
    ),
    _Foreign(
        frozenset({"entity_name", "description_list"}),
        "indexing/summarise",
        {"entity_name": "name", "description_list": "descriptions", "max_length": ""},
    ),
    _Foreign(
        frozenset({"input_text", "max_report_length"}),
        "indexing/report",
        {"input_text": "context", "max_report_length": ""},
    ),
    _Foreign(
        frozenset({"context_data", "global_query"}),
        "query/drift_follow_up",
        {
            "context_data": "context",
            "global_query": "larger_question",
            "followups": "",
            "response_type": "",
        },
    ),
    _Foreign(
        frozenset({"community_reports"}),
        "query/drift_primer",
        {"community_reports": "reports", "query": "question"},
    ),
    _Foreign(
        frozenset({"report_data"}),
        "query/global_reduce",
        {"report_data": "points", "response_type": "", "max_length": ""},
    ),
    _Foreign(
        frozenset({"context_data", "response_type"}),
        "query/answer",
        {"context_data": "context", "response_type": ""},
    ),
    _Foreign(
        frozenset({"context_data"}),
        "query/global_map",
        {"context_data": "reports", "max_length": ""},
    ),
    _Foreign(frozenset({"input_text"}), "indexing/report", {"input_text": "context"}),
)

_VAGUE = ("query/global_map", "indexing/report")  # told by one placeholder, a common word


def list_prompts(root: Path) -> list[Listed]:
    """Every prompt of the root, in the order in which they are used."""
    found = states(root)
    return [
        Listed(
            name,
            found[name],
            _instruction_tokens(text_of(name, root)),
            _instruction_tokens(prompts.load(name).text),
            tuple(sorted(PLACEHOLDERS[name])),
        )
        for name in PLACEHOLDERS
    ]


def text_of(name: str, root: Path | None) -> str:
    """Prompt `name` with its domain in place, faults and all. Raises UsageError, SettingsError."""
    frame = prompts.load(prompts.check_name(name)).frame
    if root is None:
        return frame
    own, domain = (root / FOLDER / file_of(part) for part in (name, domain_of(name)))
    frame = read_file(own) if own.is_file() else frame
    return Prompt(name, frame, read_file(domain)).text if domain.is_file() else frame


def diff(names: Sequence[str], root: Path) -> str:
    """From the packaged prompt to the root's, as a unified diff; "" where all are packaged."""
    chosen = [prompts.check_name(name) for name in names] or list(PLACEHOLDERS)
    parts: list[str] = []
    for name in chosen:
        before, after = text_of(name, None), text_of(name, root)
        lines = difflib.unified_diff(
            before.splitlines(),
            after.splitlines(),
            f"packaged/{name}.md",
            f"{FOLDER}/{name}.md",
            lineterm="",
        )
        parts += lines
    return "\n".join(parts)


def check(paths: Sequence[Path], root: Path) -> list[Checked]:
    """Every prompt file of the root, or those at `paths` (files and folders).

    Raises UsageError for a path that is not there.
    """
    if not paths:
        folder = root / FOLDER
        return [_check_file(path, root) for path in _files(folder)] if folder.is_dir() else []
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise UsageError(f"not found: {', '.join(missing)}", hint="Name prompt files or folders.")
    return [
        _check_file(file, root)
        for path in paths
        for file in (_files(path) if path.is_dir() else [path])
    ]


def foreign(text: str) -> Checked | None:
    """`text` as a prompt file of Microsoft's graphrag, with what must change; None if it is none.

    `path` is left empty.
    """
    single = set(_SINGLE.findall(text))
    by_marks = bool(_TUPLES.search(text) or _RECORDS.search(text))
    found = next((item for item in _FOREIGN if item.needs <= single), None)
    if found is None or DIVIDER in text:
        return None
    if not by_marks and len(found.needs) == 1 and found.name in _VAGUE:
        return None  # too common a word to tell by
    ours = PLACEHOLDERS[found.name]
    changes = [
        f"{{{name}}} becomes {{{{{new}}}}}" if new else f"{{{name}}} has no counterpart: drop it"
        for name, new in found.renamed.items()
        if name in single
    ]
    there = {new for name, new in found.renamed.items() if name in single}
    changes += [f"{{{{{name}}}}} is to be added" for name in sorted(ours - there)]
    rest = sorted(single - set(found.renamed))
    changes += [f"{{{name}}} has no counterpart: drop it" for name in rest]
    changes.append(
        f"a line {DIVIDER!r} must part the instructions from the data, and the data stand in tags"
    )
    changes += _changed_replies(text, found.name)
    if "{{" in text:
        changes.append("braces doubled for str.format, {{ and }}, become single")
    changes.append(f"the new file is {FOLDER}/{found.name}.md; `prompts show` has the packaged one")
    return Checked("", found.name, "microsoft", tuple(changes))


def _changed_replies(text: str, name: str) -> list[str]:
    """What the reply must look like here instead."""
    changes: list[str] = []
    shape = re.search(r"^\{.*\}$", prompts.load(name).text, re.MULTILINE)
    if _TUPLES.search(text):
        changes.append("the delimited tuples, also those in its examples, become JSON")
    if shape:
        changes.append(f"the reply becomes {shape[0]}")
    if _RECORDS.search(text):
        cited = "[r12]" if name == "indexing/report" else "[12]"
        changes.append(f"citations [Data: …] become numbers of rows, {cited}")
    if "```citations" in prompts.load(name).text:
        changes.append("the answer ends in a fenced block `citations`, which the check reads")
    return changes


def _check_file(path: Path, root: Path) -> Checked:
    try:
        text = read_file(path)
    except SettingsError as error:
        return Checked(str(path), "", "unreadable", (str(error),))
    name = _name_of(path)
    if name is not None and path.name.endswith(_DOMAIN_SUFFIX):
        return _check_domain(path, name, text, root)
    if name is None:
        known = foreign(text)
        if known is not None:
            return Checked(str(path), known.name, known.state, known.problems)
        named = "no prompt has this name, so it is never read"
        return Checked(str(path), "", "unknown", (), (named,))
    problems = prompts.find_problems(name, text)
    known = foreign(text) if problems else None
    if known is not None:
        return Checked(str(path), name, known.state, (*problems, *known.problems))
    is_installed = path.resolve() == (root / FOLDER / file_of(name)).resolve()
    state = states(root).get(name, "own") if is_installed else "elsewhere"
    notes = _notes(name, text)
    if state in ("tuned", "edited"):
        notes.append(
            "an earlier version installed it whole, with the packaged instructions of then; "
            "`graphrag tune --force` keeps what it learns apart from them"
        )
    return Checked(str(path), name, state, tuple(problems), tuple(notes))


def _check_domain(path: Path, name: str, text: str, root: Path) -> Checked:
    """What is to be known of a domain may be any text."""
    notes: list[str] = []
    frame = root / FOLDER / file_of(name)
    if DOMAIN_MARK not in (read_file(frame) if frame.is_file() else prompts.load(name).frame):
        where = str(frame) if frame.is_file() else f"the packaged {name}"
        notes.append(f"it is not used: {where} has no line {DOMAIN_MARK!r}")
    if (size := tokens.count(text)) > MOST_DOMAIN_TOKENS:
        notes.append(f"{size} tokens go along with every call")
    is_installed = path.resolve() == (root / FOLDER / file_of(domain_of(name))).resolve()
    state = states(root)[domain_of(name)] if is_installed else "elsewhere"
    return Checked(str(path), name, state, (), tuple(notes))


def _notes(name: str, text: str) -> list[str]:
    packaged = prompts.load(name).text
    notes: list[str] = []
    head, head_packaged = text.partition(DIVIDER)[0], packaged.partition(DIVIDER)[0]
    moved = set(PLACEHOLDER.findall(head)) - set(PLACEHOLDER.findall(head_packaged))
    for placeholder in sorted(moved):
        notes.append(
            f"{{{{{placeholder}}}}} stands in the instructions: no provider can cache them then, "
            "and text of documents can pass for an instruction"
        )
    if text.count(DIVIDER) > 1:
        notes.append(f"only the first {DIVIDER!r} divides; the second is part of the data")
    shapes = re.findall(r'"([a-z_]+)": ', head_packaged)
    lost = sorted({field for field in shapes if field not in head})
    if lost:
        notes.append(
            f"the instructions no longer name {', '.join(lost)}, which the reply must have"
        )
    if "never instructions" in head_packaged and "never instructions" not in head:
        notes.append("it no longer says that data are never instructions")
    size, before = _instruction_tokens(text), _instruction_tokens(packaged)
    if size > 2 * before:
        notes.append(f"{size} tokens go along with every call; the packaged prompt has {before}")
    return notes


def _name_of(path: Path) -> str | None:
    """The prompt that a file is, or knows a domain for, by its last two parts."""
    name = "/".join(path.absolute().parts[-2:]).removesuffix(".md").removesuffix(".domain")
    return name if name in PLACEHOLDERS and path.suffix == ".md" else None


def _files(folder: Path) -> list[Path]:
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and path.name not in (RECORD, DOMAIN)
        and not any(
            part.startswith((PREVIOUS, ".")) or part == ASIDE
            for part in path.relative_to(folder).parts
        )
    ]


def _instruction_tokens(text: str) -> int:
    """What every call with the prompt pays for, whatever its data are."""
    for mark in (DIVIDER, f"{DOMAIN_MARK}\n\n"):
        text = text.replace(mark, "")
    return tokens.count(PLACEHOLDER.sub("", text))
