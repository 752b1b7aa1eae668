"""Name the words by which questions count, in English and German: closed classes, no vocabulary.

What a question is about (types, relations, attributes, names) comes from the graph. Here are only
words that ask, order, negate, join and compare, as tags that `rules` puts together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from graphrag.text import words as words_of

Tag: TypeAlias = Literal[
    "count", "list", "total", "most", "fewest", "max", "min", "more", "fewer", "per", "no", "nor",
    "both", "and", "or", "but", "by", "than", "top", "<", "<=", ">", ">=", "between", "in",
    "that", "has", "filler", "comma", "unread",
]  # fmt: skip
Language: TypeAlias = Literal["en", "de"]

_EN: Mapping[Tag, str] = {
    "count": "how many|the number of|number of|what number of|count",
    "list": "list|which|what|who|show|name|give|find",
    "total": "the total|total|in total|sum of|the sum|sum|altogether|combined|together",
    "most": "the most|most|the largest number of|the highest number of",
    "fewest": "the fewest|fewest|the least|the smallest number of|the lowest number of",
    "max": "greatest|highest|maximum",
    "min": "lowest|minimum",
    "more": "more",
    "fewer": "fewer|less",
    "per": "per|for each|for every|in each|of each|by each|each|every|grouped by|broken down by",
    "no": "no|not|without|never|neither",
    "nor": "nor|and neither|or not",
    "both": "both",
    "and": "and|as well as|and also",
    "or": "or",
    "unread": "only|just|once|own|other|others|same|few|such|against|except|else|merely",
    "but": "but",
    "by": "by",
    "than": "than",
    "top": "top|the top|the first",
    ">": "more than|over|above|greater than|later than|after|exceeding",
    ">=": "at least|since|from|no fewer than|no less than",
    "<": "less than|fewer than|under|below|before|earlier than",
    "<=": "at most|until|up to|no more than",
    "between": "between",
    "in": "in|during|of|exactly",
    "that": "that|who|whose",
    "has": "have|has|had|with|having|known",
    "filler": "all|there|exist|exists|documents|document|mentioned|named|please|different"
    "|distinct|the|a|an|me|tell|collection|graph|altogether",
}  # fmt: skip
_DE: Mapping[Tag, str] = {
    "count": "wie viele|wieviele|wie viel|die anzahl der|die anzahl|anzahl der|anzahl|zähle",
    "list": "liste|nenne|zeige|welche|welcher|welches|welchen|welchem|was|wer|finde",
    "total": "insgesamt|die summe der|summe der|summe|gesamte|gesamt|zusammen",
    "most": "die meisten|am meisten|meisten",
    "fewest": "die wenigsten|am wenigsten|wenigsten",
    "max": "höchste|höchsten|höchster|höchstes|maximale",
    "min": "niedrigste|niedrigsten|geringste|geringsten|minimale",
    "more": "mehr",
    "fewer": "weniger",
    "per": "pro|je|für jede|für jeden|für jedes|jede|jeder|jedes|jedem|jeden|nach",
    "no": "kein|keine|keinen|keinem|keiner|nicht|ohne|nie|niemals|weder",
    "nor": "noch",
    "unread": "nur|bloß|einmal|andere|anderen|anderer|anderes|gleichen|gegen|außer|sondern|wieder"
    "|wenige|solche",
    "both": "sowohl",
    "and": "und|als auch|sowie",
    "or": "oder",
    "but": "aber",
    "by": "von|vom|durch",
    "than": "als",
    "top": "top|die ersten",
    ">": "mehr als|über|nach|größer als|später als",
    ">=": "mindestens|seit|ab",
    "<": "weniger als|unter|vor|kleiner als|früher als",
    "<=": "höchstens|bis",
    "between": "zwischen",
    "in": "im|in|während|genau",
    "that": "die|der|das|deren|dessen",
    "has": "haben|hat|hatte|hatten|mit|besitzen|besitzt|bekannt|bekannte|bekannter",
    "filler": "alle|allen|aller|es|gibt|existieren|dokumente|dokumenten|erwähnt|genannt|bitte"
    "|verschiedene|den|dem|ein|eine|einen|einer|mir|auf|dort",
}  # fmt: skip
# What an adjective measures: beginnings of the names of attributes. Its first letters are enough,
# the endings are those of comparison. "+" is more of it, "-" less.
_ADJECTIVES: Mapping[Language, str] = {
    "en": "long+length short-length high+height tall+height deep+depth wid+width broad+width "
    "heav+weight light-weight fast+speed slow-speed old-date new+date young+date early-date "
    "lat+date big+size larg+size small-size expensive+price cheap-price",
    "de": "läng+läng lang+läng kürz-läng kurz-läng höher+höh höch+höh tief+tief breit+breit "
    "schwer+gewicht leicht-gewicht schnell+geschwindigkeit langsam-geschwindigkeit ält-date "
    "neu+date jüng+date früh-date spät+date größ+größ groß+größ klein-größ teuer+preis "
    "billig-preis",
}
_ENDINGS: Mapping[Language, tuple[tuple[str, ...], tuple[str, ...]]] = {  # comparative, superlative
    "en": (("er", "ier"), ("est", "iest")),
    "de": (("er",), ("ste", "sten", "ster", "stes", "este", "esten", "ester", "estes")),
}
_NUMBERS: Mapping[Language, str] = {
    "en": "one two three four five six seven eight nine ten eleven twelve",
    "de": "ein|eins|eine|einen zwei drei vier fünf sechs sieben acht neun zehn elf zwölf",
}
_TAGS: Mapping[Language, Mapping[Tag, str]] = {"en": _EN, "de": _DE}
ASKING = ("count", "list", "total")
COUNTING = ("count", "total", "most", "fewest", "max", "min", "per", "both")
LISTING = ("list", "name", "liste", "nenne", "zeige", "show")  # "which" asks for facts, too


@dataclass(frozen=True, slots=True)
class Degree:
    """ "longest": what is compared, whether most of it is meant, whether it is a superlative."""

    measures: str  # how the attribute's name begins; "date" for any that is a date
    more: bool
    superlative: bool


def may_count(text: str) -> bool:
    """Whether `text` has a word by which questions count, before the graph is read for it."""
    words = tuple(word.lower() for word in words_of(text))
    language = language_of([*words])
    phrases = [phrase for phrase, tag in tagged(language).items() if tag in COUNTING]
    said = {words[at : at + len(phrase)] for phrase in phrases for at in range(len(words))}
    degrees = (degree(word, language) for word in words)
    return bool(
        said.intersection(phrases)
        or words[:1] in {(word,) for word in LISTING}
        or any(degree and degree.superlative for degree in degrees)
    )


def begins_to_count(text: str) -> bool:
    """Whether `text` begins with "how many" or "list all"."""
    words = tuple(word.lower() for word in words_of(text))
    tags = tagged(language_of([*words]))
    starts = (words[:length] for length in (1, 2, 3))
    return words[:1] in {(word,) for word in LISTING} or any(
        tags.get(start) == "count" for start in starts
    )


def may_list(text: str) -> bool:
    """Whether `text` asks which or compares two: rows only where a schema declares its noun."""
    words = [word.lower() for word in words_of(text)]
    tags = tagged(language_of(words))
    said = [tags.get((word,)) for word in words]
    compares = ("more" in said or "fewer" in said) and ("than" in said or "or" in said)
    return said[:1] == ["list"] or compares


def tagged(language: Language) -> Mapping[tuple[str, ...], Tag]:
    """By words, in lower case: what they do in a question; the first tag that has them."""
    found: dict[tuple[str, ...], Tag] = {}
    for tag, phrases in _TAGS[language].items():
        for phrase in phrases.split("|"):
            found.setdefault(tuple(phrase.split()), tag)
    return found


def degree(word: str, language: Language) -> Degree | None:
    """What a comparative or superlative of a measuring adjective says."""
    for entry in _ADJECTIVES[language].split():
        head, sign, measures = entry.partition("+") if "+" in entry else entry.partition("-")
        for superlative, endings in enumerate(_ENDINGS[language]):
            if word.startswith(head) and word[len(head) :] in endings:
                return Degree(measures, sign == "+", bool(superlative))
    return None


def number(word: str, language: Language) -> int | None:
    """The number that a word is, up to twelve."""
    for value, forms in enumerate(_NUMBERS[language].split(), start=1):
        if word in forms.split("|"):
            return value
    return None


def language_of(words: list[str]) -> Language:
    """Whose question words these are."""
    german = {word for phrase in tagged("de") for word in phrase}
    english = {word for phrase in tagged("en") for word in phrase}
    said = {word.lower() for word in words}
    return "de" if len(said & german) > len(said & english) else "en"
