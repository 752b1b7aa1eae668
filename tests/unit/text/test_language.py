from __future__ import annotations

import pytest

from graphrag.text import (
    detect_language,
)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The quick brown fox jumps over the lazy dog and then it was gone.", "en"),
        ("Die Katze ist auf dem Tisch und der Hund liegt unter dem Bett.", "de"),
        ("Le chat est sur la table et le chien dort dans la maison.", "fr"),
        ("El perro está en la casa y no quiere salir porque llueve mucho.", "es"),
        ("Aquest és un text en català que hauria de ser reconegut com a tal.", "ca"),
        ("Это русский текст, достаточно длинный, чтобы его понять.", "ru"),
        ("これは日本語の文章です", "ja"),
        ("这是一个中文句子", "zh"),
        ("한국어 문장입니다", "ko"),
        ("Who wrote it?", "en"),
        ("Zqx", "und"),
        ("", "und"),
    ],
)
def test_detect_language(text: str, language: str) -> None:
    assert detect_language(text) == language
