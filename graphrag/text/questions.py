"""Tell what a question asks for, whether it is about the whole, and what it is about.

"What are the main themes across the documents?" asks for no text with the word "themes", nor does
"Summarise the history of the cable" for one with "summarise" or "history".
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from graphrag import text as analysis

ASKING = frozenset({"how", "what", "when", "where", "which", "who", "whom", "whose", "why"})
# Behind one of these stands the kind of thing that is asked for: "which river", "wie viele Inseln".
ASKING_FOR_KIND = frozenset(
    {
        "combien", "cuál", "cuánto", "cuántos", "many", "much", "qual", "quale", "quali", "quel",
        "quelle", "quelles", "quels", "qué", "welche", "welchem", "welchen", "welcher", "welches",
        "welk", "welke", "what", "which", "wieviel", "wieviele",
    }
)  # fmt: skip
_CAUSE = frozenset({"cause", "caused", "causes", "reason", "reasons", "why"})
_NUMBER = frozenset({"date", "long", "many", "much", "when", "year"})
_NAME = frozenset({"where", "which", "who", "whom", "whose"})
_CORPUS = frozenset(
    {
        "across", "archive", "collection", "corpus", "dataset", "documents", "dokumente",
        "dokumenten", "everything", "insgesamt", "overall", "sammlung", "texte", "texten", "texts",
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


def asking_words(text: str) -> list[str]:
    """The words of `text` that say what kind of answer is wanted, not about what."""
    words = [word.casefold() for word in analysis.words(text)]
    begin = next((at for at, word in enumerate(words) if word not in _POLITE), 0)
    found = [word for word in words[begin : begin + 1] if word in _REQUESTS]
    found += [word for word, following in pairwise(words) if word in _ANSWERS and following in _OF]
    if "role" in found:
        found += [word for word in words if word in ("play", "played")]
    return found


def answer_kind(text: str) -> Literal["", "cause", "name", "number"]:
    """The kind of word that the answer must have, as far as the question says."""
    spoken = [word.casefold() for word in analysis.words(text)]
    if not _CAUSE.isdisjoint(spoken):
        return "cause"
    if not _NUMBER.isdisjoint(spoken):
        return "number"
    return "" if _NAME.isdisjoint(spoken) else "name"


def is_broad(text: str) -> Literal["", "corpus", "themes"]:
    """Whether a question is about the whole: it speaks of the collection, or of main themes."""
    spoken = set(analysis.normalise(text).split()) if text.strip() else set[str]()
    if not _CORPUS.isdisjoint(spoken):
        return "corpus"
    if not _THEMES.isdisjoint(spoken):
        return "themes"
    asks_for_all = not spoken.isdisjoint(_FILLERS | _GENERIC)
    return "corpus" if asks_for_all and not subject(text) else ""


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
