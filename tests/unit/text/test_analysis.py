from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphrag.text import (
    is_stop_word,
    terms,
    words,
)


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


def test_korean_and_arabic_have_stop_words() -> None:
    assert terms("그것은 누구인가", "ko") == []
    assert terms("거울은 누가 만들었는가", "ko") == ["거울", "만들"]
    assert is_stop_word("لماذا", "ar")
    assert terms("لماذا صمت الكابل", "ar") == terms("صمت الكابل", "ar") != []


@given(st.text(alphabet="abS sS'1_-\n", max_size=30))
def test_words_of_ascii_text_are_those_of_any_other(text: str) -> None:
    assert words(f"{text} é") == [*words(text), "é"]
