"""Names of indexes and folders as they are given at the start, and when an index is open."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from graphrag.core.errors import UsageError
from graphrag.server.indexes import Indexes, Place, parse_places
from graphrag.server.replies import ProblemError


def test_the_only_index_has_the_name_of_its_folder(tmp_path: Path) -> None:
    root = tmp_path / "My notes (2024)"
    root.mkdir()
    assert parse_places([], root=root) == (Place("My-notes-2024", root),)


def test_indexes_have_names_roots_and_namespaces(tmp_path: Path) -> None:
    (tmp_path / "law").mkdir()
    places = parse_places([f"news={tmp_path}", f"law={tmp_path}/law#2026"], root=Path("no-such"))
    assert places == (Place("news", tmp_path), Place("law", tmp_path / "law", "2026"))


def test_folders_belong_to_one_index_or_to_all(tmp_path: Path) -> None:
    for name in ("a", "b", "texts", "more"):
        (tmp_path / name).mkdir()
    texts, more = tmp_path / "texts", tmp_path / "more"
    first, second = parse_places(
        [f"a={tmp_path}/a", f"b={tmp_path}/b"], root=tmp_path, folders=[str(texts), f"b={more}"]
    )
    assert first.folders == (texts,)
    assert second.folders == (texts, more)


@pytest.mark.parametrize(
    "given", ["news", "=x", "../x=.", "a b=.", "a/b=.", "a:b=.", "x=no-such-folder", "é=."]
)
def test_what_names_no_index_is_refused(given: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        parse_places([given], root=tmp_path)


def test_a_name_comes_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="two indexes"):
        parse_places([f"a={tmp_path}", f"a={tmp_path}"], root=tmp_path)


def test_an_index_is_open_while_it_is_used_and_closed_when_idle(tmp_path: Path) -> None:
    async def run() -> None:
        indexes = Indexes((Place("kb", tmp_path),), idle_seconds=0.0)
        assert indexes.open_names == []
        async with indexes.use("kb") as engine:
            await indexes.close_idle()
            assert indexes.open_names == ["kb"]
            async with indexes.use("kb") as again:
                assert again is engine
        await indexes.close_idle()
        assert indexes.open_names == []
        await indexes.close()

    asyncio.run(run())


def test_a_name_that_is_not_on_the_list_does_not_exist(tmp_path: Path) -> None:
    indexes = Indexes((Place("kb", tmp_path),), idle_seconds=1.0)
    with pytest.raises(ProblemError) as refused:
        indexes.place("default")
    assert refused.value.status == 404
    assert "kb" in refused.value.hint
