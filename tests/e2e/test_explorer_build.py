"""The explorer's files in the package are what its sources give."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.explorer import packages, run

BUILT = Path(__file__).parents[2] / "graphrag" / "server" / "web"


def test_a_fresh_build_equals_the_committed_files(tmp_path: Path) -> None:
    web = packages(tmp_path)
    checked = run("npm", "run", "check", folder=web)
    assert checked.returncode == 0, checked.stdout
    built = run("npm", "run", "build", "--", str(tmp_path / "built"), folder=web)
    assert built.returncode == 0, built.stderr
    fresh = {path.name: path.read_bytes() for path in (tmp_path / "built").iterdir()}
    committed = {
        path.name: path.read_bytes()
        for path in BUILT.iterdir()
        if path.is_file() and path.suffix != ".py"
    }
    assert fresh.keys() == committed.keys()
    stale = [name for name in fresh if fresh[name] != committed[name]]
    assert not stale, f"run `make web`: {', '.join(stale)} are not what the sources give"
