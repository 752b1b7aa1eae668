from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphrag.core.errors import InputError
from graphrag.core.settings import InputSettings
from graphrag.indexing.documents.encodings import decode
from graphrag.indexing.documents.files import load

FRENCH = "Le café d’Élodie coûte 3 € — « très » bon."
CZECH = "Příliš žluťoučký kůň úpěl ďábelské ódy. Město je velké."
POLISH = "Spółka Północny Wiatr została założona w Łodzi, a jej prezes mieszka w Gdańsku."
RUSSIAN = "Привет, мир. Это русский текст для проверки кодировки."
HEBREW = "הספינה יצאה מן הנמל עם שחר. רב החובל כתב ביומן שהים שקט."
JAPANESE = "これは日本語のテキストです。文字コードを調べます。"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (FRENCH, "utf-8"),
        (FRENCH, "utf-8-sig"),
        (FRENCH, "utf-16"),
        (FRENCH, "utf-16-le"),
        (FRENCH, "utf-16-be"),
        (FRENCH, "utf-32"),
        (FRENCH, "cp1252"),
        ("It’s “5 £”", "cp1252"),
        ("Größe und Übung in der Straße", "latin-1"),
        ("El niño comió piñas en Perú", "cp1252"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8-r"),
        (JAPANESE, "shift_jis"),
        (JAPANESE, "euc_jp"),
        (JAPANESE, "utf-16-le"),
        (CZECH, "cp1250"),
        (CZECH, "iso8859-2"),
        (POLISH, "iso8859-2"),
        (POLISH, "cp1250"),
        ("Árvíztűrő tükörfúrógép a házban", "iso8859-2"),
        ("Lietuvos sostinė yra Vilnius, kuriame gyvena daugiau nei pusė milijono", "cp1257"),
        ("Rīga ir Latvijas galvaspilsēta, un tajā dzīvo daudz cilvēku.", "cp1257"),
        ("Şirketin genel merkezi İzmir'dedir ve yaklaşık beş yüz çalışanı vardır.", "cp1254"),
        ("这是一个用于测试编码的中文文本。", "gb18030"),
        ("這是一個用於測試編碼的中文文本。", "big5"),
        ("这是一个用于测试编码的中文文本。", "utf-16-be"),
        ("이것은 인코딩을 시험하는 한국어 글입니다.", "cp949"),
        ("이것은 한국어 글입니다.", "utf-16-be"),
        ("Αυτό είναι ένα ελληνικό κείμενο.", "cp1253"),
        (HEBREW, "cp1255"),
        (HEBREW, "iso8859-8"),
        ("株式会社北風は大阪で設立されました。", "iso-2022-jp"),
    ],
)
def test_decode(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)).text == text


def test_a_mark_of_utf16_is_written_by_hand_too() -> None:
    assert decode(b"\xfe\xff" + "Text".encode("utf-16-be")).text == "Text"


def test_line_ends_become_one() -> None:
    assert decode(b"a\r\nb\rc\n").text == "a\nb\nc\n"


def test_a_damaged_byte_in_utf8_spoils_one_character() -> None:
    text = "Größe, Übung und Straße: çà et là. " * 5
    assert decode(text.encode() + b"\xff end").text == text + "\ufffd end"


@pytest.mark.parametrize(
    ("text", "encoding", "declared"),
    [
        ("株式会社北風は大阪で設立されました。", "iso-2022-jp", '<meta charset="iso-2022-jp">'),
        ("Привет", "koi8-r", '<meta http-equiv="x" content="text/html; charset=KOI8-R">'),
        ("Łódź", "iso8859-2", '<?xml version="1.0" encoding="ISO-8859-2"?>'),
        ("“5 €”", "cp1252", "<meta charset=iso-8859-1>"),  # as browsers take it
        ("Größe", "utf-8", '<meta charset="windows-1251">'),  # declared wrongly
        ("Größe", "utf-8", '<meta charset="no-such-thing">'),
        ("Größe", "utf-8", '<meta charset="utf-16">'),
    ],
)
def test_what_a_page_declares_comes_first(text: str, encoding: str, declared: str) -> None:
    page = f"{declared}<p>{text}</p>"
    decoded = decode(page.encode(encoding), markup=True)
    assert decoded.text == page
    assert not decoded.doubt


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256)),
        b"PK\x03\x04\x14\x00\x00\x00\x08\x00" + bytes(range(200)),
        b"%PDF-1.7\nsome text",
        b"\x01\x02\x03\x04\x05" * 100,
        b"\xff\xfe\x00",
    ],
)
def test_what_is_no_text_is_refused(data: bytes) -> None:
    with pytest.raises(InputError):
        decode(data)


@given(st.binary(max_size=200))
def test_decoding_ends_in_text_or_in_our_error(data: bytes) -> None:
    try:
        decoded = decode(data)
    except InputError:
        return
    assert "\r" not in decoded.text


def test_a_guess_that_is_not_sure_is_a_warning_that_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_bytes(b"\xb3\xf3d\xbc")
    (tmp_path / "long.txt").write_bytes(POLISH.encode("iso8859-2"))
    (warning,) = load([tmp_path], root=tmp_path, settings=InputSettings()).warnings
    assert warning.startswith("short.txt: its encoding was guessed as ")
    assert "input.encoding" in warning


@pytest.mark.parametrize("encoding", ["shift_jis", "euc_jp"])
@pytest.mark.parametrize(
    "text", ["佐藤 東京都", "名前,値\n田中,3\n鈴木,5", "株式会社 横浜市", "鈴木一郎,京都市中京区"]
)
def test_japanese_names_without_kana_are_no_sure_guess(text: str, encoding: str) -> None:
    assert "input.encoding" in decode(text.encode(encoding)).doubt


@pytest.mark.parametrize("encoding", ["cp850", "cp852"])
def test_an_encoding_that_is_not_known_is_named_as_the_reason(encoding: str) -> None:
    data = "Die Straße führt über die Brücke nach Köln, wo Bürger grüßen.".encode(encoding)
    with pytest.raises(InputError, match="encoding that is not recognised") as caught:
        decode(data)
    assert "input.encoding" in caught.value.hint
    assert "Köln" in decode(data, stated=encoding).text


def test_the_encoding_may_be_stated_by_file(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_bytes("łódź".encode("cp1250"))
    settings = InputSettings(encoding={"a*": "cp1250", "b*": "ascii"})
    loaded = load([tmp_path], root=tmp_path, settings=settings)
    assert [document.text for document in loaded.documents] == ["łódź"]
    assert loaded.warnings == []
    (failure,) = loaded.failures
    assert (failure.source, failure.reason) == (
        "b.txt",
        "is ascii by input.encoding and is not valid at byte 0",
    )
