"""Load the settings of a root: file, environment and options, checked.

Order: defaults < `graphrag.yaml` < `GRAPHRAG__SECTION__KEY` < options of the call. The entity
types of a tuned set take the place of the default ones.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import cast

from pydantic import BaseModel, ValidationError

from graphrag.core.errors import SettingsError
from graphrag.core.settings import ENV_PREFIX, FILE_NAME, ExtractionSettings, Section, Settings

DOMAIN_FILE = "prompts/domain.json"  # under the root, part of a tuned set of prompts
DEFAULT_TYPES = cast(tuple[str, ...], ExtractionSettings.model_fields["entity_types"].default)


def load_settings(
    root: Path,
    *,
    options: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Settings of the index under `root`.

    `options` are dotted names with values ("query.basic.k": 5) and win over everything; None
    values are skipped. `environ` stands for `os.environ`. Raises SettingsError, naming the file
    and the setting.
    """
    env = os.environ if environ is None else environ
    tree = _read_file(root / FILE_NAME, env)
    for name, value in env.items():
        if name.startswith(ENV_PREFIX):
            path = name.removeprefix(ENV_PREFIX).lower().split("__")
            _put(tree, path, _parse_variable(value))
    for name, option in (options or {}).items():
        if option is not None:
            _put(tree, name.split("."), option)
    _apply_openai_environment(tree, env)
    _put_sections(tree, Settings)
    return _with_domain(_validate(tree, root / FILE_NAME), root / DOMAIN_FILE)


def read_domain(path: Path) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Entity types and terms, each with its variants, that a tuned set brings; () without one.

    Raises SettingsError on a file that is not as `graphrag tune` writes it.
    """
    if not path.is_file():
        return (), ()
    try:
        data = cast(Mapping[str, object], json.loads(path.read_text(encoding="utf-8")))
        types, terms = data["entity_types"], cast(list[object], data["terms"])
        return _names(types), tuple(map(_names, terms))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsError(
            f"{path} cannot be used: {error!r}",
            hint='Write {"entity_types": ["…"], "terms": [["name", "variant"]]}, or remove it.',
        ) from error


def render_yaml() -> str:
    """The settings file with every default and its description, as `graphrag init` writes it."""
    lines = [
        "# Settings of this index. Every value is the default; delete what you do not change.",
        '# "${NAME}" is replaced by that environment variable.',
        "",
    ]
    _render(Settings(), lines, indent=0)
    return "\n".join(lines) + "\n"


def _read_file(path: Path, env: Mapping[str, str]) -> dict[str, object]:
    try:
        text = path.read_text(encoding="utf-8") if path.is_file() else None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}", hint="Correct the file.") from error
    if text is None:
        return {}
    import yaml

    try:
        data: object = yaml.safe_load(text)
        # What contains itself, and numbers of too many digits to be written, are no settings.
        json.dumps(data, default=str, skipkeys=True)
    except (yaml.YAMLError, ValueError, AttributeError, LookupError, RecursionError) as error:
        raise SettingsError(f"{path} cannot be read: {error}", hint="Correct the file.") from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise SettingsError(
            f"{path} holds {type(data).__name__}, not settings",
            hint="Write `section:` lines; `graphrag init` makes an example.",
        )
    return cast(dict[str, object], _expand(cast(object, data), env, path, ""))


def _expand(value: object, env: Mapping[str, str], path: Path, where: str) -> object:
    if isinstance(value, dict):
        pairs = cast(dict[object, object], value)
        return {
            str(key): _expand(item, env, path, f"{where}.{key}".lstrip("."))
            for key, item in pairs.items()
        }
    if isinstance(value, list):
        return [_expand(item, env, path, where) for item in cast(list[object], value)]
    if not isinstance(value, str):
        return value

    def replace(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in env:
            raise SettingsError(
                f"{path}: {where} needs the environment variable {name}, which is not set",
                hint=f"Set it (export {name}=…) or change {where}.",
            )
        return env[name]

    return re.sub(r"\$\{(\w+)\}", replace, value)


def _parse_variable(value: str) -> object:
    """Text of an environment variable; lists, maps and null are written as JSON."""
    if value == "null" or value[:1] in ("[", "{"):
        try:
            return cast(object, json.loads(value))
        except json.JSONDecodeError:
            return value
    return value


def _put(tree: dict[str, object], path: list[str], value: object) -> None:
    for key in path[:-1]:
        inner = tree.get(key)
        if not isinstance(inner, dict):
            inner = {}
            tree[key] = inner
        tree = cast(dict[str, object], inner)
    tree[path[-1]] = value


def _with_domain(settings: Settings, path: Path) -> Settings:
    """The entity types of the tuned set where no others are set, and its terms as one name each."""
    types, terms = read_domain(path)
    extraction, resolution = settings.extraction, settings.resolution
    if types and extraction.entity_types == DEFAULT_TYPES:
        extraction = extraction.model_copy(update={"entity_types": types})
    if terms:
        joined = (*resolution.always_join, *terms)
        resolution = resolution.model_copy(update={"always_join": joined})
    return settings.model_copy(update={"extraction": extraction, "resolution": resolution})


def _names(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is not a list of names")
    names = cast(list[object], value)
    if not all(isinstance(name, str) and name.strip() for name in names):
        raise TypeError(f"{value!r} is not a list of names")
    return tuple(map(str, names))


def _put_sections(tree: dict[str, object], model: type[Section]) -> None:
    """An empty map for each section that is not there.

    Then the one validator of the whole tree fills in all defaults; a section that makes its own
    has to build its own validator first.
    """
    for name, field in model.model_fields.items():
        section = section_of(field.annotation)
        if section is None or name in tree:
            continue
        inner = tree.setdefault(field.alias or name, {})
        if isinstance(inner, dict):
            _put_sections(cast(dict[str, object], inner), section)


def _section(tree: dict[str, object], name: str) -> dict[str, object]:
    section = tree.get(name)
    if section is None:
        section = tree[name] = {}
    return cast(dict[str, object], section) if isinstance(section, dict) else {}


def _apply_openai_environment(tree: dict[str, object], env: Mapping[str, str]) -> None:
    chat, embedding = _section(tree, "chat"), _section(tree, "embedding")
    for key, name in (("api_key", "OPENAI_API_KEY"), ("base_url", "OPENAI_BASE_URL")):
        for section in (chat, embedding):
            if not section.get(key):
                section[key] = chat.get(key) or env.get(name) or None


def _validate(tree: dict[str, object], path: Path) -> Settings:
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        problems = [
            _describe(".".join(map(str, item["loc"])), item["type"], item["msg"])
            for item in error.errors(include_input=False)
        ]
        where = f"{path}: " if path.is_file() else ""
        raise SettingsError(
            where + "; ".join(problems),
            hint="`graphrag init` writes a file with every setting and its meaning.",
        ) from None


def _describe(name: str, kind: str, message: str) -> str:
    if kind == "model_type":
        return f"{name}: this is a section, which holds settings by name"
    if kind != "extra_forbidden":
        return f"{name}: {message}"
    import difflib

    known = list(setting_names())
    close = difflib.get_close_matches(name, known, n=1)
    return f"{name!r} is not a setting" + (f" (did you mean {close[0]!r}?)" if close else "")


def setting_names(model: type[BaseModel] = Settings, prefix: str = "") -> list[str]:
    """Dotted names of all settings, in the order of the file."""
    names: list[str] = []
    for field_name, field in model.model_fields.items():
        name = prefix + (field.alias or field_name)
        section = section_of(field.annotation)
        if section:
            names.extend(setting_names(section, f"{name}."))
        else:
            names.append(name)
    return names


def section_of(annotation: object) -> type[Section] | None:
    """The section that a field holds; None where it holds a value."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    return None


def meanings(section: type[BaseModel]) -> dict[str, str]:
    """By field of `section`: the text below it in the source.

    Read when it is asked for: pydantic's own reading of it costs every start a tenth of a second.
    """
    import ast
    import inspect

    (definition,) = ast.parse(inspect.getsource(section)).body
    body = cast(ast.ClassDef, definition).body
    return {
        field.target.id: inspect.cleandoc(text.value.value)
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


def _render(section: Section, lines: list[str], *, indent: int) -> None:
    pad = "  " * indent
    texts = meanings(type(section))
    for field_name, field in type(section).model_fields.items():
        name = field.alias or field_name
        value = cast(object, getattr(section, field_name))
        if isinstance(value, Section):
            lines.append(f"{pad}{name}:")
            _render(value, lines, indent=indent + 1)
            if indent == 0:
                lines.append("")
            continue
        lines.append(f"{pad}# {texts[field_name]}")
        lines.append(f"{pad}{name}: {json.dumps(value, ensure_ascii=False)}")
