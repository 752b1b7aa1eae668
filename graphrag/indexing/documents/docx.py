"""A docx in, HTML out: the border to mammoth, which has no types."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Protocol, cast

import mammoth


class _Converted(Protocol):
    value: str


_convert = cast(Callable[..., _Converted], mammoth.convert_to_html)  # pyright: ignore
_without_picture = cast(object, mammoth.images.img_element(lambda _: {}))  # pyright: ignore


def docx_to_html(data: bytes, *, styles: str) -> str:
    """Headings, lists, tables and footnotes of a document; no pictures, no files beside it."""
    return _convert(
        io.BytesIO(data),
        style_map=styles,
        convert_image=_without_picture,
        include_embedded_style_map=False,
        external_file_access=False,
    ).value
