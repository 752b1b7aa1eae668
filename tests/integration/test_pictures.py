"""An answer and a part of the graph as pages that stand alone, from Python and from the command."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from graphrag import Document, GraphRAG, UsageError
from graphrag.cli.main import main

TEXT = (
    "Harrow Mill was rebuilt by Edith Carrow in 1871. Edith Carrow studied under Lucas Verhoeven "
    "in Ghent. Lucas Verhoeven designed the sluices of the Veere canal."
)
QUESTION = "Who rebuilt Harrow Mill?"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    with GraphRAG.open(tmp_path, chat=None, embed=None) as rag:
        rag.index(documents=[Document(source="mill.md", title="Harrow Mill", text=TEXT)])
    return tmp_path


def test_the_command_writes_what_python_gives(root: Path) -> None:
    page = root / "deep" / "answer.html"
    asked = ["query", QUESTION, "--root", str(root), "--html", str(page)]
    done = CliRunner().invoke(main, asked)
    assert done.exit_code == 0, done.output
    assert f"Wrote {page}" in done.stderr
    with GraphRAG.open(root, chat=None, embed=None) as rag:
        answer = rag.query(QUESTION)
    assert page.read_text(encoding="utf-8") == answer.to_html()
    assert "Edith Carrow" in page.read_text(encoding="utf-8").partition("<mark>")[2]


def test_a_page_that_cannot_be_written_is_an_error(root: Path) -> None:
    (root / "file").write_text("")
    for more in (["--html", str(root / "file" / "a.html")], ["--html", "a.html", "--context"]):
        done = CliRunner().invoke(main, ["query", QUESTION, "--root", str(root), *more])
        assert done.exit_code == 2, done.output
    assert not (root / "a.html").exists()


def test_a_part_of_the_graph_is_read_and_drawn(root: Path) -> None:
    with GraphRAG.open(root, chat=None, embed=None) as rag:
        around = rag.graph(around="edith carrow")
        names = {node.name for node in around.nodes}
        assert {"Edith Carrow", "Harrow Mill"} <= names
        assert all(name in around._repr_html_() for name in names)
        way = rag.graph(around="Harrow Mill", to="Lucas Verhoeven")
        assert [way.nodes[0].name, way.nodes[-1].name] == ["Harrow Mill", "Lucas Verhoeven"]
        assert len(rag.graph(around="Edith Carrow", limit=2).nodes) == 2
        with pytest.raises(UsageError, match="Nobody"):
            rag.graph(around="Nobody")
        with pytest.raises(UsageError, match="no place"):
            rag.graph()
