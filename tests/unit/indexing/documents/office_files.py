"""Office files for the tests: the samples with parts of them changed, and new archives."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

DOCUMENTS = Path(__file__).parents[4] / "examples" / "documents"
DOCX = DOCUMENTS / "porthcurno.docx"
PPTX = DOCUMENTS / "reading-a-cable.pptx"
XLSX = DOCUMENTS / "cable-ships.xlsx"


def changed(path: Path, changes: Mapping[str, Callable[[bytes], bytes]]) -> bytes:
    """The archive at `path` with its parts passed through `changes`, which must all be there."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(path) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        assert changes.keys() <= set(old.namelist())
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, changes[name](data) if name in changes else data)
    return out.getvalue()


def inserted(after: bytes, text: bytes) -> Callable[[bytes], bytes]:
    """A change that puts `text` behind the first `after`."""

    def change(data: bytes) -> bytes:
        assert after in data
        return data.replace(after, after + text, 1)

    return change


def docx_of(body: str) -> bytes:
    """The sample document with another body."""

    def change(data: bytes) -> bytes:
        head, _, rest = data.partition(b"<w:body>")
        return head + b"<w:body>" + body.encode() + b"</w:body>" + rest.partition(b"</w:body>")[2]

    return changed(DOCX, {"word/document.xml": change})
