from __future__ import annotations

import pytest

from graphrag.core.settings import ChunkSettings
from graphrag.indexing.documents.files import Document
from graphrag.indexing.text_units.chunks import split_documents
from graphrag.query.answering.citations import check
from graphrag.text.page_marks import find_place, place_line, read_place, without_places
from graphrag.text.tokens import count

TEXT = "###### Page 7\n\nOne two three.\n\n###### Page 8\n\nFour FIVE\nsix.\n\n## Page 9\n\nSeven."


@pytest.mark.parametrize("place", ["Page 1", "Slide 12", "Sheet: Costs of 1866"])
def test_a_place_line_names_its_place(place: str) -> None:
    assert read_place(place_line(place)) == place


@pytest.mark.parametrize("line", ["###### Pages", "##### Page 1", "###### Page one", "Page 1", ""])
def test_other_lines_name_none(line: str) -> None:
    assert read_place(line) == ""


@pytest.mark.parametrize(
    ("quote", "place"),
    [
        ("One two three.", "Page 7"),
        ("four five six", "Page 8"),
        ("Seven", "Page 8"),
        ("not there", ""),
        ("", ""),
    ],
)
def test_find_place(quote: str, place: str) -> None:
    assert find_place(quote, TEXT) == place


def test_a_text_of_one_place_is_there_whatever_is_quoted() -> None:
    assert find_place("not there", "###### Page 7\n\nOne.") == "Page 7"
    assert find_place("One", "One.") == ""
    assert find_place("One", "One.\n\n###### Page 7\n\nTwo.") == ""


def test_a_quote_may_run_over_the_end_of_a_page() -> None:
    text = "The ship left the harbour.\n\n###### Page 8\n\nIt never came back."
    assert check("The ship left the harbour. It never came back.", text)
    assert "Page 8" not in without_places(text)


def test_every_unit_of_a_paged_document_says_where_it_stands() -> None:
    pages = [
        f"{place_line(f'Page {page}')}\n\n"
        + "\n\n".join(
            f"Sentence {part} of page number {page} says a little. And one more it has."
            for part in range(40)
        )
        for page in (1, 2, 3)
    ]
    document = Document(source="a.pdf", text="\n\n".join(pages))
    settings = ChunkSettings(max_tokens=200, overlap=40)
    units = split_documents([document], settings=settings)
    assert units.height > 6
    for text, n_tokens in units.select("text", "n_tokens").iter_rows():
        assert n_tokens == count(text) <= 200
        assert read_place(text.partition("\n")[0])
        assert not read_place(text.rstrip().rpartition("\n")[2])
        for page in (1, 2, 3):
            for part in range(40):
                quote = f"Sentence {part} of page number {page} says a little."
                if quote in text:
                    assert find_place(quote, text) == f"Page {page}"
    for page in (1, 2, 3):
        for part in range(40):
            quote = f"Sentence {part} of page number {page} says"
            assert any(quote in text for text in units["text"])


def test_pages_are_no_sections() -> None:
    text = "###### Page 1\n\n# Head\n\nOne.\n\n###### Page 2\n\nTwo."
    units = split_documents([Document(source="a.pdf", text=text)], settings=ChunkSettings())
    assert units["headings"].to_list() == [["Head"]]
    assert units["text"].to_list() == [text]
