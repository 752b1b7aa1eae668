"""Open the index that is evaluated, with settings and prompts that may differ from its own."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from graphrag.core.errors import SettingsError, UsageError
from graphrag.core.settings import FILE_NAME, WORK_FOLDER
from graphrag.core.settings_file import load_settings, setting_names
from graphrag.engine.sync import AsyncGraphRAG

# What an index was made with: another value there changes nothing until it is made again.
INDEX_SECTIONS = ("chunks", "extraction", "resolution", "communities", "reports", "input")


@dataclass(frozen=True, slots=True)
class Target:
    """An index and how it is asked. `options`: settings by dotted name; `prompts`: a folder
    that stands for `<root>/prompts`."""

    root: Path
    store: str | None = None
    namespace: str | None = None
    options: Mapping[str, object] = field(default_factory=dict[str, object])
    prompts: Path | None = None

    def with_options(self, **options: object) -> Target:
        """Names with `__` for each dot; None changes nothing."""
        named = {name.replace("__", "."): value for name, value in options.items()}
        return replace(self, options={**self.options, **named})

    @contextmanager
    def opened(self, *, chat: bool = True) -> Generator[AsyncGraphRAG, None, None]:
        """The engine for it, to be used as an async context manager; without `chat` no model is
        asked whatever the settings say."""
        with self._root() as root:
            if chat:
                yield AsyncGraphRAG.open(
                    root, store=self.store, namespace=self.namespace, options={**self.options}
                )
            else:
                yield AsyncGraphRAG.open(
                    root,
                    store=self.store,
                    namespace=self.namespace,
                    options={**self.options},
                    chat=None,
                )

    @contextmanager
    def _root(self) -> Generator[Path, None, None]:
        """The root; with other prompts a stand-in that shares everything else with it."""
        if self.prompts is None:
            yield self.root
            return
        if not self.prompts.is_dir():
            raise UsageError(
                f"{self.prompts} is no folder of prompts",
                hint="Name a folder with the layout of <root>/prompts.",
            )
        with tempfile.TemporaryDirectory() as folder:
            stand_in = Path(folder)
            for name in (WORK_FOLDER, FILE_NAME):
                if (self.root / name).exists():
                    (stand_in / name).symlink_to((self.root / name).resolve())
            (stand_in / "prompts").symlink_to(self.prompts.resolve())
            yield stand_in


def read_options(path: Path) -> dict[str, object]:
    """Every setting that a settings file sets, by dotted name. Raises SettingsError."""
    import yaml

    try:
        tree = cast(object, yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise SettingsError(f"{path} cannot be read: {error}", hint="Correct the file.") from error
    if not isinstance(tree, dict):
        raise SettingsError(f"{path} holds no settings", hint="Write `section:` lines.")
    names = frozenset(setting_names())
    return dict(_flat(cast(dict[str, object], tree), "", names))


def index_settings_that_differ(target: Target) -> list[str]:
    """Sections of `target.options` that the index at its root was not made with."""
    before = load_settings(target.root).model_dump(by_alias=True)
    after = load_settings(target.root, options=target.options).model_dump(by_alias=True)
    return [name for name in INDEX_SECTIONS if before[name] != after[name]]


def _flat(
    tree: Mapping[str, object], prefix: str, names: frozenset[str]
) -> Iterator[tuple[str, object]]:
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and name not in names:
            yield from _flat(cast(dict[str, object], value), f"{name}.", names)
        else:
            yield name, value
