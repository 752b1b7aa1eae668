from __future__ import annotations

import re

import pytest

from graphrag.core.settings import InputSettings
from graphrag.indexing.documents.readers import Kind, read
from graphrag.indexing.documents.tables import Cell, table_lines
from tests.hostile import SOAK
from tests.unit.indexing.documents.office_files import PPTX, XLSX, changed, docx_of, inserted

BERTHS = (
    "| Berth | Depth | Fee |\n| --- | --- | --- |\n| North | 7 m | 120 |\n| North | 9 m | 150 |"
)
QUOTA = (
    "| Port | 2021 In | 2021 Out |\n| --- | --- | --- |\n"
    "| Rostock | 11 | 12 |\n| Rostock | 21 | 22 |"
)
CELLS = 50 if SOAK else 20  # of a row, and rows


def text_of(data: bytes, kind: Kind) -> str:
    (item,) = read(data, kind=kind, settings=InputSettings()).items
    return item.text


def html(page: str) -> str:
    return text_of(page.encode(), "html")


def test_html_spans() -> None:
    page = (
        "<table><tr><th rowspan=2>Port</th><th colspan=2>2021</th></tr>"
        "<tr><th>In</th><th>Out</th></tr>"
        "<tr><td rowspan=2>Rostock</td><td>11</td><td>12</td></tr>"
        "<tr><td>21</td><td>22</td></tr></table>"
    )
    assert html(page) == QUOTA


def docx_cell(text: str, properties: str = "") -> str:
    return f"<w:tc><w:tcPr>{properties}</w:tcPr><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:tc>"


def test_docx_spans() -> None:
    begin, goes_on = '<w:vMerge w:val="restart"/>', "<w:vMerge/>"
    rows = [
        [docx_cell("Port", begin), docx_cell("2021", '<w:gridSpan w:val="2"/>')],
        [docx_cell("", goes_on), docx_cell("In"), docx_cell("Out")],
        [docx_cell("Rostock", begin), docx_cell("11"), docx_cell("12")],
        [docx_cell("", goes_on), docx_cell("21"), docx_cell("22")],
    ]
    table = "".join(f"<w:tr>{''.join(row)}</w:tr>" for row in rows)
    assert text_of(docx_of(f"<w:tbl>{table}</w:tbl>"), "docx") == QUOTA


def test_pptx_spans() -> None:
    def cell(text: str, attributes: str = "") -> str:
        run = f"<a:r><a:t>{text}</a:t></a:r>"
        return f"<a:tc {attributes}><a:txBody><a:p>{run}</a:p></a:txBody></a:tc>"

    rows = [
        [cell("Port", 'rowSpan="2"'), cell("2021", 'gridSpan="2"'), cell("", 'hMerge="1"')],
        [cell("", 'vMerge="1"'), cell("In"), cell("Out")],
        [cell("Rostock", 'rowSpan="2"'), cell("11"), cell("12")],
        [cell("", 'vMerge="1"'), cell("21"), cell("22")],
    ]
    table = "".join(f"<a:tr>{''.join(row)}</a:tr>" for row in rows)
    frame = (
        f"<p:graphicFrame><a:graphic><a:graphicData><a:tbl>{table}</a:tbl></a:graphicData>"
        "</a:graphic></p:graphicFrame>"
    )
    slide = "ppt/slides/slide1.xml"
    data = changed(PPTX, {slide: inserted(b"<p:spTree>", frame.encode())})
    assert QUOTA in text_of(data, "pptx")


@pytest.mark.parametrize("above", [False, True])  # a title that is merged over the whole sheet
def test_xlsx_merged_cells(above: bool) -> None:
    cells = {"B2": "Port", "C2": "2021", "C3": "In", "D3": "Out", "B4": "Rostock",
             "C4": "11", "D4": "12", "C5": "21", "D5": "22"}  # fmt: skip
    merged = ["B2:B3", "C2:D2", "B4:B5", "A40:XFD1048576"]
    if above:
        cells, merged = {"B1": "All quotas"} | cells, ["B1:D1", *merged]

    def change(data: bytes) -> bytes:
        rows = ""
        for number in sorted({place[1:] for place in cells}):
            rows += f'<row r="{number}">' + "".join(
                f'<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>'
                for place, text in cells.items()
                if place[1:] == number
            )
            rows += "</row>"
        ranges = "".join(f'<mergeCell ref="{one}"/>' for one in merged)
        sheet = f"<sheetData>{rows}</sheetData><mergeCells>{ranges}</mergeCells>"
        data = re.sub(rb"<mergeCells.*</mergeCells>", b"", data)
        return re.sub(rb"<sheetData>.*</sheetData>", sheet.encode(), data)

    text = text_of(changed(XLSX, {"xl/worksheets/sheet1.xml": change}), "xlsx")
    begin = "###### Sheet: Ships\n\n" + ("All quotas\n\n" if above else "")
    assert text.startswith(f"{begin}{QUOTA}\n\n###### Sheet: Stores")


def test_bars_are_escaped_in_html_and_rows_are_of_one_width() -> None:
    assert html("<table><tr><th>a|b<th>c</tr><tr><td>1</tr><tr><td colspan=2>all</tr></table>") == (
        "| a\\|b | c |\n| --- | --- |\n| 1 | |\n| all | |"
    )


def test_a_table_in_a_cell_is_a_line_of_it() -> None:
    inner = "<table><tr><th>Built</th><th>Tons</th></tr><tr><td>1901</td><td>500</td></tr></table>"
    pairs = "<table><tr><td>Built</td><td>1920</td></tr><tr><td>Tons</td><td>90</td></tr></table>"
    page = (
        f"<table><tr><th>Ship<th>Facts</tr><tr><td>Corvus<td>{inner}</tr>"
        f"<tr><td>Lyra<td>{pairs}</tr></table>"
    )
    assert html(page) == (
        "| Ship | Facts |\n| --- | --- |\n| Corvus | Built: 1901, Tons: 500 |\n"
        "| Lyra | Built: 1920; Tons: 90 |"
    )


def test_a_table_that_only_sets_out_the_page_is_no_table() -> None:
    inner = "<table><tr><th>a<th>b</tr><tr><td>1<td>2</tr></table>"
    code = "<pre>x =  1\ny</pre>"
    assert html(f"<table><tr><td><h2>Head</h2><p>Text.</p></td><td>{code}</td></tr></table>") == (
        "## Head\n\nText.\n\n```\nx =  1\ny\n```"
    )
    assert html(f"<table><tr><td>Menu</tr><tr><td>{inner}</td></tr></table>").startswith("Menu\n")


def test_heads_that_stand_over_others() -> None:
    def lines(*rows: list[Cell]) -> list[str]:
        return table_lines(rows)

    port, catch = Cell("Port"), Cell("Catch", across=2)
    groups = lines([port, catch], [Cell(""), Cell("2021"), Cell("2022")], [Cell("Kiel")] * 3)
    assert groups[0] == "| Port | Catch 2021 | Catch 2022 |"
    values = lines([port, catch], [Cell("Kiel"), Cell("1"), Cell("2")])
    assert values == ["| Port | Catch | Catch |", "| --- | --- | --- |", "| Kiel | 1 | 2 |"]


def test_spans_over_more_columns_than_there_are() -> None:
    assert html(
        "<table><tr><th>Ship<th>Tons</tr><tr><td>Corvus<td colspan=99>500</tr>"
        "<tr><td>x<td>y</tr></table>"
    ) == ("| Ship | Tons |\n| --- | --- |\n| Corvus | 500 |\n| x | y |")


def test_a_head_over_all_columns_stands_over_each() -> None:
    page = "<table><tr><th colspan=2>Ships of Visby</tr><tr><td>Corvus<td>500</tr></table>"
    assert html(page).startswith("| Ships of Visby | Ships of Visby |\n| --- | --- |\n| Corvus |")


@pytest.mark.parametrize("span", ["1000", "0", "-1", "x", "99999999999999999999", "²"])
def test_spans_without_measure(span: str) -> None:
    row = f"<tr>{f'<td rowspan={span} colspan={span}>x' * CELLS}</tr>"
    assert len(html(f"<table>{row * CELLS}</table>")) < 2_000_000
