from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphrag.core.errors import InputError
from graphrag.core.settings import InputSettings
from graphrag.indexing.documents.files import load
from graphrag.indexing.documents.readers import read
from graphrag.indexing.documents.result import Item, Reading
from tests.hostile import sized


def read_text(text: str, kind: str = "csv") -> Reading:
    match kind:
        case "csv" | "markdown" | "html" | "json" | "jsonl":
            return read(text.encode(), kind=kind, settings=InputSettings())
        case _:
            raise AssertionError(kind)


def only(reading: Reading) -> Item:
    (item,) = reading.items
    return item


def test_front_matter_is_metadata() -> None:
    item = only(
        read_text("---\ntitle: A *b*\nyear: 2024\ntags: [x, y]\n---\n# Head\n\nText\n", "markdown")
    )
    assert item == Item("# Head\n\nText\n", "A *b*", {"year": 2024, "tags": ["x", "y"]})


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        ("---\nno mapping\n---\nText", False),
        ("---\na: [1\n---\nText", True),
        ("---\na: &x [1, 2]\nb: [*x, *x]\n---\nText", True),
        ("Text\n\n---\na: 1\n---\n", False),
        ("---\nnever closed: 1\n", False),
        ("---\n\nA rule: no fields.\n\n---\nText", False),
        ("---\n" + "[" * sized(5000) + "\n---\nText", True),
    ],
)
def test_what_is_no_safe_front_matter_is_text(text: str, warned: bool) -> None:
    reading = read_text(text, "markdown")
    assert only(reading).text == text
    assert only(reading).metadata == {}
    assert bool(reading.warnings) == warned


def test_front_matter_runs_no_code() -> None:
    reading = read_text("---\na: !!python/object/apply:os.getcwd []\n---\nText", "markdown")
    assert only(reading).metadata == {}
    assert "python/object" in reading.warnings[0]


PAGE = """<!doctype html><html><head><title> The
 Page </title><style>p {color: red}</style></head><body>
<nav><a href="/">Home</a></nav><script>alert("x")</script><!-- comment -->
<h1>Head &amp; <em>Line</em></h1><p>One <b>bold</b>
 wrapped<br>second</p><p>Two</p>
<ul><li>first</li><li><p>second</p></li></ul>
<table><caption>Cap</caption><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2 &lt; 3</td></tr>
</table>
<pre>code  here
  indented</pre><div>last<div>inner</div></div></body></html>"""


def test_html() -> None:
    item = only(read_text(PAGE, "html"))
    assert item.title == "The Page"
    assert item.text == (
        "# Head & Line\n\nOne bold wrapped\nsecond\n\nTwo\n\n- first\n- second\n\nCap\n\n"
        "| a | b |\n| --- | --- |\n| 1 | 2 < 3 |\n\n```\ncode  here\n  indented\n```\n\n"
        "last\n\ninner"
    )


@pytest.mark.parametrize(
    ("box", "is_text"),
    [
        ('<div id="cookie-banner">We use cookies. <button>Accept</button></div>', False),
        ('<section class="gdpr consent">Manage your choices</section>', False),
        ("<div hidden>Seen by nobody</div>", False),
        ('<p style="color: red; display: none">Seen by nobody</p>', False),
        ('<div role="navigation"><a>Home</a></div>', False),
        ('<div class="cookies"><h1>How cookies work</h1><p>Long ago …</p></div>', True),
        ('<p class="cookie">A recipe</p>', True),
    ],
)
def test_html_as_people_see_it(box: str, is_text: bool) -> None:
    item = only(read_text(f"<body>{box}<p>The page.</p></body>", "html"))
    assert (item.text == "The page.") != is_text


def test_html_definitions_stay_beside_their_terms() -> None:
    page = "<dl><dt>-v<dt>--verbose</dt><dd><p>Says more.</p><p>Twice.</p></dd><dt>-q<dd>Less.</dl>"
    assert only(read_text(page, "html")).text == (
        "-v\n--verbose\nSays more.\n\nTwice.\n\n-q\nLess."
    )


@pytest.mark.parametrize(
    ("raised", "text"),
    [
        ("5000<sup>3</sup> people", "5000^3 people"),
        ("<b>10</b><sup>-3</sup> m<sup>2</sup>", "10^-3 m^2"),
        ("a harbour<sup>3</sup>, in 1866<sup><a href=#n>4</a></sup>", "a harbour[3], in 1866[4]"),
        ("left.<sup>1,2</sup>", "left.[1,2]"),
        ("<sup>3</sup>As told", "[3] As told"),
        ("the 19<sup>th</sup> of 1<sup>1</sup>/<sub>2</sub>", "the 19th of 1 1/2"),
        ("noted <sup>[5]</sup>", "noted [5]"),
    ],
)  # fmt: skip
def test_raised_numbers_do_not_run_into_those_before_them(raised: str, text: str) -> None:
    assert only(read_text(f"<p>{raised}</p>", "html")).text == text
    assert only(read_text("<h1>Up to 2<sup>10</sup>=1024</h1>", "html")).title == "Up to 2^10=1024"


def test_html_titles_and_encodings() -> None:
    assert only(read_text("<h2>x</h2><h1>Only</h1>", "html")).title == "Only"
    page = '<meta charset="windows-1251"><p>Привет, это текст.</p>'
    item = only(read(page.encode("cp1251"), kind="html", settings=InputSettings()))
    assert item.text == "Привет, это текст."


@pytest.mark.parametrize("page", ["<script>x</script>", "<html></html>", "<p> </p>"])
def test_html_without_text_is_refused(page: str) -> None:
    with pytest.raises(InputError, match="no text"):
        read_text(page, "html")


def test_the_frame_of_a_page_is_no_text() -> None:
    """Of the page, that is, by its markup alone: what other pages share does not change a text."""
    page = """<body><header>Harbour Society</header><div role="search">Find a ship</div>
        <header><h1>Corvus</h1><p>Built at Visby.</p></header>
        <article><header>By Elin Vass</header><p>She left Oslo.</p><footer>Logged 1866</footer>
        </article><blockquote>Fair wind.<footer>The mate</footer></blockquote>
        <footer>Terms and imprint</footer><div role="contentinfo">All rights</div></body>"""
    text = read_text(page, "html").items[0].text
    for kept in ("# Corvus", "Built at Visby", "By Elin Vass", "Logged 1866", "The mate"):
        assert kept in text
    for dropped in ("Harbour Society", "Find a ship", "imprint", "rights"):
        assert dropped not in text


def test_deeply_nested_html_is_read() -> None:
    assert only(read_text("<div>" * sized(15_000) + "deep", "html")).text == "deep"
    assert "deep" in only(read_text("<table><tr><td>" * 300 + "deep", "html")).text


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv(delimiter: str) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter)
    long = 'quote " and, delimiter; and\nnew\tline | ' * 10_000
    writer.writerows(
        [["id", "text", "year", "code", "share"], ["a", long, 2024, "007", "0.5"],
         [], ["b", "second", "", "10", "2"]]
    )  # fmt: skip
    first, second = read_text("\ufeff" + out.getvalue(), "csv").items
    assert first == Item(
        long, "", {"id": "a", "year": 2024, "code": "007", "share": 0.5}, "a", "line 2"
    )
    assert (second.id, second.text, second.where) == (
        "b",
        "second",
        f"line {long.count(chr(10)) + 4}",
    )
    assert second.metadata == {"id": "b", "year": None, "code": "10", "share": 2.0}


CELLS = st.text(alphabet=st.sampled_from('ab ",;\n|x'), min_size=1, max_size=8)


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5))
def test_csv_is_read_as_it_was_written(rows: list[tuple[str, str]]) -> None:
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    rows = [("first", "row"), *rows]
    writer.writerows([("text", "more"), *rows])
    reading = read_text(out.getvalue(), "csv")
    expected = [(text, more if more.strip() else None) for text, more in rows if text.strip()]
    assert [(item.text, item.metadata["more"]) for item in reading.items] == expected


def test_a_wide_csv_header_costs_no_more_than_what_is_written() -> None:
    count = sized(50_000)
    header = "text," + ",".join(f"c{number}" for number in range(count))
    lacking = f"{count + 1} columns and {count} rows that lack most"
    with pytest.raises(InputError, match=lacking):
        read_text(header + "\nx" * count)
    with pytest.raises(InputError, match="has no rows"):
        read_text("text" + "," * sized(1_000_000))
    (item,) = read_text(header + "\nx").items
    assert len(item.metadata) == count


def test_csv_columns_of_one_name_are_numbered() -> None:
    (item,) = read_text("a,Notes,Notes,,Notes 2,,\n1,x,y,5,z,,\n").items
    assert item.metadata == {"a": 1, "Notes": "x", "Notes 3": "y", "column": 5, "Notes 2": "z"}


@pytest.mark.parametrize(
    "above",
    ["Report of 2021\n\n", "Report\n\n", "# made by hand, in May, in Visby\n", "Report of 2021\n",
     "Report of 2021;;\n;;\n"],
)  # fmt: skip
def test_a_csv_header_may_stand_below_a_title(above: str) -> None:
    reading = read_text(above + "no;ship;tons\n1;Corvus;500\n2;Lyra;90\n")
    assert [item.metadata["tons"] for item in reading.items] == [500, 90]
    assert reading.items[0].where == f"line {above.count(chr(10)) + 2}"
    assert "above its header was left out: " in reading.warnings[0]


def test_csv_rows_none_of_which_fits_are_one_failure() -> None:
    reading = read_text("id,text\n" + "".join(f"{n},Hello, sailor\n" for n in range(50)))
    assert reading.problems == [
        ("", "has 50 rows with more fields than the 2 of its header in line 1")
    ]


def test_csv_rows_that_do_not_fit_their_header_are_listed() -> None:
    reading = read_text('text,n\na,1\nb,2,3\nc\nd,4,,\n,5\ne,"open\nf,6\n', "csv")
    assert [item.text for item in reading.items] == ["a", "c", "d", "f"]
    assert reading.problems == [
        ("line 3", "has 3 fields where the header has 2"),
        ("line 7", "opens a quote that is never closed"),
        ("line 6", "has no text in 'text'"),
    ]


SHIPS = [f"{number},Log {number},Ship {number} left" for number in range(1, 9)]


@pytest.mark.parametrize(
    ("row", "damaged"),
    [(4, '5,Log 5,"Ship 5 left'), (0, '1,"Log 1,Ship 1 left'), (7, '8,Log 8,"Ship 8 left')],
)
@pytest.mark.parametrize("quoted", [False, True])  # a good quote closes the stray one
def test_a_stray_quote_costs_its_own_row(row: int, damaged: str, quoted: bool) -> None:
    lines = [*SHIPS, '9,Log 9,"Ship 9, left"'] if quoted else list(SHIPS)
    lines[row] = damaged
    reading = read_text("\n".join(["id,title,text", *lines]), "csv")
    assert [item.id for item in reading.items] == [
        line[0] for number, line in enumerate(lines) if number != row
    ]
    assert reading.problems == [(f"line {row + 2}", "opens a quote that is never closed")]


def test_the_delimiter_may_be_stated() -> None:
    (item,) = read_text("sep=;\nid;text\n1;a,b,c\n", "csv").items
    assert (item.id, item.text, item.where) == ("1", "a,b,c", "line 3")


@pytest.mark.parametrize(
    ("text", "kind", "titles"),
    [
        ("Name,Built\nCorvus,1901\nLyra,1920\n", "csv", ["Corvus", "Lyra"]),
        ("no,ship\n1,Corvus\n2,Lyra\n", "csv", ["Corvus", "Lyra"]),
        ('{"Name": "Corvus"}\n{"Name": "Lyra"}', "json", ["Corvus", "Lyra"]),
        ('{"fleet": {"of": "Elin", "ships": [{"title": "Corvus"}, {"title": "Lyra"}]}}', "json",
         ["Corvus", "Lyra"]),
        ('[[{"name": "Corvus"}], [{"name": "Lyra"}]]', "json", ["Corvus", "Lyra"]),
        ('{"name": "Corvus", "holds": ["grain", "salt"]}', "json", ["Corvus"]),
    ],
)  # fmt: skip
def test_rows_without_a_column_of_text(text: str, kind: str, titles: list[str]) -> None:
    assert [item.title for item in read_text(text, kind).items] == titles


def test_a_row_without_a_column_of_text_is_its_values() -> None:
    (item,) = read_text(
        '{"id": 7, "Name": "Corvus", "tons": null, "ports": ["Visby"]}', "json"
    ).items
    assert item.text == 'id: 7\nName: Corvus\nports: ["Visby"]'
    assert item.metadata == {"id": 7, "Name": "Corvus", "tons": None, "ports": ["Visby"]}
    assert item.id == "7"
    (nested,) = read_text('{"of": "Elin", "ships": [{"a": 1}, {}]}', "json").items[:1]
    assert nested.metadata == {"of": "Elin", "a": 1}


def test_parts_of_a_json_object_that_are_no_rows_are_named() -> None:
    rows = '"ships": [{"text": "The Corvus left Oslo at dawn."}, {"text": "The Elin stayed."}]'
    reading = read_text(f'{{{rows}, "ports": [{{"a": 1}}], "none": [], "year": 1866}}', "json")
    assert [item.metadata for item in reading.items] == [{"year": 1866}, {"year": 1866}]
    assert reading.warnings == ["only the rows under 'ships' were read, not 'ports' beside them"]


@pytest.mark.parametrize(
    ("text", "kind", "reason"),
    [
        ("text\n", "csv", "no rows"),
        ("[]", "json", "no rows"),
        ("{", "json", "not valid JSON"),
        ("[" * 100_000, "json", "not valid JSON"),
        ("3", "json", "a number, not documents"),
    ],
)
def test_files_that_cannot_be_read_as_rows(text: str, kind: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        read_text(text, kind)


def test_one_row_in_json_is_read_as_two_are() -> None:
    one, two = (
        read_text(f'{{"total": 3, "ships": [{", ".join(rows)}]}}', "json").items
        for rows in (['{"id": 1, "text": "Corvus"}'], ['{"id": 1, "text": "Corvus"}', "{}"])
    )
    assert one == two[:1]


def test_jsonl_that_is_no_lines_is_read_as_json() -> None:
    rows = ['{"text":\n "Corvus"}', '{"text":\n "Lyra"}']
    for text in ("\n".join(rows), f"[{', '.join(rows)}]", '[{"text": "Corvus"}, {"text": "Lyra"}]'):
        assert [item.text for item in read_text(text, "jsonl").items] == ["Corvus", "Lyra"]


def test_jsonl_lines_end_at_line_feeds_only() -> None:
    reading = read_text('{"text": "a\u2028b\x85c"}\n{"text": 5}\n{"text": null}', "jsonl")
    assert [item.text for item in reading.items] == ["a\u2028b\x85c", "5"]
    assert reading.problems == [("line 3", "has no text in 'text'")]


def test_front_matter_may_have_keys_that_are_no_text(tmp_path: Path) -> None:
    file = tmp_path / "log.md"
    file.write_text("---\n2024-01-01: rain\ndays: {2: sun}\n---\nIt rained.\n", encoding="utf-8")
    (document,) = load([file], root=tmp_path, settings=InputSettings()).documents
    assert document.metadata["2024-01-01"] == "rain"
