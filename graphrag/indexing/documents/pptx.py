"""Read a pptx slide by slide: the title, the lines, tables and notes."""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Iterator
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from graphrag.core.errors import InputError
from graphrag.indexing.documents.tables import Cell, table_lines
from graphrag.text.page_marks import place_line

_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_RELATION = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"
_ALTERNATIVES = "{http://schemas.openxmlformats.org/markup-compatibility/2006}AlternateContent"
_TITLES = ("title", "ctrTitle")
_FURNITURE = ("dt", "ftr", "hdr", "sldNum", "sldImg")  # date, footer, header, number, picture
_MAX_DEPTH = 50  # of groups in groups


def slides_text(archive: zipfile.ZipFile) -> str:
    """The slides in the order of the show, each after a line that names its number.

    Raises InputError when there is no show, and what the parser raises on damage. No part of
    `archive` may declare entities.
    """
    main = next(iter(_targets(archive, "", "/officeDocument").values()), "")
    if not main:
        raise InputError("is damaged: it names no presentation")
    parts = _targets(archive, main, "/slide")
    order = _parse(archive, main).iter(f"{_P}sldId")
    slides = [parts[key] for key in (slide.get(f"{_R}id", "") for slide in order) if key in parts]
    texts = [_slide_text(archive, part) for part in slides]
    return "\n\n".join(
        f"{place_line(f'Slide {number}')}\n\n{text}"
        for number, text in enumerate(texts, start=1)
        if text
    )


def _targets(archive: zipfile.ZipFile, part: str, kind: str) -> dict[str, str]:
    """By id: the parts to which `part` has relations of a kind; nothing outside of the archive."""
    folder, name = posixpath.split(part)
    relations = posixpath.join(folder, "_rels", f"{name}.rels")
    if relations not in archive.NameToInfo:
        return {}
    found: dict[str, str] = {}
    for relation in _parse(archive, relations).iter(_RELATION):
        target = posixpath.normpath(posixpath.join("/", folder, relation.get("Target", "")))
        if relation.get("Type", "").endswith(kind) and target.lstrip("/") in archive.NameToInfo:
            found[relation.get("Id", "")] = target.lstrip("/")
    return found


def _parse(archive: zipfile.ZipFile, part: str) -> Element:
    return ElementTree.fromstring(archive.read(part))  # noqa: S314 - entities were refused


def _slide_text(archive: zipfile.ZipFile, part: str) -> str:
    titles: list[str] = []
    blocks: list[str] = []
    for kind, block in _blocks(_parse(archive, part), 0):
        (titles if kind in _TITLES else blocks).append(block)
    heading = [f"## {' '.join(title.split())}" for title in titles]
    for notes in _targets(archive, part, "/notesSlide").values():
        said = [block for kind, block in _blocks(_parse(archive, notes), 0) if kind == "body"]
        blocks.extend(block.replace("\n- ", "\n").removeprefix("- ") for block in said)
    return "\n\n".join([*heading, *blocks])


def _blocks(element: Element, depth: int) -> Iterator[tuple[str, str]]:
    """The kind of placeholder and the text of each shape under `element` that has text."""
    if depth > _MAX_DEPTH:
        return
    for child in element:
        if child.tag == _ALTERNATIVES:
            yield from _blocks(child[0] if len(child) else child, depth + 1)
        elif child.tag == f"{_P}sp":
            holder = child.find(f"{_P}nvSpPr/{_P}nvPr/{_P}ph")
            kind = "" if holder is None else holder.get("type", "body")
            lines = list(_paragraphs(child.find(f"{_P}txBody")))
            if lines and kind not in _FURNITURE:
                listed = kind in ("body", "obj") and len(lines) > 1
                yield kind, "\n".join(f"- {line}" if listed else line for line in lines)
        elif child.tag == f"{_P}graphicFrame":
            for table in child.iter(f"{_A}tbl"):
                rows = [
                    [_cell(cell) for cell in row.iter(f"{_A}tc") if not _is_covered(cell)]
                    for row in table.iter(f"{_A}tr")
                ]
                if any(cell.text for row in rows for cell in row):
                    yield "", "\n".join(table_lines(rows))
        elif child.tag in (f"{_P}cSld", f"{_P}spTree", f"{_P}grpSp"):
            yield from _blocks(child, depth + 1)


def _cell(cell: Element) -> Cell:
    across, down = (cell.get(name, "1") for name in ("gridSpan", "rowSpan"))
    return Cell(
        " ".join(_paragraphs(cell.find(f"{_A}txBody"))),
        int(across) if across.isdecimal() else 1,
        int(down) if down.isdecimal() else 1,
    )


def _is_covered(cell: Element) -> bool:
    """Whether a merged cell above or before it takes its place."""
    return any(cell.get(name) in ("1", "true") for name in ("hMerge", "vMerge"))


def _paragraphs(body: Element | None) -> Iterator[str]:
    if body is None:
        return
    for paragraph in body.iter(f"{_A}p"):
        parts = (
            " " if run.tag == f"{_A}br" else run.text or ""
            for run in paragraph.iter()
            if run.tag in (f"{_A}t", f"{_A}br")
        )
        line = " ".join("".join(parts).split())
        if line:
            yield line
