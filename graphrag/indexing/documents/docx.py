"""Convert a docx to HTML through mammoth, which has no types, and give it what it would skip."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Protocol, cast

import mammoth


class _Converted(Protocol):
    value: str


_convert = cast(Callable[..., _Converted], mammoth.convert_to_html)  # pyright: ignore
_without_picture = cast(object, mammoth.images.img_element(lambda _: {}))  # pyright: ignore


_SKIPPED = re.compile(rb"</?w:(?:fldSimple|bdo|dir)(?:\s[^>]*)?/?>")  # unlike what is within
_AROUND = re.compile(
    rb"</?m:oMathPara(?:\s[^>]*)?>|<m:oMathParaPr/>|<m:oMathParaPr>.*?</m:oMathParaPr>", re.DOTALL
)
_EQUATION = re.compile(rb"<m:oMath(?:\s[^>]*)?>(.*?)</m:oMath>", re.DOTALL)
_SIGN = re.compile(
    r'<m:t(?:\s[^>]*)?>([^<]*)</m:t>|<m:chr m:val="([^"<]*)"|<(/?m:(?:d|num|den|sub|sup))>'
)
_OPEN, _CLOSE = "\ue000", "\ue001"  # brackets that one sign needs not; private use characters
_MARKS = {"m:d": "(", "/m:d": ")", "m:num": _OPEN, "m:den": f"/{_OPEN}", "m:sub": f"_{_OPEN}",
          "m:sup": f"^{_OPEN}"}  # fmt: skip
_ONE = re.compile(rf"{_OPEN}(\w*){_CLOSE}")


def readable(part: bytes) -> bytes:
    """The XML of a part with fields, text of a stated direction and equations as plain text."""
    return _EQUATION.sub(_linear, _AROUND.sub(b"", _SKIPPED.sub(b"", part)))


def _linear(equation: re.Match[bytes]) -> bytes:
    text = ""
    for sign in _SIGN.finditer(equation[1].decode(errors="replace")):
        text += sign[1] or sign[2] or _MARKS.get(sign[3] or "", _CLOSE if sign[3] else "")
    text = _ONE.sub(r"\1", text).replace(_OPEN, "(").replace(_CLOSE, ")")
    return f'<w:r><w:t xml:space="preserve">{text}</w:t></w:r>'.encode()


def docx_to_html(data: bytes, *, styles: str) -> str:
    """Headings, lists, tables and footnotes of a document; no pictures, no files beside it."""
    return _convert(
        io.BytesIO(data),
        style_map=styles,
        convert_image=_without_picture,
        include_embedded_style_map=False,
        external_file_access=False,
    ).value
