"""Writes the pdf and office files of `examples/documents`. Needs `fpdf2`, `python-pptx`,
`python-docx` and `XlsxWriter`, which nothing else here does:

    pip install fpdf2 python-pptx python-docx XlsxWriter
    python examples/make_office_files.py

The files are in the repository; run this only to change them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

DOCUMENTS = Path(__file__).resolve().parent / "documents"
MADE = datetime(2026, 1, 1, tzinfo=UTC)  # the same bytes on the same day or another

SOUNDINGS = [
    (
        "What was known of the bottom",
        [
            "Before a cable could be laid, somebody had to know how deep the ocean was and what "
            "lay on its floor. A line with a heavy shot tells little in deep water: nobody "
            "feels the moment when it touches, and nothing comes up with it. Depths of eight or "
            "nine miles were reported from places that are not three miles deep.",
            "In 1853 John Mercer Brooke, a midshipman at the Naval Observatory in Washington, made "
            "a sounding rod that lets go of its weight. The rod passes through a bored cannonball; "
            "when it strikes the bottom, two arms fall, the ball drops off, and the rod alone is "
            "hauled up with a sample of the ground in a quill at its end.",
        ],
    ),
    (
        "The voyage of the Cyclops",
        [
            "Matthew Fontaine Maury, who led the observatory, drew from such soundings a chart of "
            "a broad ridge between Ireland and Newfoundland and named it the telegraph plateau. In "
            "the summer of 1857 Lieutenant Joseph Dayman of HMS Cyclops went over it again and "
            "found steps in it that the chart did not show, above all a steep slope west of "
            "Valentia.",
            "Dayman kept the samples in spirits of wine and sent them to London. The naturalist "
            "Thomas Henry Huxley put the mud of the Cyclops under his microscope and found that "
            "most of it was made of the shells of Globigerina, creatures smaller than a grain of "
            "sand. So fine a mud, the engineers said, lies still, and a cable in it would lie "
            "still too.",
            "Some of the engineers were less easy. Nobody could say whether the shells came from "
            "animals that lived at the bottom or from others that had rained down from the surface "
            "of the sea, and the question was settled only by the voyage of HMS Challenger, which "
            "left Portsmouth in December 1872 and was away for more than three years.",
        ],
    ),
    (
        "What the soundings were worth",
        [
            "The expedition of 1857 began in the month in which Dayman came home, too early for "
            "his report to change its course. The slope off Ireland that he had found is near the "
            "place where the later expeditions paid out with the greatest care.",
        ],
    ),
]  # fmt: skip

PORTHCURNO = [
    (
        "A valley in Cornwall",
        [
            "The cable from Bombay to Britain was to land at Falmouth. Its promoters feared the "
            "anchors of so busy a harbour, and in 1870 it came ashore instead at Porthcurno, a "
            "sandy cove near Land's End where no ship anchors.",
            "The station belonged to the Falmouth, Gibraltar and Malta Telegraph Company, which "
            "John Pender joined with others in 1872 to form the Eastern Telegraph Company.",
        ],
    ),
    (
        "Life at the station",
        [
            "Clerks worked in watches of eight hours by day and by night. Young men were trained "
            "there for the stations abroad in a school that the company kept; they called "
            "themselves the exiles.",
        ],
    ),
    (
        "The tunnels",
        [
            "In 1940 and 1941 tin miners cut two tunnels into the granite of the valley side, and "
            "the instruments were moved into them to be safe from bombs. The station closed in "
            "1970, a hundred years after the first message.",
        ],
    ),
]  # fmt: skip
LANDINGS = [
    ("Cable", "Landed", "Far end"),
    ("Porthcurno to Carcavelos", "1870", "Portugal"),
    ("Porthcurno to Vigo", "1873", "Spain"),
    ("Porthcurno to Brignogan", "1880", "France"),
]

SLIDES = [
    (
        "Reading a cable: from lamp to ink",
        [
            "Two clerks were needed at a mirror galvanometer",
            "One watched the spot of light and called the letters; the other wrote them down",
            "Nothing was left of a message but what the second clerk had heard",
        ],
        "The speaker shows a lamp, a scale and a darkened hut.",
    ),
    (
        "The siphon recorder",
        [
            "William Thomson took out a patent for it in 1867",
            "A glass siphon as thin as a hair squirts ink on a moving strip of paper",
            "The ink is charged by a small machine called the mouse mill, so that it leaves the "
            "tube without touching the paper",
        ],
        "The mouse mill also drove the strip of paper.",
    ),
    (
        "What the strip looked like",
        [],
        "A clerk could read a strip at thirty words a minute.",
    ),
]  # fmt: skip
STRIP = [("Sign", "Trace"), ("dot", "a hump above the line"), ("dash", "a hump below the line")]

SHIPS = [
    ("Ship", "Built", "Tons", "Owner", "Known for"),
    ("Monarch", 1830, 379, "Electric Telegraph Company", "fitted for good as a cable ship in 1853"),
    ("Hooper", 1873, 4935, "Hooper's Telegraph Works", "the cable along the coast of Brazil"),
    ("Faraday", 1874, 5052, "Siemens Brothers", "the direct cable to the United States of 1875"),
    ("Mackay-Bennett", 1884, 1731, "Commercial Cable Company", "the dead of the Titanic, 1912"),
]  # fmt: skip
STORES = [
    ("Carried by a repair ship", "Quantity"),
    ("grapnels of five patterns", 24),
    ("buoys with lamps", 12),
    ("miles of grappling rope", 15.5),
]


def make_pdf(path: Path) -> None:
    from fpdf import FPDF

    pdf = FPDF(format="A5")
    pdf.set_title("Sounding the telegraph plateau")
    pdf.set_creation_date(MADE)
    pdf.set_auto_page_break(True, margin=18)
    pdf.add_page()
    pdf.set_font("Helvetica", "B", 18)
    pdf.multi_cell(0, 9, "Sounding the telegraph plateau", new_x="LMARGIN", new_y="NEXT")
    for heading, paragraphs in SOUNDINGS:
        pdf.ln(4)
        pdf.set_font("Helvetica", "B", 14)
        pdf.start_section(heading)
        pdf.multi_cell(0, 7, heading, new_x="LMARGIN", new_y="NEXT")
        pdf.set_font("Helvetica", size=11)
        for paragraph in paragraphs:
            pdf.ln(2)
            pdf.multi_cell(0, 5.5, paragraph, new_x="LMARGIN", new_y="NEXT")
    pdf.output(str(path))


def make_docx(path: Path) -> None:
    from docx import Document

    document = Document()
    document.core_properties.title = "The cable station at Porthcurno"
    document.core_properties.author = ""
    document.core_properties.created = document.core_properties.modified = MADE
    document.add_heading("The cable station at Porthcurno", level=0)
    for heading, paragraphs in PORTHCURNO:
        document.add_heading(heading, level=1)
        for paragraph in paragraphs:
            document.add_paragraph(paragraph)
    document.add_heading("Cables that landed there", level=1)
    table = document.add_table(rows=0, cols=3)
    for row in LANDINGS:
        for cell, text in zip(table.add_row().cells, row, strict=True):
            cell.text = text
    document.save(str(path))


def make_pptx(path: Path) -> None:
    from pptx import Presentation
    from pptx.util import Inches

    show = Presentation()
    show.core_properties.title = "Reading a cable"
    for title, lines, notes in SLIDES:
        slide = show.slides.add_slide(show.slide_layouts[1 if lines else 5])
        slide.shapes.title.text = title
        if lines:
            frame = slide.placeholders[1].text_frame
            frame.text = lines[0]
            for line in lines[1:]:
                frame.add_paragraph().text = line
        else:
            shape = slide.shapes.add_table(
                len(STRIP), 2, Inches(1), Inches(2), Inches(8), Inches(1.5)
            )
            for number, row in enumerate(STRIP):
                for column, text in enumerate(row):
                    shape.table.cell(number, column).text = text
        slide.notes_slide.notes_text_frame.text = notes
    show.save(str(path))


def make_xlsx(path: Path) -> None:
    import xlsxwriter

    book = xlsxwriter.Workbook(str(path))
    book.set_properties({"title": "Cable ships", "created": MADE})
    for name, rows in (("Ships", SHIPS), ("Stores", STORES)):
        sheet = book.add_worksheet(name)
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row)
    book.close()


if __name__ == "__main__":
    make_pdf(DOCUMENTS / "soundings.pdf")
    make_docx(DOCUMENTS / "porthcurno.docx")
    make_pptx(DOCUMENTS / "reading-a-cable.pptx")
    make_xlsx(DOCUMENTS / "cable-ships.xlsx")
