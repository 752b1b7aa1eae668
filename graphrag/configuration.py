"""A root folder in, its settings out: file, environment and options, checked.

Order: defaults < `graphrag.yaml` < `GRAPHRAG__SECTION__KEY` < options of the call.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from pydantic import BaseModel, ValidationError

from graphrag.errors import SettingsError
from graphrag.settings import ENV_PREFIX, FILE_NAME, Section, Settings


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
    return _validate(tree, root / FILE_NAME)


def render_yaml(settings: Settings | None = None) -> str:
    """The settings file with every default and its description, as `graphrag init` writes it."""
    lines = [
        "# Settings of this index. Every value is the default; delete what you do not change.",
        '# "${NAME}" is replaced by that environment variable.',
        "",
    ]
    _render(settings or Settings(), lines, indent=0)
    return "\n".join(lines) + "\n"


def _read_file(path: Path, env: Mapping[str, str]) -> dict[str, object]:
    if not path.is_file():
        return {}
    import yaml

    try:
        data: object = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
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
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, Section):
            names.extend(setting_names(annotation, f"{name}."))
        else:
            names.append(name)
    return names


def _render(section: Section, lines: list[str], *, indent: int) -> None:
    pad = "  " * indent
    for field_name, field in type(section).model_fields.items():
        name = field.alias or field_name
        value = cast(object, getattr(section, field_name))
        if isinstance(value, Section):
            lines.append(f"{pad}{name}:")
            _render(value, lines, indent=indent + 1)
            if indent == 0:
                lines.append("")
            continue
        if field.description:
            lines.append(f"{pad}# {field.description}")
        lines.append(f"{pad}{name}: {json.dumps(value, ensure_ascii=False)}")
