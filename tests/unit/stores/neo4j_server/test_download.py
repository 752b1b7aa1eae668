"""What a download that was cut off left behind, and that the next one goes on from there."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from graphrag.stores.neo4j_server.download import discard_partial


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A cache with files that are whole, in the places where jgo keeps them."""
    (tmp_path / "repository/org/a").mkdir(parents=True)
    (tmp_path / "envs/org/a/modules").mkdir(parents=True)
    jar = tmp_path / "repository/org/a/a-1.jar"
    with zipfile.ZipFile(jar, "w") as file:
        file.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n" * 100)
    (tmp_path / "repository/org/a/a-1.pom").write_text("<project>\n<a>1</a>\n</project>\n")
    (tmp_path / "repository/org/a/maven-metadata.xml").write_text("<metadata><a/></metadata>")
    (tmp_path / "envs/org/a/modules/a-1.jar").hardlink_to(jar)
    return tmp_path


def held(folder: Path) -> set[str]:
    return {path.name for path in (folder / "repository").rglob("*") if path.is_file()}


def test_files_that_are_whole_are_kept(folder: Path) -> None:
    discard_partial(folder)
    assert held(folder) == {"a-1.jar", "a-1.pom", "maven-metadata.xml"}


@pytest.mark.parametrize("name", ["a-1.jar", "a-1.pom", "maven-metadata.xml"])
@pytest.mark.parametrize("part", [0.0, 0.5, 0.9])
def test_a_file_without_its_end_is_fetched_again(folder: Path, name: str, part: float) -> None:
    path = folder / "repository/org/a" / name
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    discard_partial(folder)
    assert held(folder) == {"a-1.jar", "a-1.pom", "maven-metadata.xml"} - {name}


def test_links_that_no_lock_file_ended_are_made_again(folder: Path) -> None:
    discard_partial(folder)
    assert not (folder / "envs").exists()


def test_where_nothing_was_downloaded_yet_there_is_nothing_to_discard(tmp_path: Path) -> None:
    discard_partial(tmp_path)
    assert list(tmp_path.iterdir()) == []
