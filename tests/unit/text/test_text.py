from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphrag.text import (
    detect_language,
    is_stop_word,
    normalise,
    sentences,
    terms,
    without_ending,
    words,
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Sherlock Holmes", "sherlock holmes"),
        ("  SHERLOCK\n holmes's ", "sherlock holmes"),
        ("Holmes’s", "holmes"),
        ("O'Brien", "o brien"),
        ("Jean-Luc", "jean luc"),
        ("AT&T", "at t"),
        ("C", "c"),
        ("C++", "c++"),
        ("C#", "c#"),
        ("#1 hit", "1 hit"),
        ("Ｆｕｌｌ　Ｗｉｄｔｈ", "full width"),
        ("Straße", "strasse"),
        ("Cafe\u0301", "café"),
        ("हिन्दी", "हिन्दी"),
        ("東京", "東京"),
        ("!!!", "!!!"),
        ("", ""),
    ],
)
def test_normalise(name: str, expected: str) -> None:
    assert normalise(name) == expected


@settings(deadline=None)
@given(st.text())
def test_a_normalised_name_is_its_own_normal_form(name: str) -> None:
    once = normalise(name)
    assert bool(once) == bool(name.strip())
    assert "  " not in once
    assert once == once.strip()


@settings(deadline=None)
@given(st.text(st.sampled_from("aZ09sS_'+#.- \t\n\x1c~")))
def test_ascii_names_are_normalised_as_their_wide_twins(name: str) -> None:
    wide = name.translate({code: code + 0xFEE0 for code in range(0x21, 0x7F)})
    assert normalise(name) == normalise(wide)


@pytest.mark.parametrize("pair", [("C", "C++"), ("C", "C#"), ("Iron Man", "Ironman")])
def test_different_names_stay_different(pair: tuple[str, str]) -> None:
    assert normalise(pair[0]) != normalise(pair[1])


def test_words_keep_case_and_split_off_the_possessive() -> None:
    assert words("Holmes's dog didn’t eat; the O'Brien brothers' max_tokens (3.5)!") == [
        "Holmes", "dog", "didn’t", "eat", "the", "O'Brien", "brothers", "max", "tokens", "3", "5",
    ]  # fmt: skip


def test_words_of_scripts_with_combining_marks_stay_whole() -> None:
    assert words("हिन्दी भाषा। cafe\u0301") == ["हिन्दी", "भाषा", "cafe\u0301"]


def test_english_terms_are_stemmed_and_free_of_stop_words() -> None:
    question = "Who was running the companies that Dr. Watson's friends didn't visit?"
    assert terms(question) == ["run", "compani", "dr", "watson", "friend", "visit"]


def test_terms_meet_across_case_accents_and_width() -> None:
    assert terms("RÉSUMÉS Résumé resumes ｒｅｓｕｍｅ") == ["resum"] * 4


def test_abbreviations_that_look_like_stop_words_are_terms() -> None:
    assert terms("the US told us") == ["us", "told"]
    assert terms("WHO experts, who knows") == ["who", "expert", "know"]


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("de", "Die Häuser an der großen Straße", ["haus", "gross", "strass"]),
        ("fr", "les sociétés de l'homme", ["societ", "homm"]),
        ("es", "¿Dónde están las canciones?", ["cancion"]),
        ("ru", "новые дома", ["нов", "дом"]),
        ("und", "the houses", ["the", "houses"]),
        ("xx", "the houses", ["the", "houses"]),
    ],
)
def test_terms_of_a_language(language: str, text: str, expected: list[str]) -> None:
    assert terms(text, language) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("東京都は 本 です", ["東京", "京都", "都は", "本", "です"]),
        ("한국어를", ["한국", "국어"]),
        ("GPT模型 v2", ["gpt", "模型", "v2"]),
    ],
)
def test_scripts_without_spaces_become_bigrams(text: str, expected: list[str]) -> None:
    assert terms(text, "zh") == expected


@pytest.mark.parametrize(
    "word",
    ["what", "Who", "WHICH", "when", "where", "How", "why", "does", "isn't", "don’t", "you're"],
)
def test_question_words_are_stop_words(word: str) -> None:
    assert is_stop_word(word)


@pytest.mark.parametrize("word", ["company", "US", "Holmes", "O'Brien", "can-opener"])
def test_words_that_carry_meaning(word: str) -> None:
    assert not is_stop_word(word)


def test_stop_words_depend_on_the_language() -> None:
    assert is_stop_word("und", "de")
    assert not is_stop_word("und", "en")
    assert not is_stop_word("and", "ja")


def test_terms_are_the_same_from_many_threads() -> None:
    endings = ("ing", "ed", "ations", "ers", "ational", "iveness", "fulness", "izing")
    texts = [
        " ".join(f"{stem}{number}{ending}" for ending in endings)
        for stem in ("walk", "connect", "general")
        for number in ("a", "o", "u", "i", "e")
        for _ in range(4)
    ]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(terms, texts))
    assert together == [terms(text) for text in texts]
    assert terms("walkaations") == ["walkaat"]


def split(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("Mr. Holmes met Dr. Watson. They left.", ["Mr. Holmes met Dr. Watson.", "They left."]),
        ("J. R. R. Tolkien wrote it. Yes.", ["J. R. R. Tolkien wrote it.", "Yes."]),
        ("The U.S. Army left the U.S. The end.", ["The U.S. Army left the U.S.", "The end."]),
        ("Acme Inc. bought it. He won.", ["Acme Inc. bought it.", "He won."]),
        ("It is 3.14 at example.com now. Ok.", ["It is 3.14 at example.com now.", "Ok."]),
        ("In 1999. Then, e.g. Paul.", ["In 1999.", "Then, e.g. Paul."]),
        ("See Fig. 3 and No. 5. No. Never.", ["See Fig. 3 and No. 5.", "No.", "Never."]),
        ('"Why?" he asked. "So." He left.', ['"Why?" he asked.', '"So."', "He left."]),
        ("Well... maybe. (It was.) Done.", ["Well... maybe.", "(It was.)", "Done."]),
        ("wrapped\nlines. next", ["wrapped\nlines. next"]),
        ("Title\n\nbody text", ["Title", "body text"]),
        (
            "# Head\nText one\n- a\n- b\n1. Go. On",
            ["# Head", "Text one", "- a", "- b", "1. Go.", "On"],
        ),
        ("| a | b |\n|---|---|\n| 1 | 2 |", ["| a | b |", "|---|---|", "| 1 | 2 |"]),
        ("東京です。「本当？」はい！", ["東京です。", "「本当？」", "はい！"]),
        ("यह है। वह है।", ["यह है।", "वह है।"]),
        ("a\r\n\r\nb", ["a", "b"]),
        ("", []),
        (" \n ", []),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert split(text) == expected


def test_a_long_span_without_punctuation_is_broken_at_its_lines() -> None:
    log = "\n".join(f"entry {number} of the log went well" for number in range(100))
    assert split(log) == log.split("\n")


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("aB1. \n!?\"'()#-|。、é\u00a0\u2028\t"), max_size=300))
def test_sentences_cover_all_but_white_space_and_never_overlap(text: str) -> None:
    at = 0
    for start, end in sentences(text):
        assert text[at:start].strip() == ""
        assert text[start:end] == text[start:end].strip() != ""
        at = end
    assert text[at:].strip() == ""


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


def test_english_loads_no_language_model_and_importing_loads_nothing_heavy() -> None:
    code = (
        "import sys; import graphrag.text as t; heavy = {'numpy', 'polars', 'py3langid',"
        "'Stemmer'}; print(heavy & set(sys.modules));"
        "print(t.detect_language('It was the best of times, and it was the worst of times. ' * 3),"
        "'py3langid' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["set()", "en False"]


@pytest.mark.parametrize(
    ("word", "bare"),
    [
        ("검류계를", "검류계"),
        ("만들었는가", "만들"),
        ("설계한", "설계"),
        ("대학교에서", "대학교"),
        ("그레이트이스턴호였다", "그레이트이스턴호"),
        ("누구인가", "누구"),
        ("나는", "나는"),  # two syllables stay
        ("cable은", "cable은"),
        ("ships", "ships"),
    ],
)
def test_korean_words_go_without_their_endings(word: str, bare: str) -> None:
    assert without_ending(word) == bare


def test_korean_and_arabic_have_stop_words() -> None:
    assert terms("그것은 누구인가", "ko") == []
    assert terms("거울은 누가 만들었는가", "ko") == ["거울", "만들"]
    assert is_stop_word("لماذا", "ar")
    assert terms("لماذا صمت الكابل", "ar") == terms("صمت الكابل", "ar") != []


@given(st.text(alphabet="abS sS'1_-\n", max_size=30))
def test_words_of_ascii_text_are_those_of_any_other(text: str) -> None:
    assert words(f"{text} é") == [*words(text), "é"]
