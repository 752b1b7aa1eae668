from __future__ import annotations

import re
from pathlib import Path

import pytest

from graphrag.core.errors import InputError
from graphrag.core.settings import InputSettings
from graphrag.indexing.documents.readers import Kind, read
from graphrag.indexing.documents.result import Item
from tests.hostile import sized
from tests.unit.indexing.documents.office_files import DOCX, PPTX, XLSX, changed, docx_of, inserted

MAIN: dict[Kind, tuple[Path, str]] = {
    "docx": (DOCX, "word/document.xml"),
    "pptx": (PPTX, "ppt/slides/slide1.xml"),
    "xlsx": (XLSX, "xl/worksheets/sheet1.xml"),
}
KINDS: list[Kind] = ["docx", "pptx", "xlsx"]


def read_office(data: bytes, kind: Kind, **settings: float) -> Item:
    (item,) = read(data, kind=kind, settings=InputSettings.model_validate(settings)).items
    return item


def reason(data: bytes, kind: Kind, **settings: float) -> str:
    with pytest.raises(InputError) as caught:
        read_office(data, kind, **settings)
    return f"{caught.value}. {caught.value.hint}"


def test_docx() -> None:
    item = read_office(DOCX.read_bytes(), "docx")
    assert item.title == "The cable station at Porthcurno"
    assert "# Life at the station\n\nClerks worked in watches" in item.text
    assert item.text.endswith(
        "| Cable | Landed | Far end |\n| --- | --- | --- |\n"
        "| Porthcurno to Carcavelos | 1870 | Portugal |\n| Porthcurno to Vigo | 1873 | Spain |\n"
        "| Porthcurno to Brignogan | 1880 | France |"
    )


def test_docx_keeps_inserted_text_and_content_controls() -> None:
    run = "<w:r><w:t>{}</w:t></w:r>"
    gone = "<w:del><w:r><w:delText>gone</w:delText></w:r></w:del>"
    inside = f"<w:ins>{run.format('inserted')}</w:ins>{gone}"
    boxed = f"<w:sdt><w:sdtContent><w:p>{run.format('boxed')}</w:p></w:sdtContent></w:sdt>"
    item = read_office(docx_of(f"<w:p>{inside}</w:p>{boxed}"), "docx")
    assert item.text == "inserted\n\nboxed"


def test_docx_keeps_fields_turned_text_and_equations() -> None:
    run = "<w:r><w:t>{}</w:t></w:r>"
    math = "<m:r><m:t>{}</m:t></m:r>"
    field = f'<w:fldSimple w:instr="SEQ Table">{run.format("Table 7")}</w:fldSimple>'
    turned = f'<w:bdo w:val="rtl">{run.format(", turned: ")}</w:bdo>'
    power = f"<m:sSup><m:e>{math.format('E=mc')}</m:e><m:sup>{math.format('2')}</m:sup></m:sSup>"
    part = f"<m:f><m:num>{math.format('a+b')}</m:num><m:den>{math.format('c')}</m:den></m:f>"
    own = f"<m:oMathPara><m:oMath>{part}</m:oMath></m:oMathPara>"
    names = 'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'
    body = f"<w:p {names}>{field}{turned}<m:oMath>{power}</m:oMath></w:p><w:p {names}>{own}</w:p>"
    assert read_office(docx_of(body), "docx").text == "Table 7, turned: E=mc^2\n\n(a+b)/c"


def test_pptx() -> None:
    item = read_office(PPTX.read_bytes(), "pptx")
    assert item.title == "Reading a cable"
    assert item.text.startswith(
        "###### Slide 1\n\n## Reading a cable: from lamp to ink\n\n- Two clerks were needed"
    )
    assert "###### Slide 3\n\n## What the strip looked like\n\n| Sign | Trace |\n" in item.text
    assert item.text.endswith("A clerk could read a strip at thirty words a minute.")  # the notes


def test_pptx_slides_come_in_the_order_of_the_show() -> None:
    def turned(data: bytes) -> bytes:
        slides = re.findall(rb"<p:sldId [^>]*/>", data)
        assert len(slides) == 3
        return data.replace(b"".join(slides), b"".join(reversed(slides)))

    text = read_office(changed(PPTX, {"ppt/presentation.xml": turned}), "pptx").text
    assert text.index("What the strip looked like") < text.index("The siphon recorder")
    assert "###### Slide 1\n\n## What the strip looked like" in text


def test_pptx_reads_groups_and_one_of_two_alternatives() -> None:
    def shape(text: str) -> str:
        return (
            "<p:sp><p:nvSpPr><p:nvPr/></p:nvSpPr><p:txBody><a:p><a:r><a:t>"
            f"{text}</a:t></a:r></a:p></p:txBody></p:sp>"
        )

    mc = 'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
    more = (
        f"<p:grpSp>{shape('grouped')}</p:grpSp><mc:AlternateContent {mc}>"
        f"<mc:Choice>{shape('chosen')}</mc:Choice><mc:Fallback>{shape('fallen')}</mc:Fallback>"
        "</mc:AlternateContent>"
    )
    data = changed(PPTX, {MAIN["pptx"][1]: inserted(b"<p:spTree>", more.encode())})
    text = read_office(data, "pptx").text
    assert "grouped" in text
    assert "chosen" in text
    assert "fallen" not in text


def test_xlsx() -> None:
    item = read_office(XLSX.read_bytes(), "xlsx")
    assert item.title == "Cable ships"
    begins = "###### Sheet: Ships\n\n| Ship | Built | Tons | Owner | Known for |\n| --- |"
    assert item.text.startswith(begins)
    assert "| Faraday | 1874 | 5052 | Siemens Brothers |" in item.text
    assert "###### Sheet: Stores" in item.text
    assert item.text.endswith("| miles of grappling rope | 15.5 |")


def test_xlsx_tables_are_divided_by_empty_rows_and_lines_stay_lines() -> None:
    def cell(place: str, text: str) -> str:
        return f'<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>'

    cells = {1: ["A title of it all"], 3: ["x", "y"], 4: ["1|2", "b"], 6: ["u", "v"], 7: ["w", "z"]}
    filled = {
        row: "".join(cell(f"{'BC'[at]}{row}", one) for at, one in enumerate(line))
        for row, line in cells.items()
    }
    rows = "".join(f'<row r="{row}">{line}</row>' for row, line in filled.items())

    def change(data: bytes) -> bytes:
        sheet = f"<sheetData>{rows}</sheetData>".encode()
        return re.sub(rb"<sheetData>.*</sheetData>", sheet, data)

    text = read_office(changed(XLSX, {MAIN["xlsx"][1]: change}), "xlsx").text
    assert text.startswith(
        "###### Sheet: Ships\n\nA title of it all\n\n| x | y |\n| --- | --- |\n| 1\\|2 | b |\n\n"
        "| u | v |\n| --- | --- |\n| w | z |\n\n###### Sheet: Stores"
    )


@pytest.mark.parametrize(
    ("place", "found"),
    [
        ("A1048576", "| Ship | Tons |\n| --- | --- |\n| Corvus | 500 |\n\nfar\n\n"),
        ("XFD1048576", "| Ship | Tons |\n| --- | --- |\n| Corvus | 500 |\n\nfar\n\n"),
        ("XFD2", "| Ship | Tons |  |  |\n| --- | --- | --- | --- |\n| Corvus | 500 |  | far |\n\n"),
    ],
)
def test_a_stray_cell_of_a_sheet_costs_nothing(place: str, found: str) -> None:
    def cell(at: str, text: str) -> str:
        return f'<c r="{at}" t="inlineStr"><is><t>{text}</t></is></c>'

    stray, number = cell(place, "far"), place.lstrip("AXFD")
    second = cell("A2", "Corvus") + cell("B2", "500") + stray * (number == "2")
    rows = f'<row r="1">{cell("A1", "Ship")}{cell("B1", "Tons")}</row><row r="2">{second}</row>'
    last = f'<row r="{number}">{stray}</row>' * (number != "2")

    def change(data: bytes) -> bytes:
        return re.sub(
            rb"<sheetData>.*</sheetData>", f"<sheetData>{rows}{last}</sheetData>".encode(), data
        )

    text = read_office(changed(XLSX, {MAIN["xlsx"][1]: change}), "xlsx").text
    assert text.startswith(f"###### Sheet: Ships\n\n{found}###### Sheet: Stores")


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_that_unpacks_to_much_is_not_unpacked(kind: Kind) -> None:
    path, part = MAIN[kind]
    data = changed(path, {part: lambda old: old + b" " * 30_000_000})
    assert "times its size" in reason(data, kind)
    assert "input.max_unpacked_mb" in reason(data, kind, max_unpacked_mb=20)
    assert "input.max_unpacked_mb" in reason(path.read_bytes(), kind, max_unpacked_mb=0.001)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_refused_unread(kind: Kind, encoding: str) -> None:
    path, part = MAIN[kind]
    bomb = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>'
    data = changed(path, {part: lambda _: bomb.encode(encoding)})
    assert "declares entities" in reason(data, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_parts(kind: Kind) -> None:
    path, part = MAIN[kind]
    assert "is damaged" in reason(changed(path, {part: lambda data: data[: len(data) // 2]}), kind)
    assert "is damaged" in reason(path.read_bytes()[:-100], kind)


@pytest.mark.parametrize(
    ("data", "kind", "why"),
    [
        (b"plain text", "docx", "is not a docx"),
        (XLSX.read_bytes(), "docx", "is not a docx but a xlsx"),
        (DOCX.read_bytes(), "pptx", "is not a pptx but a docx"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "xlsx", "before 2007. Save it as xlsx"),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"),
            "docx",
            "is encrypted",
        ),
        (docx_of(""), "docx", "has no text"),
        (DOCX.read_bytes(), "text", "is a zip archive"),
    ],
)
def test_files_of_another_kind(data: bytes, kind: Kind, why: str) -> None:
    assert why in reason(data, kind)


def test_deep_nesting_is_damage_and_no_crash() -> None:
    depth = sized(15_000)
    nested = "<w:tbl><w:tr><w:tc>" * depth + "</w:tc></w:tr></w:tbl>" * depth
    assert "RecursionError" in reason(docx_of(nested), "docx")
    groups = changed(
        PPTX,
        {
            MAIN["pptx"][1]: lambda data: data.replace(
                b"<p:spTree>", b"<p:spTree>" + b"<p:grpSp>" * depth
            ).replace(b"</p:spTree>", b"</p:grpSp>" * depth + b"</p:spTree>")
        },
    )
    assert "Slide 2" in read_office(groups, "pptx").text


def test_relations_do_not_leave_the_archive() -> None:
    rels = "ppt/slides/_rels/slide1.xml.rels"
    data = changed(
        PPTX,
        {rels: lambda old: re.sub(rb'Target="[^"]*"', b'Target="../../../../etc/passwd"', old)},
    )
    text = read_office(data, "pptx").text
    assert "root:" not in text
    assert "lamp, a scale" not in text  # its notes are not found any more
