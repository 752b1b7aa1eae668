"""The explorer's files in the package are what its sources give."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.conftest import missing

REPOSITORY = Path(__file__).parents[2]
BUILT = REPOSITORY / "graphrag" / "server" / "web"


def test_a_fresh_build_equals_the_committed_files(tmp_path: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        missing("npm is not installed (Debian: apt-get install npm)")
    web = tmp_path / "web"
    shutil.copytree(REPOSITORY / "web", web, ignore=shutil.ignore_patterns("node_modules"))
    fetched = run(str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund", folder=web)
    if fetched.returncode:
        missing(f"the packages cannot be fetched: {fetched.stderr[-500:]}")
    checked = run(str(npm), "run", "check", folder=web)
    assert checked.returncode == 0, checked.stdout
    built = run(str(npm), "run", "build", "--", str(tmp_path / "built"), folder=web)
    assert built.returncode == 0, built.stderr
    fresh = {path.name: path.read_bytes() for path in (tmp_path / "built").iterdir()}
    committed = {
        path.name: path.read_bytes()
        for path in BUILT.iterdir()
        if path.is_file() and path.suffix != ".py"
    }
    assert fresh.keys() == committed.keys()
    stale = [name for name in fresh if fresh[name] != committed[name]]
    assert not stale, f"`make web` has not been run since {', '.join(stale)} changed"


def run(*command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
