from __future__ import annotations

import base64
import io
import re
import zlib
from collections.abc import Sequence
from pathlib import Path

import pytest
from pypdf import PdfWriter

from graphrag.core.errors import InputError
from graphrag.core.settings import InputSettings
from graphrag.indexing.documents.pdf import assemble, heading_levels, page_text
from graphrag.indexing.documents.pdf.layout import Line
from graphrag.indexing.documents.readers import read
from graphrag.indexing.documents.result import Item

SAMPLE = Path(__file__).parents[4] / "examples" / "documents" / "soundings.pdf"


def two_pages(first: bytes, encoded: str = "/FlateDecode") -> bytes:
    """A pdf of two pages, of which the first has the content `first`, packed as it stands."""
    second = b"BT /F 10 Tf 40 300 Td (The Corvus left Oslo.) Tj ET"
    page = (
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 400 400]/Contents %d 0 R"
        b"/Resources<</Font<</F<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>>>"
    )
    parts = [
        b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[3 0 R 4 0 R]/Count 2>>",
        page % 5, page % 6,
        b"<</Length %d /Filter [ %b ]>>\nstream\n%b\nendstream"
        % (len(first), encoded.encode(), first),
        b"<</Length %d>>\nstream\n%b\nendstream" % (len(second), second),
    ]  # fmt: skip
    objects = b"".join(b"%d 0 obj\n%b\nendobj\n" % pair for pair in enumerate(parts, start=1))
    return b"%PDF-1.4\n" + objects + b"trailer\n<</Root 1 0 R>>\nstartxref\n0\n%%EOF\n"


@pytest.mark.parametrize("ascii85", [False, True])
@pytest.mark.parametrize("is_damaged", [False, True])
def test_a_page_whose_content_is_damaged_is_no_empty_page(ascii85: bool, is_damaged: bool) -> None:
    content = zlib.compress(b"q Q")
    if ascii85:
        content = base64.a85encode(content) + b"~>"
    if is_damaged:
        content = content[:1] + b"\0" * len(content)
    encoded = "/ASCII85Decode /FlateDecode" if ascii85 else "/FlateDecode"
    reading = read(two_pages(content, encoded), kind="pdf", settings=InputSettings())
    assert "The Corvus left Oslo." in reading.items[0].text
    if is_damaged:
        assert reading.problems == [("", "is damaged: page 1 cannot be read")]
        assert reading.warnings == []
    else:
        assert reading.problems == []
        assert reading.warnings[0].startswith("page 1 without text")


def draw(*drawn: str, fields: Sequence[str] = ()) -> bytes:
    """A pdf of one page with these drawing operators and form fields, by hand; its table of
    objects is left out."""
    stream = "\n".join(drawn).encode()
    places = " ".join(f"{number} 0 R" for number in range(5, 5 + len(fields)))
    form = f"/AcroForm<</Fields[{places}]>>" if fields else ""
    parts = [
        f"<</Type/Catalog/Pages 2 0 R{form}>>".encode(),
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 400 400]/Contents 4 0 R/Annots[%s]"
        b"/Resources<</Font<</F<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"
        b"/C<</Type/Font/Subtype/Type1/BaseFont/Courier>>>>>>>>" % places.encode(),
        b"<</Length %d>>\nstream\n%s\nendstream" % (len(stream), stream),
        *(f"<</Type/Annot/Subtype/Widget/P 3 0 R{field}>>".encode() for field in fields),
    ]
    objects = b"".join(b"%d 0 obj\n%s\nendobj\n" % pair for pair in enumerate(parts, start=1))
    return b"%PDF-1.4\n" + objects + b"trailer\n<</Root 1 0 R>>\nstartxref\n0\n%%EOF\n"


def words(text: str, y: int, size: int = 10, x: int = 40, font: str = "F") -> str:
    return f"BT /{font} {size} Tf 1 0 0 1 {x} {y} Tm ({text}) Tj ET"


def read_pdf(data: bytes, **settings: str) -> Item:
    (item,) = read(data, kind="pdf", settings=InputSettings.model_validate(settings)).items
    return item


def test_pages_headings_and_paragraphs() -> None:
    item = read_pdf(SAMPLE.read_bytes())
    assert item.title == "Sounding the telegraph plateau"
    assert item.metadata == {"pages": 2}
    begins = "###### Page 1\n\n# Sounding the telegraph plateau\n\n## What was known of the bottom"
    assert item.text.startswith(begins)
    assert "###### Page 2\n\n## What the soundings were worth\n\nThe expedition" in item.text
    assert re.search(r"three miles deep\.\n\nIn 1853 John Mercer Brooke", item.text)


def test_a_file_without_its_table_of_objects_is_read() -> None:
    item = read_pdf(draw(words("Large", 300, 20), words("one", 270), words("two", 258)))
    assert item.text == "###### Page 1\n\n# Large\n\none\ntwo"


def test_a_line_that_looks_like_markdown_is_no_heading() -> None:
    text = read_pdf(draw(words("# 12 of these", 300), words("more", 288))).text
    assert "\n\\# 12" in text


@pytest.mark.parametrize("reader", ["pdfium", "pdfplumber"])
def test_ruled_tables_need_the_richer_reader(reader: str) -> None:
    rules = [f"{x} 100 m {x} 160 l S" for x in (40, 140, 240)]
    rules += [f"40 {y} m 240 {y} l S" for y in (100, 130, 160)]
    rows = {140: ("Ship", "Tons"), 110: ("Hooper", "4935")}
    cells = [
        words(text, y, x=x)
        for y, row in rows.items()
        for x, text in zip((45, 145), row, strict=True)
    ]
    item = read_pdf(draw(words("Above", 300), *rules, *cells), pdf=reader)
    has_table = "| Ship | Tons |\n| --- | --- |\n| Hooper | 4935 |" in item.text
    assert has_table == (reader == "pdfplumber")
    assert "Above" in item.text


def test_both_readers_read_the_same_sentences() -> None:
    data = SAMPLE.read_bytes()
    light, rich = (
        " ".join(read_pdf(data, pdf=name).text.split()) for name in ("pdfium", "pdfplumber")
    )
    assert light == rich


def test_a_scan_is_said_to_be_one() -> None:
    writer = PdfWriter()
    writer.add_blank_page(100, 100)
    out = io.BytesIO()
    writer.write(out)
    with pytest.raises(InputError, match="no text layer") as caught:
        read_pdf(out.getvalue())
    assert "OCR" in caught.value.hint


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-128", "AES-256-R5", "AES-256"])
@pytest.mark.parametrize(("password", "is_read"), [("secret", False), ("", True)])
def test_encrypted(algorithm: str, password: str, is_read: bool) -> None:
    writer = PdfWriter(clone_from=str(SAMPLE))
    writer.encrypt(password, "owner", algorithm=algorithm)
    out = io.BytesIO()
    writer.write(out)
    if is_read:
        assert "Globigerina" in read_pdf(out.getvalue()).text
        return
    with pytest.raises(InputError, match="is encrypted"):
        read_pdf(out.getvalue())


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"no pdf at all", "is not a pdf"),
        (b"%PDF-1.7\n", "is damaged"),
        (SAMPLE.read_bytes()[:900], "is damaged|no text layer"),
        (re.sub(rb"/Kids \[[^\]]*\]", b"/Kids [1 0 R]", SAMPLE.read_bytes()), "is damaged: "),
    ],
)
def test_damaged(data: bytes, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        read_pdf(data)


def test_what_is_left_of_a_file_that_was_cut_off_is_read_and_the_loss_is_named() -> None:
    data = draw(words("Kept text.", 300))
    reading = read(data.removesuffix(b"%%EOF\n"), kind="pdf", settings=InputSettings())
    assert reading.items[0].text.endswith("Kept text.")
    assert reading.problems == [("", "has no end: it was cut off, and what follows is not indexed")]


COLUMNS = (
    [words("The story of two ships of the northern ports, told in two columns", 350)]
    + [
        words(line, 320 - 12 * row)
        for row, line in enumerate(
            ["The Corvus was built in Rostock,", "she carried grain until the year",
             "1911, when Elin Vass saw a replace-", "ment come into the old harbour,",
             "and nobody ever forgot that dis-"]
        )
    ]
    + [
        words(line, 318 - 12 * row, x=220)
        for row, line in enumerate(
            ["The Lyra is a different vessel,", "built in Kiel for the pilots of",
             "the sound, and Mira Holt was her", "master for twenty years of fog",
             "before she wrote her own book."]
        )
    ]
)  # fmt: skip


@pytest.mark.parametrize("order", [1, -1])  # whatever the order in which they are drawn
def test_columns_are_read_one_after_the_other(order: int) -> None:
    text = read_pdf(draw(*COLUMNS[::order])).text
    assert text.partition("\n\n")[2] == (
        "The story of two ships of the northern ports, told in two columns\n\n"
        "The Corvus was built in Rostock,\nshe carried grain until the year\n"
        "1911, when Elin Vass saw a replacement\ncome into the old harbour,\n"
        "and nobody ever forgot that dis-\n\n"
        "The Lyra is a different vessel,\nbuilt in Kiel for the pilots of\n"
        "the sound, and Mira Holt was her\nmaster for twenty years of fog\n"
        "before she wrote her own book."
    )


def test_a_table_without_rules_is_read_row_by_row() -> None:
    rows = [("Corvus", "Rostock", "1901"), ("Lyra", "Kiel", "1920")] * 4
    drawn = [
        words(cell, 300 - 12 * number, x=40 + 120 * place)
        for number, row in enumerate(rows)
        for place, cell in enumerate(row)
    ]
    assert "Corvus Rostock 1901\nLyra Kiel 1920\n" in read_pdf(draw(*drawn)).text


@pytest.mark.parametrize("turn", ["0 1 -1 0", "0 -1 1 0", "-1 0 0 -1"])
def test_text_that_stands_turned_is_read_upright(turn: str) -> None:
    lines = [
        f"BT /F 10 Tf {turn} 200 200 Tm 0 -{12 * row} Td ({line}) Tj ET"
        for row, line in enumerate(["A table on its side", "is read all the same"])
    ]
    assert read_pdf(draw(*lines)).text.endswith("A table on its side\nis read all the same")


def test_code_keeps_its_lines_and_gaps() -> None:
    code = ["def f(x):", "    if x:", "        return long-", "    word = x  # note"]
    drawn = [words("Here is a function of some length, which the reader knows:", 350)]
    drawn += [
        words(line.strip().replace("(", "\\(").replace(")", "\\)"), 330 - 12 * row,
              x=40 + 6 * (len(line) - len(line.lstrip())), font="C")
        for row, line in enumerate(code)
    ]  # fmt: skip
    drawn += [words("And after it the text of the page goes on as it did before it.", 260)]
    text = read_pdf(draw(*drawn)).text
    assert "\n\n```\n" + "\n".join(code) + "\n```\n\nAnd after" in text


def test_a_document_set_on_a_typewriter_is_no_code() -> None:
    drawn = [
        words("The whole letter was typed by hand", 300 - 12 * row, font="C") for row in (0, 1)
    ]
    assert "```" not in read_pdf(draw(*drawn)).text


NAME = "/FT/Tx/T(applicant)/V(Elin Vass)/F 4/Rect[100 296 300 312]"
TICK = "/FT/Btn/T(agreed)/V/Yes/AS/Yes/F 4/Rect[100 266 112 278]/AP<</N<</Yes 4 0 R/Off 4 0 R>>>>"
PORT = (
    "/FT/Ch/Ff 131072/T(p1)/TU(Port of call)/Opt[(Visby)(Turku)]/V(Turku)/F 4/Rect[40 200 90 212]"
)
GONE = "/FT/Tx/T(secret)/V(hidden)/F 2/Rect[100 100 300 112]"


def test_filled_form_fields_stand_beside_their_labels() -> None:
    labels = [words("Name:", 300), words("I agree:", 270)]
    text = read_pdf(draw(*labels, fields=[NAME, TICK, PORT, GONE])).text
    assert "Name: Elin Vass\nI agree: [x]\n" in text
    assert text.endswith("Port of call: Turku")  # no label stands beside it


def test_fields_of_a_page_without_other_text_are_read() -> None:
    empty = "/FT/Tx/T(ship)/F 4/Rect[100 96 300 112]"
    beside = "/FT/Tx/T(ship)/V(Lyra)/F 4/Rect[320 296 390 312]"
    assert read_pdf(draw(fields=[NAME, empty])).text.endswith("1\n\napplicant: Elin Vass")
    assert read_pdf(draw(fields=[NAME, beside])).text.endswith("applicant: Elin Vass ship: Lyra")


def test_pages_without_text_are_named() -> None:
    (document,), warnings = (
        (reading := assemble(["x", "", "y", "", " "], {})).items,
        reading.warnings,
    )
    assert document.metadata == {"pages": 5}
    assert warnings == ["pages 2, 4-5 without text; a scan needs text recognition (OCR)"]


def test_the_reason_is_the_same_on_every_run() -> None:
    data = SAMPLE.read_bytes().replace(b"/Type /Page\n", b"/Type /Pagf\n")
    found = {_reason(data[:cut]) for cut in (900, 900, 900)}
    assert len(found) == 1


def _reason(data: bytes) -> str:
    with pytest.raises(InputError) as caught:
        read_pdf(data)
    return str(caught.value)


def text_of(*pages: str) -> str:
    (item,) = assemble(pages, {}).items
    return item.text


def test_a_sentence_stays_on_the_page_where_it_begins() -> None:
    assert text_of("One. Two goes", "on here. Three.") == (
        "###### Page 1\n\nOne. Two goes on here.\n\n###### Page 2\n\nThree."
    )
    assert "Page 2\n\nNew" in text_of("One ends.", "New begins.")
    assert "Page 2\n\nAlso" in text_of("Without stop", "Also new.")


def test_a_sentence_may_take_three_pages() -> None:
    assert text_of("It goes", "on and", "ends here. Next.") == (
        "###### Page 1\n\nIt goes on and\n\n###### Page 3\n\nends here. Next."
    )


def test_words_divided_at_the_end_of_a_line_are_joined() -> None:
    text = text_of("The tele-\ngraph was well-\nknown. A well-known line, twenty-\u00adone.")
    assert "The telegraph\nwas well-known.\nA well-known line, twenty-one." in text


def test_title_and_author() -> None:
    (item,) = assemble(["x y z"], {"title": "Microsoft Word - a.docx", "author": "A. B."}).items
    assert (item.title, item.metadata) == ("", {"pages": 1, "author": "A. B."})


def test_what_is_large_on_a_title_page_heads_nothing_but_the_title() -> None:
    def word(text: str, size: int, height: int) -> str:
        return f"BT /F {size} Tf 40 {height} Td ({text}) Tj ET "

    title = word("The manual", 30, 300) + word("Release 4", 20, 250) + word("Its authors", 16, 200)
    item = read_pdf(two_pages(zlib.compress(title.encode())))
    assert item.text.startswith("###### Page 1\n\n# The manual\n\nRelease 4\nIts authors\n\n###")


def test_headings_are_ranked_by_size_and_joined() -> None:
    lines = [
        Line("A long", 20, 300),
        Line("heading", 20, 280),
        Line("body text of the page that is much the longest", 10, 250),
        Line("Smaller", 14, 230),
        Line("more body text", 10, 215),
        Line("and a new paragraph", 10, 190),
        Line("that goes on", 10, 178),
        Line("and on", 10, 166),
    ]
    levels = heading_levels([lines])
    assert levels == {20: 1, 14: 2}
    assert page_text(lines, levels) == (
        "# A long heading\n\nbody text of the page that is much the longest\n\n## Smaller\n\n"
        "more body text\n\nand a new paragraph\nthat goes on\nand on"
    )
