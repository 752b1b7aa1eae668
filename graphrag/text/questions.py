"""Tell what a question asks for, whether it is about the whole, and what it is about.

"What are the main themes across the documents?" asks for no text with the word "themes", nor does
"Summarise the history of the cable" for one with "summarise" or "history".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Literal, TypeAlias

from graphrag import text as analysis
from graphrag.text.stopwords import STOP_WORDS

ASKING = frozenset({"how", "what", "when", "where", "which", "who", "whom", "whose", "why"})
# Behind one of these stands the kind of thing that is asked for: "which river", "wie viele Inseln".
ASKING_FOR_KIND = frozenset(
    {
        "combien", "cuál", "cuánto", "cuántos", "many", "much", "qual", "quale", "quali", "quel",
        "quelle", "quelles", "quels", "qué", "welche", "welchem", "welchen", "welcher", "welches",
        "welk", "welke", "what", "which", "wieviel", "wieviele",
    }
)  # fmt: skip
Answering: TypeAlias = Literal["", "cause", "command", "date", "name", "number"]
# What a question says of the kind of its answer, the first that fits, and what such answers have.
# `said`: a word that goes without saying where there is one, as "day" does beside "2000-05-09".
_ASKED: tuple[tuple[Answering, re.Pattern[str]], ...] = (
    ("cause", re.compile(r"\b(?:why|reasons?|caused?)\b", re.I)),
    (
        "date",
        re.compile(r"\b(?:when|(?:what|which) (?P<said>day|year|date|month|time))\b", re.I),
    ),
    (
        "number",
        re.compile(
            r"\bhow (?:many|much|long|old|far|often|large|big|tall|high|deep|fast)\b"
            r"|\b(?:number|maximum|minimum|length|port|status|percent)\b",
            re.I,
        ),
    ),
    (
        "command",
        re.compile(
            r"\bhow (?:do|can|to|does|should|would)\b"
            r"|\b(?P<said>command|option|flag|setting|switch)\b",
            re.I,
        ),
    ),
    ("name", re.compile(r"\b(?:who|whom|whose|where)\b", re.I)),
)
_MONTHS = "january|february|march|april|may|june|july|august|september|october|november|december"
_COUNTED = (
    "two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|hundred"
    "|thousand|million|billion|half|dozen"
)
ANSWER_SIGNS: Mapping[Answering, re.Pattern[str]] = {
    "cause": re.compile(
        r"\b(?:because|since|reason|caused?|causes|due|therefore|so that|in order|led?)\b", re.I
    ),
    "command": re.compile(
        r"```|`[^`]+`|^\s*[$#>] |\s--?[a-z]|[a-z_]+\(|\b[A-Z]{4,}\b|/\w+/\w+", re.M
    ),
    "date": re.compile(rf"\b(?:1\d{{3}}|20\d\d|{_MONTHS})\b", re.I),
    "number": re.compile(rf"(?<![\w.-])\d[\d.,:]*(?![\w-])|\b(?:{_COUNTED})\b", re.I),
}
_CORPUS = frozenset(
    {
        "across", "archive", "collection", "corpus", "dataset", "documents", "dokumente",
        "dokumenten", "insgesamt", "overall", "sammlung", "texte", "texten", "texts",
        "documentos", "documenti",
    }
)  # fmt: skip
_THEMES = frozenset(
    {
        "gist", "hauptthemen", "motifs", "outline", "overview", "résumé", "résumer", "résumez",
        "resumen", "riassunto", "summarise", "summarize", "summary", "temas", "temi", "theme",
        "themen", "themes", "thèmes", "topic", "topics", "trends", "überblick", "zusammenfassung",
    }
)  # fmt: skip
_FILLERS = frozenset(
    {
        "about", "all", "central", "come", "comes", "common", "content", "contents", "data",
        "deal", "discussed", "general", "give", "important", "key", "main", "major", "me",
        "mentioned", "most", "often", "please", "principal", "principales", "principaux",
        "recurring", "say", "set", "short", "subject", "talk", "tell", "whole", "wichtigsten",
    }
)  # fmt: skip
# What any collection is called and holds; they name a subject only beside other words.
_GENERIC = frozenset(
    {
        "argument", "arguments", "article", "articles", "book", "books", "chapters", "characters",
        "conclusions", "conversations", "document", "episodes", "essays", "events", "file",
        "files", "findings", "happen", "happened", "happens", "history", "ideas", "insights",
        "interviews", "issues", "learn", "lessons", "letters", "life", "material", "materials",
        "messages", "news", "notes", "novel", "pages", "papers", "people", "points", "posts",
        "records", "reports", "stories", "story", "takeaways", "text", "things", "transcripts",
        "works",
    }
)  # fmt: skip

# What a request begins with, and what it may stand behind.
_REQUESTS = frozenset(
    {
        "beschreibe", "compare", "define", "describe", "discuss", "erkläre", "explain", "find",
        "give", "list", "name", "outline", "provide", "show", "summarise", "summarize", "tell",
        "vergleiche",
    }
)  # fmt: skip
_POLITE = frozenset({"can", "could", "bitte", "i", "please", "want", "will", "would", "you"})
# Kinds of answers; they only ask where "of" or the like comes behind them.
_ANSWERS = frozenset(
    {
        "bedeutung", "definition", "explanation", "description", "geschichte", "gist", "history",
        "histoire", "historia", "importance", "life", "list", "meaning", "outline", "overview",
        "purpose", "résumé", "role", "rolle", "significance", "story", "summary", "überblick",
        "zusammenfassung",
    }
)  # fmt: skip
_OF = frozenset({"about", "behind", "de", "des", "did", "does", "du", "of", "über", "von"})


_COURTESIES = frozenset(
    {
        "bye", "cheers", "cool", "danke", "fine", "goodbye", "gracias", "grazie", "great", "hallo",
        "hello", "hey", "hi", "lot", "merci", "nice", "obrigada", "obrigado", "ok", "okay",
        "perfect", "sorry", "thank", "thanks", "thx",
    }
)  # fmt: skip
_RELATIVE = frozenset({"cui", "dont", "that", "which", "who", "whom", "whose"})
# "Anna's father", but not "Heart's Content": what is owned is written as a common noun.
_OWNED = re.compile(
    r"\b(?!(?i:what|who|where|when|how|why|it|that|there|here|he|she|let)['’])[\w-]+['’]s?\s+"
    r"[^\W\d_A-Z][\w-]+"
)
_OF_OF = re.compile(r"\bof\s+(?:[\w'’-]+\s+){1,3}of\b")
# Somebody by a part played: "the inventor of ...". Asked for itself, it is one thing.
_ROLE_OF = re.compile(
    r"\b[\w-]*(?:er|or|ist|ian|ant|man|woman|ess|child|son|wife|spouse|widow|parent)s?\s+of\b"
)
_ONLY_ROLE = re.compile(r"\W*(?:who|what)\s+(?:is|was|are|were)\s+(?:the\s+)?[\w-]+\s+of\b", re.I)


# What lacks one of these lacks nothing that is worth telling.
PRONOUNS = frozenset(
    {
        "anybody", "anyone", "anything", "everybody", "everyone", "everything", "nobody", "nothing",
        "somebody", "someone", "something",
    }
)  # fmt: skip
# An answer says what each is, and seldom that they differ.
_COMPARING = re.compile(
    r"\b(?:differences?(?=\s+between)|differ(?:s|ent)?(?=\s+from)|compares?(?=\s+(?:to|with))"
    r"|distinguish(?:es)?|versus|vs)\b",
    re.I,
)
# Korean sets endings behind these; Turkish has no list of stop words.
_KOREAN = (
    "누구",
    "누가",
    "언제",
    "어디",
    "무엇",
    "무슨",
    "어느",
    "어떤",
    "어떻게",
    "얼마",
    "몇",
    "왜",
)
_TURKISH = frozenset(
    {
        "hangi", "hangisi", "kaç", "kim", "kimdir", "kimin", "mi", "mı", "mu", "mü", "nasıl", "ne",
        "neden", "nedir", "nerede", "nereden", "nereye", "niçin", "zaman", "zamandır",
    }
)  # fmt: skip


def asking_words(text: str, language: str = "en") -> list[str]:
    """The words of `text` that say what kind of answer is wanted, not about what."""
    words = [word.casefold() for word in analysis.words(text)]
    begin = next((at for at, word in enumerate(words) if word not in _POLITE), 0)
    found = [word for word in words[begin : begin + 1] if word in _REQUESTS]
    found += [word for word, following in pairwise(words) if word in _ANSWERS and following in _OF]
    found += [word for word in words if word.startswith(_KOREAN)]
    found += _COMPARING.findall(text)
    if language in ("tr", "und"):
        found += [word for word in words if word in _TURKISH]
    if "role" in found:
        found += [word for word in words if word in ("play", "played")]
    return found


def answer_kind(text: str) -> tuple[Answering, str]:
    """What kind of answer is asked for, if the question says so, and the word that only says it."""
    for kind, asked in _ASKED:
        if match := asked.search(text):
            return kind, match.groupdict().get("said") or ""
    return "", ""


def is_broad(text: str) -> Literal["", "corpus", "themes"]:
    """Whether a question is about the whole: it speaks of the collection, or of main themes."""
    told = analysis.normalise(text).split() if text.strip() else []
    spoken = set(told)
    if any(word in _CORPUS and _is_whole(before) for before, word in pairwise(["", *told])):
        return "corpus"
    if not _THEMES.isdisjoint(spoken):
        return "themes"
    asks_for_all = not spoken.isdisjoint(_FILLERS | _GENERIC)
    return "corpus" if asks_for_all and not subject(text) else ""


def _is_whole(before: str) -> bool:
    """Whether what stands behind the word `before` is the collection: no "Debian archive" is."""
    is_small = any(before in some for some in STOP_WORDS.values())
    return not before or is_small or before in _FILLERS | _THEMES | _GENERIC


def subject(text: str, language: str = "en") -> str:
    """The words of `text` that say what it is about; none in "What are the main themes?"."""
    found = [
        word
        for word in analysis.words(text)
        if word.casefold() not in _CORPUS | _THEMES | _FILLERS
        and not analysis.is_stop_word(word)
        and not analysis.is_stop_word(word, language)
    ]
    # "The main themes in the history of the cable" are in texts that need not say "history".
    themes = any(word.casefold() in _THEMES for word in analysis.words(text))
    if themes or all(word.casefold() in _GENERIC for word in found):
        found = [word for word in found if word.casefold() not in _GENERIC]
    return " ".join(found)


def asks_nothing(text: str) -> bool:
    """Whether it only thanks or greets: "ok, thank you very much"."""
    spoken = {word.casefold() for word in analysis.words(text)}
    rest = spoken - _COURTESIES
    return rest != spoken and all(map(analysis.is_stop_word, rest)) and rest.isdisjoint(ASKING)


def hops(text: str) -> str:
    """How the question leads from one thing to another; empty when it does not."""
    spoken = [word.casefold() for word in analysis.words(text)]
    asking = next((at for at, word in enumerate(spoken) if word in ASKING), 0)
    if any(word in _RELATIVE for word in spoken[asking + 1 :]):
        return "the question describes what it asks about by another clause"
    if _OWNED.search(text):
        return "the question asks about what belongs to somebody or something else"
    if _OF_OF.search(text) or (_ROLE_OF.search(text) and not _ONLY_ROLE.match(text)):
        return "the question names somebody or something by what it belongs to"
    return ""
