"""Question files: what is read, what is refused with its line; results and reports as files."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

from graphrag.core.errors import UsageError
from graphrag.evaluation.html_report import Bars, Notes, Table, bars_svg, render, shown
from graphrag.evaluation.intervals import Interval
from graphrag.evaluation.questions import read_questions, write_questions
from graphrag.evaluation.results import keep, latest_result, read_result


def write(folder: Path, *lines: str) -> Path:
    path = folder / "questions.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_each_kind_of_gold_is_read(tmp_path: Path) -> None:
    rows = [
        {"question": " Who? ", "gold_titles": ["A", "B", "A"], "answer": "Ada"},
        {"question": "Where?", "gold_documents": "a.md"},
        {"question": "What?", "gold_texts": ["It was so."], "assertions": ["So it was."]},
        {"question": "Why?"},
    ]
    path = tmp_path / "deep" / "set.jsonl"
    write_questions(path, rows)
    read = read_questions(path)
    assert [(one.line, one.text, one.gold_kind, one.gold) for one in read] == [
        (1, "Who?", "titles", ("A", "B")),
        (2, "Where?", "documents", ("a.md",)),
        (3, "What?", "texts", ("It was so.",)),
        (4, "Why?", "", ()),
    ]
    assert read[0].answer == "Ada"
    assert read[2].assertions == ("So it was.",)
    assert [one.line for one in read_questions(path, limit=2)] == [1, 2]


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        ([], "no question"),
        (["", "  "], "no question"),
        (["{}"], "line 1 has no question"),
        (['{"question": "a", "gold_titles": ["x"]}', "{oops"], "line 2 is not JSON"),
        (["[1]"], "line 1 is no JSON object"),
        (['{"question": "a", "gold_titles": ["x"], "gold_texts": ["y"]}'], "gold_titles and"),
        (['{"question": "a", "gold_titles": [3]}'], "gold_titles is not a list of texts"),
    ],
)
def test_bad_files_are_refused_with_their_line(
    tmp_path: Path, lines: list[str], named: str
) -> None:
    with pytest.raises(UsageError, match=named) as refused:
        read_questions(write(tmp_path, *lines))
    assert refused.value.hint
    assert refused.value.exit_code == 2


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_questions(tmp_path / "nowhere.jsonl")


class Text(HTMLParser):
    """Tags that are opened, and the text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [str(value) for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_report_needs_nothing_beside_itself_and_escapes_what_it_shows() -> None:
    bad = "<script>alert(1)</script>&\"'"
    chart = Bars(bad, ("recall@5",), ((bad, (Interval(0.5, 0.4, 0.6),)),), middle=0.5)
    table = Table(bad, ("a", bad), ((bad, "1"),), folded=True)
    page = Text()
    page.feed(render(bad, bad, [chart, table, Notes(bad, (bad,)), Notes("none", ())]))
    assert "script" not in page.tags
    assert page.links == []
    assert page.text.count(bad) >= 6
    assert {"svg", "rect", "path", "table", "details"} <= set(page.tags)


def test_bars_are_as_high_as_their_values() -> None:
    svg = bars_svg(Bars("t", ("x",), (("a", (Interval(0.25, None, None),)), ("b", (None,)))))
    heights = [part.split('"')[0] for part in svg.split('height="')[1:]]
    assert "65.0" in heights  # a quarter of the plot's 260
    assert svg.count("<title>") == 1
    assert "<path" not in svg
    assert shown(Interval(0.25, None, None)) == "0.250"
    assert shown(Interval(0.25, 0.1, 0.5)) == "0.250 [0.100, 0.500]"


def test_results_are_named_by_their_content_and_found_again(tmp_path: Path) -> None:
    first = keep(tmp_path, {"kind": "retrieval", "methods": {}, "seconds": 1}, html="<p>")
    again = keep(tmp_path, {"kind": "retrieval", "methods": {}, "seconds": 2}, html="<p>")
    assert first == again
    other = keep(tmp_path, {"kind": "retrieval", "methods": {"a": {}}}, html="<p>")
    assert other != first
    assert read_result(first.result)["seconds"] == 2
    assert latest_result(tmp_path, kind="retrieval") == other.result
    assert latest_result(tmp_path, kind="answers") is None
    named = keep(tmp_path, {"kind": "answers"}, html="<p>", name="before")
    assert named.result.name == "answers-before.json"
    with pytest.raises(UsageError, match="cannot name"):
        keep(tmp_path, {"kind": "answers"}, html="", name="../out")


@pytest.mark.parametrize("text", ["[]", "{}", "oops"])
def test_a_file_that_is_no_result_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "result.json"
    path.write_text(text)
    with pytest.raises(UsageError, match="result"):
        read_result(path)
