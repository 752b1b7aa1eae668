"""The command line and the settings in, the pages docs/cli.md and docs/settings.md out.

python docs/generate.py           write the pages
python docs/generate.py --check   write nothing; exit 1 and name the pages that are stale
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Annotated, Literal, Union, cast, get_args, get_origin

import click
from pydantic import BaseModel

from graphrag.cli.main import main as command
from graphrag.core.settings import ENV_PREFIX, FILE_NAME, Settings
from graphrag.core.settings_file import meanings, section_of

FOLDER = Path(__file__).resolve().parent
WIDTH = 88

CLI_INTRO = """\
# Command line

This page is made from `graphrag --help` by `make docs`.

Answers and tables go to stdout, progress and warnings to stderr.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | failed: the message says why and what to do |
| 2 | wrong usage or settings |
| 3 | done in part: some items failed, or `--max-cost` was reached; the list says which |
| 4 | `eval compare`: a metric fell by more than its bound |
"""

SETTINGS_INTRO = """\
# Settings

This page is made from `graphrag/core/settings.py` by `make docs`.

No settings file is needed. `graphrag init` writes one, `{file}`, with every default and its
meaning. A value is taken from the first of these places that has it:

1. an option of the command or an argument in Python,
2. an environment variable: `{prefix}`, then the name in capitals with `__` for each dot,
3. `{file}` in the root folder,
4. the default.

In the file, `"${{NAME}}"` is replaced by the environment variable `NAME`. In environment
variables, lists, maps and null are written as JSON. Without a key and a server in `chat` and
`embedding`, `OPENAI_API_KEY` and `OPENAI_BASE_URL` are read; with neither, no model is called.
An unknown name is an error, never ignored.
"""


def main(arguments: list[str]) -> int:
    pages = {"cli.md": cli_page(), "settings.md": settings_page()}
    paths = {FOLDER / name: text for name, text in pages.items()}
    if arguments == ["--check"]:
        stale = [path for path, text in paths.items() if not holds(path, text)]
        for path in stale:
            print(f"docs/{path.name} is stale: run `make docs`", file=sys.stderr)
        return 1 if stale else 0
    if arguments:
        print(f"unknown argument {arguments[0]!r}; there is only --check", file=sys.stderr)
        return 2
    for path, text in paths.items():
        path.write_text(text, encoding="utf-8")
    return 0


def holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


def cli_page() -> str:
    parts = [CLI_INTRO]
    for context in contexts(cast(click.Command, command), "graphrag", parent=None):
        text = context.command.get_help(context)
        help_text = "\n".join(line.rstrip() for line in text.splitlines())
        parts.append(f"## {context.command_path}\n\n```text\n{help_text}\n```\n")
    return "\n".join(parts)


def contexts(
    entry: click.Command, name: str, *, parent: click.Context | None
) -> Iterator[click.Context]:
    """`entry` and everything under it, as if each was called, in alphabetical order."""
    context = click.Context(
        entry,
        parent,
        info_name=name,
        max_content_width=WIDTH,
        terminal_width=WIDTH,
        **entry.context_settings,
    )
    yield context
    if isinstance(entry, click.Group):
        for key in sorted(entry.commands):
            yield from contexts(entry.commands[key], key, parent=context)


def settings_page() -> str:
    parts = [SETTINGS_INTRO.format(file=FILE_NAME, prefix=ENV_PREFIX)]
    for title, section in sections(Settings, ""):
        rows = [
            f"| `{name}` | {default} | `{ENV_PREFIX}{name.upper().replace('.', '__')}` "
            f"| {meaning} |"
            for name, default, meaning in fields(section, title)
        ]
        heading = f"`{title}`" if title else "Top level"
        table = ["| setting | default | environment | meaning |", "|---|---|---|---|", *rows]
        parts.append(f"## {heading}\n\n" + "\n".join(table) + "\n")
    return "\n".join(parts)


def sections(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, type[BaseModel]]]:
    """Every section that has settings of its own, with its dotted name, in the file's order."""
    if any(section_of(field.annotation) is None for field in model.model_fields.values()):
        yield prefix, model
    for field_name, field in model.model_fields.items():
        inner = section_of(field.annotation)
        if inner is not None:
            name = field.alias or field_name
            yield from sections(inner, f"{prefix}.{name}" if prefix else name)


def fields(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str]]:
    """Dotted name, default and meaning of each setting in `model`, as Markdown."""
    texts = meanings(model)
    for field_name, field in model.model_fields.items():
        if section_of(field.annotation) is not None:
            continue
        name = field.alias or field_name
        default = json.dumps(cast(object, field.default), ensure_ascii=False)
        meaning = texts.get(field_name, "")
        allowed = choices(cast(object, field.annotation))
        if allowed:
            meaning += f" One of {', '.join(f'`{choice}`' for choice in allowed)}."
        inside = keys(cast(object, field.annotation))
        if inside:
            meaning += f" A map of {', '.join(f'`{key}`' for key in inside)}."
        dotted = f"{prefix}.{name}" if prefix else name
        yield dotted, f"`{default}`", meaning.replace("|", "\\|")


def choices(annotation: object) -> tuple[str, ...]:
    """The values of a Literal, also inside Annotated or a union."""
    if get_origin(annotation) is Literal:
        return cast(tuple[str, ...], get_args(annotation))
    if get_origin(annotation) in (Annotated, Union, UnionType):
        for inner in cast(tuple[object, ...], get_args(annotation)):
            if found := choices(inner):
                return found
    return ()


def keys(annotation: object) -> tuple[str, ...]:
    """The keys of a section that may be null, such as a price."""
    for inner in cast(tuple[object, ...], get_args(annotation)):
        if section := section_of(inner):
            return tuple(section.model_fields)
    return ()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
