"""Decode text files: by what they declare, as UTF-8, or by the language that a guess reads as."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from graphrag.core.errors import InputError
from graphrag.text import detect_language

_BOMS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_OTHERS = (
    (b"%PDF-", "a PDF file"),
    (b"PK\x03\x04", "a zip archive, perhaps an office file,"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an office file of before 2007"),
)
_SAMPLE = 1 << 16  # bytes that tell the encoding
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f\x80-\x84\x86-\x9f]")
_LOW_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_MAX_CONTROLS = 0.02  # of all characters; more is not text
_META = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?([\w:.-]+)", re.IGNORECASE)
_XML = re.compile(rb"\s*<\?xml[^>]{0,200}encoding\s*=\s*[\"']([\w:.-]+)", re.IGNORECASE)
_LATIN1 = re.compile(r"iso-?8859-?1|latin-?1|(?:us-)?ascii", re.IGNORECASE)  # as browsers take it
_SURE = 1.2  # of at most 1.5: all letters fit, and the language is the one they belong to
_POOR = 0.9  # UTF-16 without any ASCII is tried then
_LEAD = 0.02  # over the next guess
_FITTING = 0.97  # of UTF-16 without a mark: letters, marks and spaces

# What the languages of each encoding write beyond ASCII (Unicode CLDR, main exemplar letters).
_LATIN = {
    "cp1252": {
        "de": "äöüß", "fr": "àâæçéèêëîïôœùûüÿ", "es": "áéíñóúü", "pt": "àáâãçéêíóôõúü",
        "it": "àèéìíòóùú", "nl": "áéëíïóöúüè", "sv": "äåöéà", "da": "æøåé", "no": "æøåéòôà",
        "fi": "äåöšž", "is": "áéíóúýæðöþ", "ca": "àçéèíïóòúü·", "en": "éèêëïöçñœ",
    },
    "iso8859-2": {
        "pl": "ąćęłńóśźż", "cs": "áčďéěíňóřšťúůýž", "sk": "áäčďéíĺľňóôŕšťúýž",
        "hu": "áéíóöőúüű", "sl": "čšž", "hr": "čćđšž", "ro": "ăâîşţ",
    },
    "cp1254": {"tr": "çğıöşüâîûi̇"},
    "cp1257": {"lt": "ąčęėįšųūž", "lv": "āčēģīķļņšūž", "et": "äõöüšž"},
}  # fmt: skip
_LATIN["cp1250"] = _LATIN["iso8859-2"]
_LATIN["iso8859-9"] = _LATIN["cp1254"]
_LATIN["iso8859-13"] = _LATIN["cp1257"]
_LATIN["iso8859-15"] = _LATIN["cp1252"]
_SCRIPTS = {
    "cp1251": ("CYRILLIC", ("ru", "uk", "bg", "sr", "mk", "be", "kk")),
    "koi8-r": ("CYRILLIC", ("ru", "bg")),
    "koi8-u": ("CYRILLIC", ("uk", "ru")),
    "iso8859-5": ("CYRILLIC", ("ru", "uk", "bg", "sr")),
    "cp866": ("CYRILLIC", ("ru", "bg")),
    "cp1253": ("GREEK", ("el",)),
    "iso8859-7": ("GREEK", ("el",)),
    "cp1255": ("HEBREW", ("he",)),
    "iso8859-8": ("HEBREW", ("he",)),
    "cp1256": ("ARABIC", ("ar", "fa", "ur")),
    "iso8859-6": ("ARABIC", ("ar",)),
    "shift_jis": ("CJK|HIRAGANA|KATAKANA", ("ja",)),
    "euc_jp": ("CJK|HIRAGANA|KATAKANA", ("ja",)),
    "gb18030": ("CJK", ("zh",)),
    "big5": ("CJK", ("zh",)),
    "cp949": ("HANGUL", ("ko",)),
    "cp874": ("THAI", ("th",)),  # which other bytes look like too
}
# The standards have the frequent signs first: by these first bytes.
_FREQUENT = {
    "gb18030": ("gb2312", 0xB0, 0xD7),
    "big5": ("big5", 0xA4, 0xC6),
    "cp949": ("euc_kr", 0xA4, 0xC8),
    "shift_jis": ("shift_jis", 0x81, 0x98),
    "euc_jp": ("euc_jp", 0xA1, 0xCF),
}
# Names of Japan in Chinese signs alone are as frequent in Chinese.
_CHINESE, _JAPANESE = ("gb18030", "big5"), ("euc_jp", "shift_jis")
_SHORT = 64  # bytes; as many of Korean or Western signs are Japanese by chance
_LIKELY = 0.95  # of letters that fit
_ISO_2022_JP = re.compile(rb"\x1b\$[@B]")  # the escape that begins two-byte signs
_FINAL_WITHIN = re.compile("[ךםןףץ](?=[א-ת])")  # letters that only end Hebrew words


@dataclass(frozen=True, slots=True)
class Decoded:
    """`doubt` says what was guessed where the guess is not sure."""

    text: str
    doubt: str = ""


def decode(data: bytes, *, markup: bool = False, stated: str = "") -> Decoded:
    """`data` as text with "\\n" line ends. `stated`: the encoding that the settings name.

    Raises InputError when it is no text, or not in the encoding that was stated.
    """
    decoded = _decode(data, markup=markup, stated=stated)
    text = decoded.text.replace("\r\n", "\n").replace("\r", "\n")
    sample = text[:_SAMPLE]
    if len(_CONTROLS.findall(sample)) > _MAX_CONTROLS * len(sample):
        if not stated and len(_LOW_CONTROLS.findall(data[:_SAMPLE])) <= _MAX_CONTROLS * len(sample):
            raise InputError(
                "is text in an encoding that is not recognised, or binary",
                hint="Name its encoding in input.encoding (of DOS files cp437, cp850 or cp852).",
            )
        raise InputError("is binary, not text")
    return Decoded(text, decoded.doubt)


def _decode(data: bytes, *, markup: bool, stated: str) -> Decoded:
    for mark, what in _OTHERS:
        if data.startswith(mark):
            raise InputError(f"is {what} under another name")
    if stated:
        return Decoded(_decode_as(data, stated, by="input.encoding"))
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return Decoded(_decode_as(data, encoding, by="its first bytes"))
    if _ISO_2022_JP.search(data[:_SAMPLE]):
        try:
            return Decoded(data.decode("iso2022_jp_ext"))
        except UnicodeError:
            pass  # escapes of a terminal
    declared = _declared(data, markup=markup)
    utf8 = _as_utf8(data)
    if declared:
        try:
            text = data.decode(declared)
        except (LookupError, UnicodeError):
            text = None  # declared wrongly
        # What is UTF-8 beyond ASCII is that hardly by chance.
        if text is not None and (utf8 is None or data.isascii()):
            return Decoded(text)
    if utf8 is not None:
        return Decoded(utf8)
    return _guess(data)


def _decode_as(data: bytes, encoding: str, *, by: str) -> str:
    try:
        return data.decode(encoding)
    except LookupError as error:
        raise InputError(
            f"cannot be read as {encoding!r}", hint="Write a known encoding in input.encoding."
        ) from error
    except UnicodeError as error:
        at = f" at byte {error.start}" if isinstance(error, UnicodeDecodeError) else ""
        raise InputError(f"is {encoding} by {by} and is not valid{at}") from error


def _declared(data: bytes, *, markup: bool) -> str:
    head = data[:2048]
    found = _XML.match(head) or (_META.search(head) if markup else None)
    name = found[1].decode() if found else ""
    if name.casefold().startswith(("utf-16", "utf-32")):
        return ""  # it could not be read here if it were
    return "cp1252" if _LATIN1.fullmatch(name) else name


def _as_utf8(data: bytes) -> str | None:
    """`data` as UTF-8, if what is valid outweighs a few damaged characters."""
    if b"\0" in data:
        return None
    text = data.decode(errors="replace")
    damaged = text.count("\ufffd")
    return text if len(data) - len(text) >= 10 * damaged else None


def _guess(data: bytes) -> Decoded:
    """The text of the encoding whose letters are those of the language that it reads as."""
    sample = data[:_SAMPLE]
    if b"\0" in data:
        text = _utf16(data)
        if text is None:
            raise InputError("is binary, not text: it holds NUL bytes")
        return Decoded(text)
    scored = sorted(_scores(sample), reverse=True)
    if not scored or scored[0][0] < _POOR:
        text = _utf16(data)
        if text is not None:
            return Decoded(text, _doubt("UTF-16"))
    if not scored or scored[0][0] <= 0:
        raise InputError("is not text in any known encoding", hint="Save it as UTF-8.")
    score, _, encoding = scored[0]
    text = data.decode(encoding, errors="replace")
    others = [
        other
        for other in scored[1:]
        if data[:_SAMPLE].decode(other[2], "replace") != text[:_SAMPLE]
    ]
    is_sure = score >= _SURE and (not others or score - others[0][0] >= _LEAD)
    if encoding in _CHINESE or len(sample) < _SHORT:
        is_sure &= not any(one >= _LIKELY and name in _JAPANESE for one, _, name in others)
    return Decoded(text, "" if is_sure else _doubt(encoding))


def _doubt(encoding: str) -> str:
    return f"its encoding was guessed as {encoding} and may be another; input.encoding sets it"


def _scores(sample: bytes) -> Iterator[tuple[float, int, str]]:
    """How well each encoding fits: the share of letters that its languages have, and a half more
    where the text reads as that language. Earlier encodings win."""
    for order, (encoding, languages) in enumerate(_LATIN.items()):
        text = _strict(sample, encoding)
        if text is None:
            continue
        beyond = [sign for sign in text.lower() if not sign.isascii() and not sign.isspace()]
        read_as = detect_language(text)
        best = max(
            _share(beyond, letters, text) + 0.5 * (language == read_as)
            for language, letters in languages.items()
        )
        yield best, -order, encoding
    for order, (encoding, (scripts, languages)) in enumerate(_SCRIPTS.items(), start=len(_LATIN)):
        text = _strict(sample, encoding)
        if text is not None:
            share = _script_share(text, tuple(scripts.split("|")), _FREQUENT.get(encoding))
            yield share + 0.5 * (detect_language(text) in languages), -order, encoding


def _strict(sample: bytes, encoding: str) -> str | None:
    for cut in range(4):  # the sample may end within a character
        try:
            return sample[: len(sample) - cut].decode(encoding)
        except UnicodeDecodeError as error:
            if len(sample) < _SAMPLE or error.start < len(sample) - 8:
                return None
    return None


def _share(beyond: list[str], letters: str, text: str) -> float:
    """Of the signs beyond ASCII: those of `letters`, and marks that stand in no word."""
    if not beyond:
        return 0.0
    known = set(letters)
    good = sum(sign in known or not sign.isalpha() for sign in beyond)
    within = len(re.findall(r"(?<=[^\W\d_])[^\w\s\x00-\x7f’‘'·]|(?<=[^\W\d_])[²³¹¼½¾]", text))
    return max(0.0, good - 2 * within - 3 * len(_CONTROLS.findall(text))) / len(beyond)


def _script_share(text: str, scripts: tuple[str, ...], level: tuple[str, int, int] | None) -> float:
    """Of the signs beyond ASCII: the letters of `scripts`, of East Asian ones the frequent."""
    beyond = [sign for sign in text if not sign.isascii() and not sign.isspace()]
    letters = [sign for sign in beyond if sign.isalpha()]
    if not letters:
        return 0.0
    good = sum(
        unicodedata.name(sign, "").startswith(scripts)
        and (level is None or _is_frequent(sign, *level))
        for sign in letters
    )
    kana = sum("\u3041" <= sign <= "\u30fe" for sign in letters) if "HIRAGANA" in scripts else 0
    # Pairs of Western letters read as one sign, a capital letter after a small one: misread.
    mixed = len(re.findall(r"(?<=[A-Za-z])[^\W\d_a-zA-Z]|[^\W\d_a-zA-Z](?=[a-z])", text))
    mixed += len(_FINAL_WITHIN.findall(text))
    turned = sum(one.islower() and other.isupper() for one, other in pairwise(text))
    odd = sum(unicodedata.category(sign) in ("So", "Cc") for sign in beyond)
    half_width = sum("\uff61" <= sign <= "\uff9f" for sign in letters)
    bonus = 0.05 if scripts in (("HANGUL",), ("HEBREW",)) or 5 * kana > len(letters) else 0.0
    return max(0.0, good - 2 * (mixed + turned + odd) - half_width) / len(letters) + bonus


def _is_frequent(sign: str, encoding: str, first: int, last: int) -> bool:
    try:
        code = sign.encode(encoding)
        return first <= code[0] <= last and len(code) == 2  # more: composed of parts
    except UnicodeEncodeError:
        return False


def _utf16(data: bytes) -> str | None:
    """UTF-16 without a mark: in one of the two byte orders it reads as text, in any script."""
    found: list[tuple[float, str]] = []
    for encoding in ("utf-16-le", "utf-16-be"):
        text = _strict(data[: _SAMPLE & ~1], encoding) if len(data) % 2 == 0 else None
        if not text:
            continue
        fitting = sum(
            sign in "\r\n\t" or unicodedata.category(sign)[0] in "LMNPZS" for sign in text
        )
        blocks = len({ord(sign) >> 8 for sign in text})
        found.append((fitting / len(text) - blocks / (4 * len(text) + 256), encoding))
    if not found or max(found)[0] < _FITTING - 0.25:
        return None
    text = _strict(data, max(found)[1])
    share = sum(one in "\r\n\t" or unicodedata.category(one)[0] in "LMNPZS" for one in text or "")
    return text if text and share >= _FITTING * len(text) else None
