"""What is installed and imported: the public names, nothing heavy at start-up, a whole wheel."""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.resources import files
from pathlib import Path
from typing import cast

import pytest
from packaging.requirements import Requirement

import graphrag
from graphrag import prompts

REPOSITORY = Path(__file__).parents[2]
MAX_DISTRIBUTIONS = 50
HEAVY = {
    "asyncio",
    "bs4",
    "charset_normalizer",
    "graspologic_native",
    "igraph",
    "leidenalg",
    "mammoth",
    "mcp",
    "neo4j",
    "numpy",
    "openai",
    "pdfplumber",
    "polars",
    "py3langid",
    "pydantic",
    "pypdfium2",
    "python_calamine",
    "rapidfuzz",
    "rich",
    "scipy",
    "starlette",
    "Stemmer",
    "tiktoken",
    "uvicorn",
    "yaml",
}
PUBLIC = [
    "Answer",
    "AnswerContext",
    "AsyncGraphRAG",
    "Attribute",
    "BadReplyError",
    "ChatModel",
    "Citation",
    "Completion",
    "ContextTooLongError",
    "CostLimitError",
    "Document",
    "Edge",
    "Embedder",
    "EntityHit",
    "EntityType",
    "Graph",
    "GraphRAG",
    "GraphRAGError",
    "IncompatibleIndexError",
    "IndexMethod",
    "IndexOptions",
    "IndexResult",
    "InputError",
    "ListedEntity",
    "LockedError",
    "Message",
    "ModelAuthError",
    "ModelError",
    "ModelUnreachableError",
    "NoIndexError",
    "Node",
    "Passage",
    "Plan",
    "Progress",
    "QueryMethod",
    "QueryOptions",
    "RefusedError",
    "RelationshipHit",
    "ReportHit",
    "Retrieved",
    "Schema",
    "Settings",
    "SettingsError",
    "StoreError",
    "Triple",
    "Usage",
    "UsageError",
    "__version__",
]

# Prints, as JSON, what differs in the process before and after running the code in argv[1].
SIDE_EFFECTS = """
import asyncio.events, json, logging, os, pathlib, signal, sys, threading, warnings

def state():
    return {
        # Without what polars sets for its own allocator.
        "environment": {k: v for k, v in os.environ.items() if k != "_RJEM_MALLOC_CONF"},
        "folder": os.getcwd(),
        "handlers": len(logging.root.handlers),
        "level": logging.root.level,
        "policy": str(asyncio.events._event_loop_policy),
        "path": list(sys.path),
        "hooks": [str(sys.excepthook), str(sys.displayhook), len(sys.meta_path)],
        "warnings": len(warnings.filters),
        "interrupt": str(signal.getsignal(signal.SIGINT)),
        "threads": threading.active_count(),
        "files": sorted(str(path) for path in pathlib.Path().rglob("*")),
    }

before = state()
exec(sys.argv[1])
after = state()
print(json.dumps(sorted(name for name in before if before[name] != after[name])))
"""


def python(*arguments: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=True, cwd=folder
    )
    return done.stdout


def test_public_names() -> None:
    assert graphrag.__all__ == PUBLIC
    assert dir(graphrag) == PUBLIC
    for name in PUBLIC:
        assert getattr(graphrag, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = graphrag.no_such_name  # type: ignore[attr-defined] # that it is not there is the test


def test_import_has_no_side_effect(tmp_path: Path) -> None:
    code = "import graphrag"
    assert json.loads(python("-c", SIDE_EFFECTS, code, folder=tmp_path)) == []


def test_loading_every_public_name_changes_nothing_but_modules(tmp_path: Path) -> None:
    code = "import graphrag\nfor name in graphrag.__all__: getattr(graphrag, name)"
    changed = json.loads(python("-c", SIDE_EFFECTS, code, folder=tmp_path))
    assert set(changed) <= {"warnings"}  # numpy registers filters of its own


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        ("import graphrag", set[str]()),
        ("from graphrag.cli.main import main; main(['--help'], standalone_mode=False)", set[str]()),
        (
            "from graphrag.cli.main import main; main(['index', '--help'], standalone_mode=False)",
            set[str](),
        ),
        ("import graphrag; graphrag.GraphRAG", {"asyncio", "pydantic"}),
    ],
)
def test_nothing_heavy_is_loaded_early(code: str, allowed: set[str], tmp_path: Path) -> None:
    program = f"import json, sys\n{code}\nprint()\nprint(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(python("-c", program, folder=tmp_path).splitlines()[-1])
    assert HEAVY & set(cast(list[str], loaded)) <= allowed


def test_version_is_that_of_the_distribution() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert graphrag.__version__ == project["version"]
    assert importlib.metadata.version("graphrag-neo4j") == project["version"]


def test_package_data_is_found_through_the_package() -> None:
    package = files("graphrag")
    assert (package / "py.typed").is_file()
    assert (package / "text" / "data" / "o200k_base.tiktoken").is_file()
    for name in prompts.PLACEHOLDERS:
        assert (package / "prompts" / f"{name}.md").is_file(), name


def test_wheel_holds_the_package_and_nothing_else(tmp_path: Path) -> None:
    python("-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path), folder=REPOSITORY)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.startswith("graphrag_neo4j-")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    info = next(name.split("/")[0] for name in names if name.endswith("/METADATA"))
    assert {name.split("/")[0] for name in names} == {"graphrag", info}
    assert f"{info}/licenses/LICENSE" in names
    package = REPOSITORY / "graphrag"
    expected = {
        path.relative_to(REPOSITORY).as_posix()
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in names if name.startswith("graphrag/")} == expected


def test_base_install_is_small() -> None:
    found: set[str] = set()
    pending = ["graphrag-neo4j"]
    while pending:
        name = re.sub(r"[-_.]+", "-", pending.pop()).lower()
        if name in found:
            continue
        found.add(name)
        for line in importlib.metadata.requires(name) or []:
            requirement = Requirement(line)
            # Extras are followed only where a distribution asks for them by name.
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                pending.append(requirement.name)
    assert {"polars", "openai", "neo4j", "graspologic-native"} <= found
    assert len(found) <= MAX_DISTRIBUTIONS, sorted(found)
