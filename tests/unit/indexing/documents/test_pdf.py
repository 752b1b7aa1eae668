from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from pypdf import PdfWriter

from graphrag.core.errors import InputError
from graphrag.core.settings import InputSettings
from graphrag.indexing.documents.pdf import Line, assemble, heading_levels, page_text
from graphrag.indexing.documents.readers import read
from graphrag.indexing.documents.result import Item

SAMPLE = Path(__file__).parents[4] / "examples" / "documents" / "soundings.pdf"


def draw(*drawn: str) -> bytes:
    """A pdf of one page with these drawing operators, by hand; its table of objects is left out."""
    stream = "\n".join(drawn).encode()
    parts = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 400 400]/Contents 4 0 R"
        b"/Resources<</Font<</F<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>>>",
        b"<</Length %d>>\nstream\n%s\nendstream" % (len(stream), stream),
    ]
    objects = b"".join(b"%d 0 obj\n%s\nendobj\n" % pair for pair in enumerate(parts, start=1))
    return b"%PDF-1.4\n" + objects + b"trailer\n<</Root 1 0 R>>\nstartxref\n0\n%%EOF\n"


def words(text: str, y: int, size: int = 10, x: int = 40) -> str:
    return f"BT /F {size} Tf 1 0 0 1 {x} {y} Tm ({text}) Tj ET"


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


@pytest.mark.parametrize("reader", ["pypdf", "pdfplumber"])
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
        " ".join(read_pdf(data, pdf=name).text.split()) for name in ("pypdf", "pdfplumber")
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


@pytest.mark.parametrize(("password", "is_read"), [("secret", False), ("", True)])
def test_encrypted(password: str, is_read: bool) -> None:
    writer = PdfWriter(clone_from=str(SAMPLE))
    writer.encrypt(password, "owner", algorithm="RC4-128")
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
        (SAMPLE.read_bytes()[:900], "is damaged"),
        (
            re.sub(rb"/Kids \[[^\]]*\]", b"/Kids [1 0 R]", SAMPLE.read_bytes()),
            "is damaged.*cyclic",
        ),
    ],
)
def test_damaged(data: bytes, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        read_pdf(data)


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
    assert "The telegraph\nwas well-known\n. A well-known line" in text.replace(" was", "was")


def test_title_and_author() -> None:
    (item,) = assemble(["x y z"], {"title": "Microsoft Word - a.docx", "author": "A. B."}).items
    assert (item.title, item.metadata) == ("", {"pages": 1, "author": "A. B."})


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
