"""The labelled folder in; documents, and questions with their gold documents, out.

2wiki has gold passages. Prose and talk have none: there a question is half of the words of a
sentence, in order, and its gold the passage with that sentence; or of two sentences of a file.
"""

from __future__ import annotations

import functools
import json
import random
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

from bench.report import data
from graphrag import Document
from graphrag import text as analysis

PASSAGE_WORDS = 120
DILUTING_WORDS = 80
MIN_WORDS = 10  # of a sentence that a question is made from
MIN_TURN = 12  # words of what one speaker says
EPISODES = 10

_PART = re.compile(r"input/(.*)-part(\d+)\.txt$")
_SPEAKER = re.compile(r"\n(?=[A-Z][A-Z .]+:)")


@dataclass(frozen=True, slots=True)
class Labelled:
    text: str
    gold: frozenset[str]  # sources of documents


@dataclass(frozen=True, slots=True)
class Corpus:
    name: str
    documents: list[Document]
    questions: list[Labelled]


def wiki(*, titles: bool) -> Corpus:
    """Encyclopedic passages and multi-hop questions; without titles they are called p0, p1, …"""
    rows = [json.loads(line) for line in _lines("2wiki", "corpus.jsonl")]
    asked = [json.loads(line) for line in _lines("2wiki", "questions.jsonl")]
    documents = [
        Document(source=row["title"], title=row["title"] if titles else f"p{n}", text=row["text"])
        for n, row in enumerate(rows)
    ]
    questions = [Labelled(row["question"], frozenset(row["gold_titles"])) for row in asked]
    name = "2wiki" if titles else "2wiki, titles removed"
    return Corpus(name, documents, questions)


def diluted(corpus: Corpus, *, passages: int) -> Corpus:
    """`corpus` among short passages of novels and interviews, so that there are so many."""
    short = functools.partial(_passages, words=DILUTING_WORDS)
    talk = [
        Document(source=f"{name}/{n}", text=text)
        for name, episode in _episodes(limit=None).items()
        for n, text in enumerate(short(episode))
    ]
    others = [*prose(words=DILUTING_WORDS), *talk][: passages - len(corpus.documents)]
    documents = [*corpus.documents, *others]
    return Corpus(f"{corpus.name}, in {len(documents)}", documents, corpus.questions)


def prose(*, words: int = PASSAGE_WORDS) -> list[Document]:
    """Novels, in passages."""
    files = sorted(data("gutenberg").glob("*.txt"))
    return [
        Document(source=f"{file.stem}/{n}", text=text)
        for file in files
        for n, text in enumerate(_passages(file.read_text("utf-8"), words=words))
    ]


def interviews(*, by_turn: bool) -> list[Document]:
    """Podcast transcripts, in passages or one document for each turn of a speaker."""
    return [
        Document(source=f"{name}/{n}", text=part)
        for name, text in _episodes().items()
        for n, part in enumerate(_turns(text) if by_turn else _passages(text))
    ]


def half_sentences(
    documents: Sequence[Document], *, sentences: int, count: int, seed: int = 1
) -> list[Labelled]:
    """Questions from half of the words of so many sentences of one file."""
    draw = random.Random(seed)
    files: dict[str, list[Document]] = {}
    for document in documents:
        files.setdefault(document.source.rpartition("/")[0], []).append(document)
    names = sorted(name for name, parts in files.items() if len(parts) >= sentences)
    found: list[Labelled] = []
    while len(found) < count:
        gold = draw.sample(files[draw.choice(names)], sentences)
        halves = [_half(document.text, draw) for document in gold]
        if all(halves):
            text = " ".join(halves)
            found.append(Labelled(text, frozenset(document.source for document in gold)))
    return found


def _half(text: str, draw: random.Random) -> str:
    start, end = draw.choice(analysis.sentences(text))
    words = analysis.words(text[start:end])
    if len(words) < MIN_WORDS:
        return ""
    return " ".join(words[at] for at in sorted(draw.sample(range(len(words)), len(words) // 2)))


def _passages(text: str, *, words: int = PASSAGE_WORDS) -> list[str]:
    passages: list[str] = []
    sentences: list[str] = []
    for start, end in analysis.sentences(text):
        sentences.append(text[start:end].strip())
        if sum(len(analysis.words(sentence)) for sentence in sentences) >= words:
            passages.append(" ".join(sentences))
            sentences.clear()
    return [*passages, " ".join(sentences)] if sentences else passages


def _turns(text: str) -> list[str]:
    turns = (turn.strip() for turn in _SPEAKER.split(text))
    return [turn for turn in turns if len(analysis.words(turn)) >= MIN_TURN]


def _episodes(*, limit: int | None = EPISODES) -> dict[str, str]:
    parts: dict[str, dict[int, str]] = {}
    with zipfile.ZipFile(data("kevin_scott", "transcripts.zip")) as archive:
        for path in archive.namelist():
            if match := _PART.match(path):
                text = archive.read(path).decode("utf-8", "replace")
                head, named, rest = text.partition(".txt")  # each part repeats the file's name
                parts.setdefault(match[1], {})[int(match[2])] = rest if named else head
    return {
        name: "\n".join(parts[name][number] for number in sorted(parts[name]))
        for name in sorted(parts)[:limit]
    }


def _lines(*path: str) -> list[str]:
    return data(*path).read_text("utf-8").splitlines()
