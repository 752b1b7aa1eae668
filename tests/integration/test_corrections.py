"""Corrections of the graph: applied by every index, undone with their line, update == rebuild."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graphrag import Document, GraphRAG, SettingsError, UsageError
from graphrag.cli.main import main
from graphrag.stores.neo4j_server import server as local_neo4j
from graphrag.testing import TestServer
from tests.hostile import SOAK
from tests.integration.conftest import Place
from tests.integration.neo4j_server import empty

TEXTS = (
    "Cyrus Field founded the Atlantic Telegraph Company. Charles Bright was its engineer.",
    "Charles Bright laid the cable from Valentia to Trinity Bay. Cyrus Field was on board.",
    "# Mercury\n\nMercury has the shortest orbit. Charles Bright watched Mercury in Valentia.",
    "Mercury is poured by William Thomson. William Thomson met Cyrus Field.",
)
SOURCES = ("a.md", "b.md", "c.md")
NAMES = ("Cyrus Field", "Charles Bright", "Valentia", "Mercury", "William Thomson", "Nobody")
OPTIONS: dict[str, object] = {
    "chunks.max_tokens": 40,
    "chunks.overlap": 0,
    "communities.update": "exact",
}
CORRECTIONS: list[dict[str, object]] = [
    *({"merge": [kept, other]} for kept in (*NAMES, "Electrician") for other in NAMES),
    *({"rename": name, "to": to} for name in NAMES for to in ("X", name.upper(), *NAMES)),
    *({"retype": name, "to": "ship"} for name in NAMES),
    *({"hide": name} for name in NAMES),
    *(
        {"split": name, "to": f"{name} (2)", "documents": [source]}
        for name in NAMES
        for source in SOURCES
    ),
    *(
        {"split": name, "to": f"{name} (3)", "context": [phrase]}
        for name in NAMES
        for phrase in ("orbit", "cable")
    ),
]
SOAK_SEQUENCES = 100
corrections = st.sampled_from(CORRECTIONS)


@dataclass(frozen=True, slots=True)
class Step:
    """A correction that is added, a text at a source, or the removal of either."""

    correct: Mapping[str, object] | None = None
    source: str = ""
    text: str = ""
    drop_line: int | None = None


steps = st.one_of(
    st.builds(Step, correct=corrections),
    st.builds(Step, correct=corrections),
    st.builds(Step, source=st.sampled_from(SOURCES), text=st.sampled_from(TEXTS)),
    st.builds(Step, source=st.sampled_from(SOURCES)),
    st.builds(Step, drop_line=st.integers(0, 5)),
)


def test_update_equals_rebuild_with_corrections(place: Place, tmp_path: Path) -> None:
    """In `make soak` on other sequences each time, at least 500 steps on each store."""
    numbers, taken = count(), 0
    options = OPTIONS | _access(place)
    often = 10 if not place.url else 2

    @settings(
        max_examples=SOAK_SEQUENCES if SOAK else often,
        derandomize=not SOAK,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(st.lists(steps, min_size=4, max_size=9))
    def check(sequence: Sequence[Step]) -> None:
        nonlocal taken
        taken += len(sequence)
        number = next(numbers)
        work = tmp_path / str(number)
        held = {"a.md": TEXTS[0], "b.md": TEXTS[3]}
        store = _url(place)
        with GraphRAG.open(
            work / "updated",
            store=store,
            namespace=f"{place.prefix}main",
            chat=None,
            embed=None,
            options=options,
        ) as rag:
            rag.index(documents=_documents(held))
            for step in sequence:
                _take(rag, step, held)
            rag.index()
            updated = rag.export(work / "one", format="csv")
        (work / "rebuilt").mkdir()
        if (work / "updated" / "corrections.yaml").exists():
            shutil.copy(work / "updated" / "corrections.yaml", work / "rebuilt")
        with GraphRAG.open(work / "rebuilt", chat=None, embed=None, options=OPTIONS) as rag:
            rag.index(documents=_documents(held))
            rebuilt = rag.export(work / "two", format="csv")
        for one, other in zip(sorted(updated), sorted(rebuilt), strict=True):
            assert one.read_bytes() == other.read_bytes(), one.name
        shutil.rmtree(work)
        if place.url:
            empty(place.root, place.prefix)

    check()
    assert not SOAK or taken >= 500, taken


def _take(rag: GraphRAG, step: Step, held: dict[str, str]) -> None:
    file = rag.root / "corrections.yaml"
    if step.correct is not None:
        before = file.read_text() if file.exists() else None
        try:
            rag.correct(**step.correct)  # pyright: ignore[reportArgumentType]
        except UsageError:
            assert (file.read_text() if file.exists() else None) == before
            return
    elif step.drop_line is not None:
        if not file.exists():
            return
        lines = file.read_text().splitlines(keepends=True)
        file.write_text("".join(lines[: step.drop_line + 1] + lines[step.drop_line + 2 :]))
    elif step.text:
        held[step.source] = step.text
        rag.index(documents=_documents({step.source: step.text}))
    elif step.source in held and len(held) > 1:
        del held[step.source]
        rag.delete([step.source])


def _documents(held: Mapping[str, str]) -> list[Document]:
    return [Document(source=source, text=text) for source, text in sorted(held.items())]


def test_each_kind_does_what_it_says(tmp_path: Path) -> None:
    with GraphRAG.open(tmp_path, chat=None, embed=None, options=OPTIONS) as rag:
        rag.index(documents=_documents(dict(zip("abcd", TEXTS, strict=True))))
        before = {one.name: one for one in rag.entities()}
        assert {"Mercury", "Valentia", "Cyrus Field", "Charles Bright"} <= before.keys()
        rag.correct(split="Mercury", to="Mercury (planet)", context=["orbit"])
        rag.correct(hide="Valentia")
        rag.correct(rename="Cyrus Field", to="Cyrus West Field")
        rag.correct(retype="charles bright", to="Engineer")
        rag.correct(merge=["William Thomson", "Nobody"])
        result = rag.index()
        assert any("'Nobody'" in warning for warning in result.warnings)
        after = {one.name: one for one in rag.entities()}
        assert {"Mercury", "Mercury (planet)", "Cyrus West Field"} <= after.keys()
        assert not {"Valentia", "Cyrus Field"} & after.keys()
        assert after["Charles Bright"].type == "engineer"
        assert after["Cyrus West Field"].mentions == before["Cyrus Field"].mentions
        assert {one.name for one in rag.graph(around="Mercury (planet)").nodes} == {
            "Mercury (planet)", "Charles Bright",
        }  # fmt: skip
        assert not rag.index().changed
        joins = {one["name"]: one["joined"] for one in rag.entity_joins()["entities"]}
        assert [row["decided_by"] for row in joins["Cyrus West Field"]] == ["correction"]
        (tmp_path / "corrections.yaml").unlink()
        rag.index()
        assert {one.name: one for one in rag.entities()} == before


def test_a_text_alone_is_one_name_and_not_its_letters(tmp_path: Path) -> None:
    with GraphRAG.open(tmp_path, chat=None, embed=None) as rag:
        with pytest.raises(
            UsageError, match=r"the new correction \(merge\): .* fewer than two names"
        ):
            rag.correct(merge="Holmes")
        rag.correct(split="A", to="B", documents="a.md")
        rag.correct(split="A", to="C", context="orbit")
        assert rag.corrections() == [
            {"split": "A", "to": "B", "documents": ["a.md"]},
            {"split": "A", "to": "C", "context": ["orbit"]},
        ]


def test_no_text_is_extracted_again(tmp_path: Path) -> None:
    with TestServer() as server:
        options = OPTIONS | {"chat.base_url": server.url, "chat.model": "m"}
        with GraphRAG.open(tmp_path, embed=None, options=options) as rag:
            rag.index(documents=_documents({"a.md": TEXTS[0], "b.md": TEXTS[1]}))
            server.reset()
            rag.correct(rename="Cyrus Field", to="Cyrus West Field")
            rag.index()
            assert "Cyrus West Field" in {one.name for one in rag.entities()}
            assert not server.stats().get("extract")


def test_the_command_writes_and_refuses(tmp_path: Path) -> None:
    def entities(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(main, ["entities", *arguments])
        return done.exit_code, done.output

    root = ("--root", str(tmp_path))
    assert entities("rename", "A", "B", *root)[0] == 0
    assert entities("split", "C", "D", "--document", "a.md", "--document", "b.md", *root)[0] == 0
    assert entities("merge", "E", "F", "G", *root)[0] == 0
    assert entities("retype", "E", "ship", *root)[0] == 0
    assert entities("hide", "H", *root)[0] == 0
    lines = (tmp_path / "corrections.yaml").read_text().splitlines()
    assert lines[1:] == [
        "- {rename: A, to: B}",
        "- {split: C, to: D, documents: [a.md, b.md]}",
        "- {merge: [E, F, G]}",
        "- {retype: E, to: ship}",
        "- {hide: H}",
    ]
    for wrong, said in (
        (["merge", "E"], "cannot be merged"),
        (["rename", "A", "C"], "contradict"),
        (["merge", "E", "E"], "these are one name already"),
        (["hide", " "], "graphrag entities hide --help"),
        (["split", "X", "Y"], "say with --document, or with --context"),
        (["split", "X", "Y", "--document", "a", "--context", "b"], "say with --document, or"),
        (["--limit", "3", "hide", "Z"], "stands before 'hide'"),
    ):
        code, output = entities(*wrong, *root)
        assert (code, said in output) == (2, True), output
    assert entities("hide", "H", *root) == (
        0, f"{tmp_path / 'corrections.yaml'} has it already: {{hide: H}}\n",
    )  # fmt: skip
    assert (tmp_path / "corrections.yaml").read_text().splitlines() == lines


def test_what_is_not_there_is_said_at_once_and_by_the_index(tmp_path: Path) -> None:
    with GraphRAG.open(tmp_path, chat=None, embed=None, options=OPTIONS) as rag:
        rag.index(documents=[Document(source="notes/a.md", text=TEXTS[0])])

    def entities(*arguments: str) -> str:
        done = CliRunner().invoke(main, ["entities", *arguments, "--root", str(tmp_path)])
        assert done.exit_code == 0, done.output
        return done.stderr

    assert "'Cyrus Feild'; kept for when there is. Did you mean 'Cyrus Field'?" in entities(
        "hide", "Cyrus Feild"
    )
    assert "Nothing" not in entities("rename", "charles bright", "Sir Charles")
    split = ("split", "Atlantic Telegraph Company", "The Company")
    assert "Nothing" not in entities(*split, "--document", "a.md", "--document", "b.md")
    assert "No text has 'xyzzy'; kept" in entities(
        "split", "Cyrus Field", "C", "--context", "xyzzy"
    )
    where = ("split", "Faraday", "Cyrus Field", "--context", "founded")
    assert "'Faraday' where it is split, by 'founded'; kept" in entities(*where)
    assert "'Field' is a new name" in entities("merge", "Field", "Cyrus Field")
    assert "No entity is of type 'Enginer' yet." in entities("retype", "Cyrus Field", "Enginer")
    assert "yet" not in entities("retype", "Charles Bright", "Organization")
    with GraphRAG.open(tmp_path, chat=None, embed=None, options=OPTIONS) as rag:
        warnings = rag.index().warnings
        assert [one.partition(": ")[2] for one in warnings if "corrections" in one] == [
            "nothing is called 'Cyrus Feild'; kept for when there is",
            "no document is 'b.md'; kept for when there is",
            "no text has 'xyzzy'; kept for when there is",
            "nothing is called 'Faraday' where it is split, by 'founded'; kept for when there is",
        ]
        assert "The Company" in {one.name for one in rag.entities()}


def test_a_mistake_in_the_file_is_named_with_its_item(tmp_path: Path) -> None:
    for text, said in (
        ("- {hide: 1866}", "item 1 (hide): hide is 1866, no text: put it into quotes"),
        ("- {hide: A}\n- {merge: B}", "item 2 (merge): merge is 'B', no list: write [A, B]"),
        ("- {merge: [A]}", "item 1 (merge): merge has fewer than two names"),
        ("- {rename: A}", "item 1 (rename): 'to' is missing"),
        ("- {rename: '', to: B}", "item 1 (rename): rename is empty"),
        ("- {rename: A, to: B, why: x}", "item 1 (rename): 'why' is not known"),
        ("- {split: A, to: a, documents: [b]}", "item 1 (split): the two names are one"),
        ("- {renam: A, to: B}", "item 1 is no correction"),
        ("hide: A", "is no list of corrections"),
        (
            "- {rename: A, to: B}\n- {rename: A, to: C}",
            "'A', 'B', 'C' are one entity, to be called 'B' or 'C'",
        ),
        (
            "- {rename: A, to: B}\n- {rename: B, to: A}",
            "'A', 'B' are one entity, to be called none of them",
        ),
        ("- {retype: A, to: B}\n- {retype: a, to: C}", "'a' has two types, 'b' and 'c'"),
    ):
        (tmp_path / "corrections.yaml").write_text(text)
        with (
            GraphRAG.open(tmp_path, chat=None, embed=None) as rag,
            pytest.raises(SettingsError, match=re.escape(said)),
        ):
            rag.index(documents=[Document(source="a", text=TEXTS[0])])


def _url(place: Place) -> str | None:
    return local_neo4j.status(place.root).url if place.url else None


def _access(place: Place) -> dict[str, object]:
    """Of the server, which runs under another root than that of the corrections."""
    server = local_neo4j.status(place.root) if place.url else None
    if server is None or server.password_file is None:
        return {}
    return {
        "neo4j.username": server.user,
        "neo4j.password": server.password_file.read_text().strip(),
    }
