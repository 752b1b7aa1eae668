"""What the rules find in one text unit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphrag.indexing.extraction.rules import RuleFindings, extract
from graphrag.text import normalise, sentences


def found(text: str, *, title: str = "", headings: tuple[str, ...] = (), language: str = "en"):
    return extract(text, title=title, headings=headings, language=language)


def names(extraction: RuleFindings, *kinds: str) -> list[object]:
    return [
        entity["name"] for entity in extraction.entities if not kinds or entity["kind"] in kinds
    ]


def entity(extraction: RuleFindings, name: str) -> dict[str, object]:
    return next(item for item in extraction.entities if item["name"] == name)


def pairs(extraction: RuleFindings) -> set[tuple[object, object]]:
    return {(item["source"], item["target"]) for item in extraction.relationships}


def test_names_with_links_initials_numerals_and_possessives() -> None:
    text = (
        "We met Ludwig van Beethoven, P. W. Botha and Frederick II of Prussia at the University "
        "of Oxford. The Apollo 11 crew read the Thirty Years' War and Doyle's Sherlock Holmes; "
        "King's College lent it to William I, Prince of Orange."
    )
    assert names(found(text), "name") == [
        "Ludwig van Beethoven",
        "P. W. Botha",
        "Frederick II of Prussia",
        "University of Oxford",
        "Apollo 11",
        "Thirty Years' War",
        "Doyle",
        "Sherlock Holmes",
        "King's College",
        "William I",
        "Prince of Orange",
    ]


def test_a_word_that_opens_a_sentence_or_a_quotation_is_no_name_by_itself() -> None:
    text = (
        "Then Watson rose. Holmes laughed. Marriage is one thing, a marriage feast another. "
        '"Capital!" said Watson. I saw Holmes.'
    )
    extraction = found(text)
    assert names(extraction, "name") == ["Watson", "Holmes"]
    assert "Marriage" not in names(extraction)
    assert entity(extraction, "Capital")["kind"] == "hint"
    assert entity(extraction, "Holmes")["sentences"] == [1, 4]


@pytest.mark.parametrize(
    "word", ["I", "January", "Monday", "Chapter", "IV", "Mr", "Yes", "Inspector"]
)
def test_pronouns_months_days_labels_and_bare_honorifics_are_no_names(word: str) -> None:
    assert names(found(f"It was so, {word} thought."), "name", "phrase") == []


def test_capitals_throughout_say_nothing() -> None:
    assert names(found("THE SPECKLED BAND\n\nIt was early in April."), "name") == []


def test_an_abbreviation_is_an_alias_of_the_name_it_abbreviates() -> None:
    text = (
        "The National Aeronautics and Space Administration (NASA) funds retrieval augmented "
        "generation (RAG)."
    )
    extraction = found(text)
    assert entity(extraction, "National Aeronautics and Space Administration")["aliases"] == [
        "NASA"
    ]
    assert entity(extraction, "retrieval augmented generation")["aliases"] == ["RAG"]
    assert "Space Administration" not in names(extraction)


def test_an_honorific_is_part_of_an_alias_but_a_wife_is_not_her_husband() -> None:
    text = (
        "I saw Dr. Watson and Mr. Sherlock Holmes. So Watson left with Mrs. Henry Baker and "
        "Miss Turner. I like Turner."
    )
    extraction = found(text)
    assert entity(extraction, "Dr. Watson")["aliases"] == ["Watson"]
    assert entity(extraction, "Sherlock Holmes")["aliases"] == ["Mr. Sherlock Holmes"]
    assert "aliases" not in entity(extraction, "Mrs. Henry Baker")
    assert "aliases" not in entity(extraction, "Miss Turner")


def test_types_are_guessed_only_where_words_tell() -> None:
    text = (
        "Ada Moor (born 1815) met Dr. Watson near Baker Street after the Crimean War. She worked "
        "for Acme Ltd and the Bank of England in 1869, in Lyon."
    )
    extraction = found(text)
    types = {str(item["name"]): item["type"] for item in extraction.entities}
    assert types["Ada Moor"] == types["Dr. Watson"] == "person"
    assert types["Baker Street"] == "location"
    assert types["Crimean War"] == "event"
    assert types["Acme Ltd"] == types["Bank of England"] == "organization"
    assert "1869" not in types
    assert types["Lyon"] == "name"


def test_dates_numbers_and_abbreviations_are_nothing() -> None:
    extraction = found("In 1887 she paid $1000 for 1,500 eggs, z.B. 42 hens and 2024-05-01 papers.")
    assert names(extraction, "name") == []


def test_addresses_and_pictures_hold_no_names() -> None:
    extraction = found(
        "So she saw ![Image 3: Lyon](https://a.example/X%7D&bg) and [Ada Moor](Some/File.html). "
        "So it is at https://a.example/Paris_Big?q=%3A and www.Example.org, said Bob Ray."
    )
    assert names(extraction, "name") == ["Ada Moor", "Bob Ray"]


def test_the_title_is_an_entity_even_when_the_text_does_not_repeat_it() -> None:
    assert entity(found("Nothing here.", title="Blue Moon"), "Blue Moon") == {
        "name": "Blue Moon",
        "type": "name",
        "description": "",
        "sentences": [],
        "kind": "title",
    }


def test_the_title_is_one_name_in_its_text_with_and_without_its_parenthesis() -> None:
    extraction = found(
        "Beauty and the Beast is a film. Ann Lee saw beauty and the beast.",
        title="Beauty and the Beast (film)",
    )
    assert names(extraction, "title", "name") == [
        "Beauty and the Beast (film)",
        "Beauty and the Beast",
        "Ann Lee",
    ]
    assert entity(extraction, "Beauty and the Beast (film)")["sentences"] == [0, 1]
    assert ("Ann Lee", "Beauty and the Beast (film)") in pairs(extraction)


@pytest.mark.parametrize("title", ["saltgate", "Saltgate", "saltgate bridge", "17"])
def test_a_title_does_not_cut_a_longer_name(title: str) -> None:
    text = (
        "The Saltgate Bridge\n\nSaltgate Bridge stands at Aske. The Saltgate Bridge Company built "
        "the Saltgate Bridge and the Old Saltgate Bridge."
    )
    assert (
        names(found(text, title=title), "name")
        == [
            "Saltgate Bridge",
            "Aske",
            "Saltgate Bridge Company",
            "Old Saltgate Bridge",
        ][title == "saltgate bridge" :]
    )


def test_a_title_stands_alone_in_its_line_and_after_a_word_that_opens_a_sentence() -> None:
    text = "Saltgate\nBridges of Saltgate. Later Saltgate grew. The West Saltgate of today."
    extraction = found(text, title="Saltgate")
    assert entity(extraction, "Saltgate")["sentences"] == [0, 1]
    assert "West Saltgate" in names(extraction, "name")


def test_the_last_heading_is_an_entity_unless_it_only_labels_a_part() -> None:
    text = "Some words."
    assert names(found(text, headings=("Guide", "3.2 Solar panels"))) == ["Solar panels"]
    for heading in ("Introduction", "Chapter 4", "IV", "2.1", "See also"):
        assert names(found(text, headings=(heading,))) == []


def test_phrases_are_runs_of_two_or_three_content_words() -> None:
    text = "The opium den was closed, for the paper money of the state was quickly taken away."
    assert names(found(text), "phrase") == ["opium den", "paper money"]


def test_german_nouns_are_phrases_and_two_in_a_row_a_name() -> None:
    extraction = found(
        "Die Kanzlerin sprach mit Angela Merkel. Heute lief der Hund durch die Stadt.",
        language="de",
    )
    assert "Hund" in names(extraction, "phrase")
    assert "Stadt" in names(extraction, "phrase")
    assert names(extraction, "name") == ["Angela Merkel"]


@pytest.mark.parametrize(
    ("language", "text", "name"),
    [
        ("zh", "张三丰是武当派的创始人。武当派位于湖北省。张三丰见面。", "武当派"),
        ("ja", "東京タワーは港区にある。東京タワーの高さは高い。", "東京タワー"),
        ("ko", "세종대왕은 한글을 만들었다. 세종대왕의 아버지는 태종이다.", "세종대왕"),
        ("ar", "القاهرة هي عاصمة مصر. تقع القاهرة على نهر النيل.", "القاهرة"),
        ("ru", "Роман написал Лев Толстой. Он жил.", "Лев Толстой"),
    ],
)
def test_other_scripts_have_names_too(language: str, text: str, name: str) -> None:
    assert name in names(found(text, language=language), "name")


def test_relationships_count_the_sentences_that_two_names_share() -> None:
    extraction = found(
        "Here Ann Lee met Bob Ray. Later that day Bob Ray saw Ann Lee. So Cy Fox met Bob Ray."
    )
    together = next(
        item
        for item in extraction.relationships
        if (item["source"], item["target"]) == ("Ann Lee", "Bob Ray")
    )
    assert together["strength"] == 2
    assert together["sentences"] == [0, 1]
    assert together["type"] == "co-occurs"
    assert ("Ann Lee", "Cy Fox") not in pairs(extraction)


def test_a_list_of_names_gives_neighbours_not_all_pairs() -> None:
    text = "He met " + ", ".join(f"Ann Lee{letter}" for letter in "abcdefghijklmnopqrst") + "."
    extraction = found(text)
    assert len(names(extraction, "name")) == 20
    assert len(extraction.relationships) == 4 * 20 - (4 + 3 + 2 + 1)


def test_emphasis_by_underscores_is_no_part_of_a_name() -> None:
    assert names(found("They read the _Rise of Rome_ today."), "name") == ["Rise of Rome"]


@given(
    text=st.text(max_size=300),
    title=st.text(max_size=30),
    language=st.sampled_from(["en", "de", "zh", "und", "xx"]),
)
def test_any_text_gives_evidence_that_holds_together(text: str, title: str, language: str) -> None:
    extraction = found(text, title=title, headings=(title,), language=language)
    assert extraction == found(text, title=title, headings=(title,), language=language)
    assert json.loads(json.dumps(extraction.entities)) == extraction.entities
    listed = [normalise(str(item["name"])) for item in extraction.entities]
    assert all(listed)
    assert len(set(listed)) == len(listed)
    n_sentences = len(sentences(text))
    for item in [*extraction.entities, *extraction.relationships]:
        ordinals = cast(list[int], item["sentences"])
        assert ordinals == sorted(set(ordinals))
        assert all(0 <= ordinal < n_sentences for ordinal in ordinals)
    for source, target in pairs(extraction):
        assert {normalise(str(source)), normalise(str(target))} <= set(listed)
        assert normalise(str(source)) < normalise(str(target))


@pytest.mark.data
def test_gold_titles_are_entities(test_data: Path) -> None:
    lines = (test_data / "2wiki" / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    known: set[str] = set()
    for line in lines:
        passage = cast(dict[str, str], json.loads(line))
        for item in found(passage["text"], title=passage["title"]).entities:
            known.add(normalise(str(item["name"])))
    questions = (test_data / "2wiki" / "questions.jsonl").read_text(encoding="utf-8")
    gold = {
        normalise(title)
        for line in questions.splitlines()
        for title in cast(dict[str, list[str]], json.loads(line))["gold_titles"]
    }
    assert len(gold & known) >= 0.95 * len(gold)
