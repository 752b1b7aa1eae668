"""What an update must not lose, drop or keep by mistake, case by case."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from graphrag import Document, GraphRAG
from graphrag.core.errors import ModelError, SettingsError, UsageError
from graphrag.testing import Fault, Rule, TestServer

TURING, HOPPER, LOVELACE = (
    "Alan Turing met Joan Clarke at Bletchley.",
    "Grace Hopper met Howard Aiken at Harvard.",
    "Ada Lovelace met Charles Babbage in London.",
)


def opened(root: Path, **options: object) -> GraphRAG:
    return GraphRAG.open(root, chat=None, embed=None, options=dict(options))


def write(folder: Path, **texts: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    return folder


def sources(root: Path, *, status: str = "ok") -> list[str]:
    import polars as pl

    folder = root / "tables"
    shutil.rmtree(folder, ignore_errors=True)
    with opened(root) as rag:
        rag.export(folder)
    table = pl.read_parquet(folder / "documents.parquet")
    return sorted(table.filter(pl.col("status") == status)["source"])


def test_a_number_sign_in_a_source_is_part_of_it(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    names = ["C# intro.md", "C# more.md"]
    for name, text in zip(names, (TURING, HOPPER), strict=True):
        (docs / name).write_text(text, encoding="utf-8")
    with opened(tmp_path) as rag:
        rag.index([docs])
        assert rag.index([docs / names[0]]).documents == 2
        for number, text in enumerate((TURING, HOPPER, LOVELACE)):
            done = rag.index(documents=[Document(source=f"org/repo#{number}", text=text)])
            assert done.documents == 3 + number
        with pytest.raises(UsageError, match="not in the index"):
            rag.delete(["docs/C"])
        (docs / names[0]).unlink()
        stale = rag.status()["stale"]
    assert [one["source"] for one in stale] == [f"docs/{names[0]}"]


def test_rows_go_with_their_file_and_not_with_another(tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text(f"id,text\n1,{TURING}\n2,{HOPPER}\n", encoding="utf-8")
    with opened(tmp_path) as rag:
        rag.index([rows], documents=[Document(source="rows.csv.txt#1", text=LOVELACE)])
        rows.write_text(f"id,text\n2,{HOPPER}\n", encoding="utf-8")
        rag.index([rows])
    assert sources(tmp_path) == ["rows.csv#2", "rows.csv.txt#1"]


def test_prune_keeps_what_a_file_held_that_cannot_be_read_now(tmp_path: Path) -> None:
    docs = write(tmp_path / "docs", a=LOVELACE)
    rows = docs / "rows.csv"
    rows.write_text(f"id,text\n1,{TURING}\n2,{HOPPER}\n", encoding="utf-8")
    with opened(tmp_path) as rag:
        rag.index([docs])
        rows.write_text("id;title,txt", encoding="utf-8")
        assert rag.index([docs], prune=True).failed
    assert [name for name in sources(tmp_path) if "rows" in name] == [
        "docs/rows.csv#1",
        "docs/rows.csv#2",
    ]


def test_prune_keeps_what_a_folder_held_that_cannot_be_read_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docs, inner, other = (
        write(tmp_path / name, text=text)
        for name, text in (("docs", TURING), ("docs/sub", HOPPER), ("other", LOVELACE))
    )
    with opened(tmp_path) as rag:
        rag.index([docs, other])
        reading = Path.iterdir

        def refuse(folder: Path) -> object:
            if folder in (inner, other):
                raise PermissionError(13, "Permission denied")
            return reading(folder)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "iterdir", refuse)
            assert rag.index([docs, other], prune=True).failed
            with pytest.raises(UsageError, match="none of the paths can be read"):
                rag.index([other], prune=True)
        assert len(sources(tmp_path)) == 3
        assert sources(tmp_path, status="failed") == ["docs/sub", "other"]
        assert not rag.index([docs, other]).failed  # readable again
    assert sources(tmp_path, status="failed") == []


def test_prune_of_a_folder_leaves_documents_that_were_no_files(tmp_path: Path) -> None:
    write(tmp_path / "docs", a=TURING, b=HOPPER)
    given = [Document(source=name, text=LOVELACE) for name in ("db:42", "docs/notes:1")]
    with opened(tmp_path) as rag:
        rag.index([tmp_path / "docs"], documents=iter(given))
        (tmp_path / "docs/b.txt").unlink()
        rag.index([tmp_path], prune=True)
    assert sources(tmp_path) == ["db:42", "docs/a.txt", "docs/notes:1"]


def test_changed_chunks_are_applied_to_each_document_when_it_comes(tmp_path: Path) -> None:
    long = " ".join(f"Sentence {number} tells of the Great Eastern." for number in range(200))
    docs = write(tmp_path / "docs", a=long, b=long.replace("Great", "Far"))

    def units(paths: Sequence[Path], size: int) -> tuple[int, bool]:
        with opened(tmp_path, **{"chunks.max_tokens": size}) as rag:
            done = rag.index(paths)
            return done.text_units, any("before `chunks`" in one for one in done.warnings)

    whole, _ = units([docs], 1200)
    assert units([], 200) == (whole, True)
    part, warned = units([docs / "a.txt"], 200)
    assert part > whole
    assert warned
    again, _ = units([docs / "b.txt"], 1200)
    assert again == part  # a at 200, b at 1200 tokens a unit
    every, warned = units([docs], 200)
    assert every > part
    assert not warned
    assert units([docs], 200) == (every, False)


def test_what_was_skipped_comes_back_when_its_like_is_edited_or_nothing_is_skipped(
    tmp_path: Path,
) -> None:
    long = " ".join(f"Word{number} follows word{number + 1}." for number in range(200))
    docs = write(tmp_path / "docs", b=f"{long} Indeed.", c=f"{long} Truly.")
    skip = {"input.near_duplicates": "skip"}
    with opened(tmp_path, **skip) as rag:
        assert len(rag.index([docs]).skipped) == 1
        write(docs, b=LOVELACE)
        assert any("docs/c.txt" in one for one in rag.index([docs / "b.txt"]).warnings)
        assert rag.index([docs]).documents == 2
        write(docs, b=f"{long} Indeed.")
        assert len(rag.index([docs]).skipped) == 1
    with opened(tmp_path) as rag:
        rag.index([])
        assert rag.index([docs]).documents == 2


def test_a_graph_survives_a_model_that_refuses_everything(tmp_path: Path) -> None:
    docs = write(tmp_path / "docs", a=TURING, b=HOPPER)
    with TestServer() as server:
        options: dict[str, object] = {"chat.base_url": server.url, "chat.model": "one"}
        options["chat.api_key"] = "x"
        with GraphRAG.open(tmp_path, embed=None, options=options) as rag:
            before = rag.index([docs]).entities
        options["chat.model"] = "two"
        with GraphRAG.open(tmp_path, embed=None, options=options) as rag:
            server.set_faults(Fault(kind="extract", fault="empty"))
            for _ in range(2):
                with pytest.raises(ModelError, match="every extraction call failed") as caught:
                    rag.index([docs])
                assert "--retry-failed" in str(caught.value.hint)
                assert rag.status()["counts"]["entities"] == before
            server.set_faults()
            assert rag.index([docs], retry_failed=True).entities == before


def test_delete_keeps_to_the_method_of_the_index(tmp_path: Path) -> None:
    docs = write(tmp_path / "docs", a=TURING, b=HOPPER)
    with TestServer() as server:
        options: dict[str, object] = {"chat.base_url": server.url, "chat.api_key": "x"}
        with GraphRAG.open(tmp_path, embed=None, options=options) as rag:
            rag.index([docs], method="fast")
            done = rag.delete(["docs/b.txt"])
            assert done.method == "fast"
            assert done.usage.chat_calls == 0
            rag.index([docs], method="standard")
    with opened(tmp_path) as rag, pytest.raises(SettingsError, match="was extracted by"):
        rag.delete(["docs/b.txt"])
    with opened(tmp_path, **{"extraction.method": "fast"}) as rag:
        assert rag.index([docs]).method == "fast"


def test_a_source_that_is_given_twice_is_listed_and_the_rest_indexed(tmp_path: Path) -> None:
    docs = write(tmp_path / "docs", a=TURING)
    given = [
        Document(source=source, text=text)
        for source, text in (("docs/a.txt", HOPPER), ("b", LOVELACE), ("b", "Again."), ("b", ""))
    ]
    with opened(tmp_path) as rag:
        done = rag.index([docs], documents=given)
    assert done.documents == 2
    assert {one.source for one in done.failed} == {"docs/a.txt", "b"}


def test_a_document_that_newly_fails_is_noted_though_nothing_else_changed(tmp_path: Path) -> None:
    docs = write(tmp_path / "docs", a=TURING)
    with opened(tmp_path) as rag:
        rag.index([docs])
        (docs / "broken.pdf").write_bytes(b"no pdf")
        assert rag.index([docs]).failed
        assert sources(tmp_path, status="failed") == ["docs/broken.pdf"]
        assert not rag.index([docs]).changed
        (docs / "broken.pdf").unlink()
        assert not rag.index([docs]).failed
    assert sources(tmp_path, status="failed") == []


def test_copy_tells_indexes_apart_by_the_metadata_of_documents(tmp_path: Path) -> None:
    for year in (1940, 1950):
        with opened(tmp_path / str(year)) as rag:
            rag.index(documents=[Document(source="a", text=TURING, metadata={"year": year})])
    target = str(tmp_path / "1950/.graphrag/graph.db")
    with opened(tmp_path / "1940") as rag:
        with pytest.raises(UsageError, match="holds another index"):
            rag.copy_to(target)
        rag.copy_to(target, replace=True)
        rag.copy_to(target)


def test_two_imported_documents_may_have_one_title(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    for name, text in (("x", TURING), ("y", HOPPER)):
        (docs / name).mkdir(parents=True)
        (docs / name / "readme.md").write_text(f"# Readme\n\n{text}", encoding="utf-8")
    with opened(tmp_path / "one") as rag:
        rag.index([docs])
        rag.export(tmp_path / "ms", format="microsoft")
    with opened(tmp_path / "two") as rag:
        assert rag.import_folder(tmp_path / "ms").documents == 2
        assert rag.import_folder(tmp_path / "ms").documents == 2


def test_an_import_leaves_the_communities_of_what_was_there(tmp_path: Path) -> None:
    met = "Elmer met Fudge. Fudge met Porky. Porky met Daffy. Daffy met Elmer."
    with opened(tmp_path / "one") as rag:
        rag.index(documents=[Document(source="other", text=met)])
        rag.export(tmp_path / "ms", format="microsoft")
    with opened(tmp_path) as rag:
        rag.index(
            documents=[Document(source=str(n), text=t) for n, t in enumerate((TURING, HOPPER))]
        )
        before = rag.status()["counts"]["communities"]
        after = rag.import_folder(tmp_path / "ms").communities
        assert after > before > 0
        assert rag.import_folder(tmp_path / "ms").communities == after
    for table in ("communities", "community_reports"):
        (tmp_path / "ms" / f"{table}.parquet").unlink()
    with opened(tmp_path / "bare") as rag:  # then its communities are found as any
        assert rag.import_folder(tmp_path / "ms").communities > 0


def test_files_whose_names_differ_in_bytes_that_are_no_text_stay_apart(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    for name, text in ((b"M\xfcller.txt", TURING), (b"M\xf6ller.txt", HOPPER)):
        (docs / os.fsdecode(name)).write_text(text, encoding="utf-8")
    with opened(tmp_path) as rag:
        assert rag.index([docs]).documents == 2
        assert rag.status()["stale"] == []
    assert sources(tmp_path) == ["docs/M%F6ller.txt", "docs/M%FCller.txt"]


@pytest.mark.parametrize(
    "value",
    ["!!timestamp foo", '!!int ""', "!!bool foo", "0x" + "F" * 5000, "59:" * 3000 + "59"],
)
def test_odd_front_matter_stops_no_other_file(tmp_path: Path, value: str) -> None:
    docs = write(tmp_path / "docs", a=TURING)
    (docs / "odd.md").write_text(f"---\nx: {value}\n---\n# Odd\n\n{HOPPER}\n", encoding="utf-8")
    with opened(tmp_path) as rag:
        assert rag.index([docs]).documents == 2


def test_status_after_a_folder_became_readable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docs, inner = write(tmp_path / "docs", a=TURING), write(tmp_path / "docs/sub", b=HOPPER)
    reading = Path.iterdir

    def refuse(folder: Path) -> object:
        if folder == inner:
            raise PermissionError(13, "Permission denied")
        return reading(folder)

    with opened(tmp_path) as rag:
        with monkeypatch.context() as patch:
            patch.setattr(Path, "iterdir", refuse)
            rag.index([docs])
        (inner / "c.txt").write_text(LOVELACE, encoding="utf-8")
        assert [one["source"] for one in rag.status()["stale"]] == ["docs/sub"]


@pytest.mark.parametrize("strength", ["NaN", "Infinity", "-1e999", "1e308", "-5", "9" * 5000])
def test_no_strength_of_a_model_stops_a_run(tmp_path: Path, strength: str) -> None:
    names = (
        '{"name":"Bob","type":"","description":""}',
        '{"name":"Ada","type":"","description":""}',
    )
    edge = f'{{"source":"Bob","target":"Ada","type":"","description":"","strength":{strength}}}'
    reply = f'{{"entities":[{",".join(names)}],"relationships":[{edge}]}}'
    rule = Rule("extract", lambda request: HOPPER in request.data, lambda _: reply)
    docs = write(tmp_path / "docs", a=TURING, b=HOPPER)
    with TestServer(rules=[rule]) as server:
        options: dict[str, object] = {"chat.base_url": server.url, "chat.api_key": "x"}
        with GraphRAG.open(tmp_path, embed=None, options=options) as rag:
            done = rag.index([docs])
    assert done.documents == 2
    assert done.entities
    assert all("text unit" in one.reason for one in done.failed)
