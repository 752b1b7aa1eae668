"""Import, export, copy and delete by the command, on both stores."""

from __future__ import annotations

import time
from pathlib import Path
from typing import cast
from xml.etree import ElementTree

import polars as pl
import pytest

from tests.e2e.conftest import BOTH_IN_SOAK, BOTH_STORES, Shell
from tests.e2e.test_main_job import exported

ADA = "# Ada Lovelace\n\nAda Lovelace wrote notes on the Analytical Engine of Charles Babbage.\n"
RHINE = "# Rhine\n\nThe Rhine flows through Basel and Cologne, said Charles Babbage.\n"


@pytest.fixture
def indexed(shell: Shell) -> Shell:
    (shell.root / "ada.md").write_text(ADA, encoding="utf-8")
    (shell.root / "rhine.md").write_text(RHINE, encoding="utf-8")
    done = shell.run("index", "ada.md", "rhine.md", "--root", "kb")
    assert done.code == 0, done.err
    return shell


def names(shell: Shell, root: str) -> set[str]:
    text = exported(shell, root)["entities"]
    return set(pl.read_csv(text)["name"].to_list())


@BOTH_IN_SOAK
@pytest.mark.data
def test_a_graph_of_microsoft_is_kept_as_it_was(shell: Shell, test_data: Path) -> None:
    folder = test_data / "dulce"
    theirs = {file.stem: pl.read_parquet(file) for file in folder.glob("*.parquet")}
    done = shell.run("import", folder, "--root", "kb", "--json")
    assert done.code == 0, done.err
    result = done.json()
    for ours, name in (
        ("documents", "documents"),
        ("text_units", "text_units"),
        ("relationships", "relationships"),
        ("communities", "communities"),
        ("reports", "community_reports"),
    ):
        assert result[ours] == theirs[name].height, name
    # There an end of a relationship need not be an entity; here it is.
    titles = {*theirs["entities"]["title"]}
    ends = {*theirs["relationships"]["source"], *theirs["relationships"]["target"]}
    assert result["entities"] == len(titles | ends)
    assert cast("dict[str, int]", result["usage"])["chat_calls"] == 0

    before = exported(shell, "kb")
    evidence = pl.read_csv(before["evidence"])
    assert evidence["extractor"].unique().to_list() == ["import"]
    assert evidence.height == theirs["text_units"].height
    again = shell.run("index", "--root", "kb", "--json")
    assert again.code == 0, again.err
    assert exported(shell, "kb") == before

    out = shell.root / "microsoft"
    assert shell.run("export", out, "--format", "microsoft", "--root", "kb").code == 0
    written = {file.stem: pl.read_parquet(file) for file in out.glob("*.parquet")}
    for name, columns in (
        ("text_units", ["text", "n_tokens"]),
        ("relationships", ["source", "target", "description", "weight"]),
        ("community_reports", ["title", "summary", "rank"]),
    ):
        assert sorted(written[name].select(columns).rows()) == sorted(
            theirs[name].select(columns).rows()
        ), name
    # What was written is read again: the same graph, its reports citing the same text units.
    assert shell.run("import", out, "--root", "again").code == 0
    after = exported(shell, "again")
    for table in ("documents", "text_units", "relationships", "communities"):
        assert after[table] == before[table], table
    findings = [pl.read_csv(tables["reports"])["findings"] for tables in (before, after)]
    assert findings[0].to_list() == findings[1].to_list()


def test_a_folder_without_tables_is_named(shell: Shell) -> None:
    (shell.root / "empty").mkdir()
    done = shell.run("import", "empty")
    assert done.code == 2
    assert "text_units.parquet" in done.err
    assert "Hint:" in done.err


@BOTH_STORES
def test_deleted_documents_take_with_them_what_only_they_support(indexed: Shell) -> None:
    (indexed.root / "kb").mkdir(exist_ok=True)
    both = names(indexed, "kb")
    assert {"Ada Lovelace", "Charles Babbage", "Cologne"} <= both
    unknown = indexed.run("delete", "nobody.md", "--root", "kb")
    assert unknown.code == 2
    assert "nobody.md" in unknown.err
    assert names(indexed, "kb") == both
    done = indexed.run("delete", "ada.md", "--root", "kb", "--json")
    assert done.code == 0, done.err
    assert done.json()["documents"] == 1
    left = names(indexed, "kb")
    assert "Ada Lovelace" not in left
    assert {"Charles Babbage", "Cologne"} <= left
    done = indexed.run("index", indexed.root / "rhine.md", "--root", "alone")
    assert done.code == 0, done.err
    assert exported(indexed, "kb")["entities"] == exported(indexed, "alone")["entities"]


@BOTH_IN_SOAK
def test_every_format_is_written(indexed: Shell) -> None:
    graph = exported(indexed, "kb")
    n_entities = pl.read_csv(graph["entities"]).height
    assert n_entities > 3
    for name in ("parquet", "microsoft", "graphml"):
        done = indexed.run("export", f"out-{name}", "--format", name, "--root", "kb")
        assert done.code == 0, done.err
        for line in done.out.splitlines():
            assert (indexed.root / line).is_file()
    for name in ("parquet", "microsoft"):
        assert pl.read_parquet(indexed.root / f"out-{name}" / "entities.parquet").height == (
            n_entities
        )
    found = ElementTree.parse(indexed.root / "out-graphml" / "graph.graphml").iter()
    assert sum(element.tag.endswith("}node") for element in found) == n_entities


@pytest.mark.neo4j
@pytest.mark.parametrize("shell", ["neo4j"], indirect=True)
def test_a_copy_there_and_back_is_exact(indexed: Shell) -> None:
    server = indexed.server
    assert server is not None
    namespace = server.prefix + "kb"
    plain = Shell(indexed.root)
    done = indexed.run("copy", server.url, "back.db", "--namespace", namespace)
    assert done.code == 0, done.err
    assert "2 documents" in done.out
    held = exported(indexed, "kb")
    done = plain.run(
        "export", "back", "--store", "back.db", "--namespace", namespace, "--format", "csv"
    )
    assert done.code == 0, done.err
    assert {
        path.stem: path.read_bytes() for path in sorted((plain.root / "back").iterdir())
    } == held
    # The way there: from SQLite to a namespace that is not on the server yet.
    other = server.prefix + "other"
    alone = ("--store", "other.db", "--namespace", other)
    assert plain.run("index", "ada.md", *alone).code == 0
    done = indexed.run("copy", "other.db", server.url, "--namespace", other)
    assert done.code == 0, done.err
    assert plain.run("export", "one", *alone, "--format", "csv").code == 0
    one = {path.stem: path.read_bytes() for path in sorted((plain.root / "one").iterdir())}
    assert exported(indexed, "other") == one
    # Nothing is left to do for the copy.
    there = ("--store", server.url, "--namespace", other)
    env = {"NEO4J_PASSWORD": server.password}
    again = plain.run("index", "ada.md", *there, "--json", env=env)
    assert again.code == 0
    assert again.json()["changed"] is False


@pytest.mark.parametrize("replace", [False, True])
def test_another_index_is_replaced_only_when_that_is_asked(shell: Shell, replace: bool) -> None:
    for name, text in (("ada", ADA), ("rhine", RHINE)):
        (shell.root / f"{name}.md").write_text(text, encoding="utf-8")
        done = shell.run("index", f"{name}.md", "--store", f"{name}.db")
        assert done.code == 0, done.err
    options = ("--replace",) if replace else ()
    done = shell.run("copy", "ada.db", "rhine.db", *options)
    assert done.code == (0 if replace else 2), done.err
    assert ("--replace" in done.err) is not replace
    assert shell.run("export", "out", "--store", "rhine.db", "--format", "csv").code == 0
    held = (shell.root / "out" / "documents.csv").read_text(encoding="utf-8")
    assert ("ada.md" in held) is replace
    assert ("rhine.md" in held) is not replace


def test_the_same_index_made_at_another_time_is_no_other(shell: Shell) -> None:
    (shell.root / "ada.md").write_text(ADA, encoding="utf-8")
    for name in ("first", "second"):
        assert shell.run("index", "ada.md", "--store", f"{name}.db").code == 0
        time.sleep(1.1)  # the index keeps the second of its last run
    done = shell.run("copy", "first.db", "second.db")
    assert done.code == 0, done.err


@pytest.mark.parametrize(
    ("source", "target", "code", "said"),
    [
        (".graphrag/graph.db", ".graphrag/graph.db", 2, "both source and target"),
        ("nowhere.db", "other.db", 1, "nowhere.db"),
        (".graphrag/graph.db", "ftp://example.org/x", 2, "is not a store"),
        (".graphrag/graph.db", "local", 1, "graphrag neo4j start"),
    ],
)
def test_a_copy_that_cannot_be_is_refused(
    shell: Shell, source: str, target: str, code: int, said: str
) -> None:
    (shell.root / "ada.md").write_text(ADA, encoding="utf-8")
    assert shell.run("index", "ada.md").code == 0
    done = shell.run("copy", source, target)
    assert done.code == code, done.err
    assert said in done.err
    assert not (shell.root / "other.db").exists()
    assert not (shell.root / "nowhere.db").exists()
