"""Hold the questions and answers of DRIFT as a tree; choose, pack and draw its nodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import cast

from graphrag import text as analysis
from graphrag.query.context import estimate_tokens, one_line
from graphrag.text.questions import ASKING

MAX_QUESTION = 400  # characters of a proposed question
LATER = 0.9  # what a question's value falls by with each place in its list
SAME_WORDS = 90.0  # of 100, from which two questions ask the same
MAX_SHARE = 0.25  # of the reduce prompt, for one answer
CHARACTERS_PER_TOKEN = 3  # as `estimate_tokens` counts
SHOWN = 300  # characters of an answer in the picture
HEADINGS_TOKENS = 30


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A question that was asked, its answer, and what was asked because of it.

    `value`: how promising it was before; `score`: how much its answer helps (0 to 100).
    """

    question: str
    value: float = 0.0
    answer: str = ""
    score: float = 0.0
    units: tuple[str, ...] = ()
    proposed: tuple[str, ...] = ()
    follow_ups: list[Node] = field(default_factory=list["Node"])
    error: str = ""

    def walk(self) -> Iterator[Node]:
        yield self
        for node in self.follow_ups:
            yield from node.walk()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A question that `parent`'s answer proposed."""

    text: str
    value: float
    parent: Node


@dataclass(frozen=True, slots=True)
class Tree:
    """The question, and as its first nodes what the primer said of each fold of reports."""

    question: str
    primer: tuple[Node, ...]

    def nodes(self) -> list[Node]:
        return [node for first in self.primer for node in first.walk()]

    def asked(self) -> list[str]:
        return list(dict.fromkeys([self.question, *(node.question for node in self.nodes())]))

    def candidates(self) -> list[Candidate]:
        """Proposed questions that nobody asked yet, none like another, most promising first.

        A question is as promising as the answer that raised it is good, less so with each
        place in that answer's list.
        """
        found = [
            Candidate(" ".join(text.split())[:MAX_QUESTION], node.score * LATER**place, node)
            for node in self.nodes()
            for place, text in enumerate(node.proposed)
        ]
        known = self.asked()
        chosen: list[Candidate] = []
        for one in sorted(found, key=lambda one: -one.value):
            if one.text and not any(same_question(one.text, other) for other in known):
                known.append(one.text)
                chosen.append(one)
        return chosen

    def as_dict(self) -> dict[str, object]:
        """Plain values; every node has question, answer, score, units and follow_ups.

        The root's answer is the best one of the primer, `primer` holds all of them.
        """
        best = max(self.primer, key=lambda node: node.score, default=Node(self.question))
        asked = [node for first in self.primer for node in first.follow_ups]
        return {
            "question": self.question,
            "answer": best.answer,
            "score": best.score,
            "units": [],
            "primer": [
                {"answer": node.answer, "score": node.score, "proposed": list(node.proposed)}
                | ({"error": node.error} if node.error else {})
                for node in self.primer
            ],
            "follow_ups": [_as_dict(node) for node in _ranked(asked)],
        }


def same_question(one: str, other: str) -> bool:
    """Whether two questions ask the same in nearly the same words.

    Names, numbers and what is asked for (who, when, …) must be equal: the words that make two
    questions differ are few.
    """
    from rapidfuzz import fuzz

    if one == other:
        return True
    if marks(one) != marks(other):
        return False
    left, right = _said(one), _said(other)
    return left == right or (
        bool(left and right) and fuzz.token_sort_ratio(left, right) >= SAME_WORDS
    )


@lru_cache(maxsize=1024)
def marks(question: str) -> frozenset[str]:
    """The names, the numbers and the asking words of a question."""
    words = analysis.words(question)
    return frozenset(
        word.casefold()
        for place, word in enumerate(words)
        if any(map(str.isdigit, word)) or word.casefold() in ASKING or (place and word[0].isupper())
    )


@lru_cache(maxsize=1024)
def _said(question: str) -> str:
    return " ".join(analysis.terms(question))


def helpful(tree: Tree) -> list[Node]:
    """The nodes whose answers say something that helps, best first."""
    return _ranked(node for node in tree.nodes() if node.answer and node.score > 0)


def pack_tree(
    tree: Tree, sentences: Mapping[Node, Mapping[int, str]], *, max_tokens: int
) -> tuple[int, str]:
    """How many of the helpful answers fit, and their text; the lowest scored are left out.

    `sentences`: by node, those of the sources that it cites, by number.
    """
    left = max_tokens - HEADINGS_TOKENS
    most = int(max_tokens * MAX_SHARE) * CHARACTERS_PER_TOKEN
    kept: dict[Node, str] = {}
    quoted: dict[str, None] = {}
    for node in helpful(tree):
        answer = _cut(one_line_kept(node.answer), most)
        lines = [f"[{number}] {said}" for number, said in sentences.get(node, {}).items()]
        new = [line for line in lines if line not in quoted]
        text = [answer, *new, *([] if node in tree.primer else [node.question])]
        left -= sum(estimate_tokens(line) + HEADINGS_TOKENS // 3 for line in text)
        if left < 0:
            break
        kept[node] = answer
        quoted.update(dict.fromkeys(new))
    first = [f"- ({node.score:g}) {kept[node]}" for node in _ranked(tree.primer) if node in kept]
    asked = [
        line
        for node in _ranked(child for first in tree.primer for child in first.follow_ups)
        for line in _render(node, kept, depth=0)
    ]
    blocks = [
        ["## Answers from reports", *first] if first else [],
        ["## Answers to follow-up questions", *asked] if asked else [],
        ["## Source sentences", *quoted] if quoted else [],
    ]
    return len(kept), "\n\n".join("\n".join(block) for block in blocks if block)


def one_line_kept(text: str) -> str:
    """On one line, with the numbers that it cites."""
    return " ".join(text.split())


def render_tree(trace: Mapping[str, object]) -> str:
    """The tree in a trace of DRIFT as lines of text; "" where there is none."""
    tree = trace.get("tree")
    if not isinstance(tree, dict):
        return ""
    root = cast("dict[str, object]", tree)
    lines = [_plain_line(root["question"])]
    for first in _dicts(root["primer"]):
        lines.append(f"│  from reports, score {first['score']:g}: {_shown(first)}")
    lines += _branches(_dicts(root["follow_ups"]), "")
    return "\n".join(lines)


def _branches(nodes: Sequence[Mapping[str, object]], indent: str) -> Iterator[str]:
    for node in nodes:
        last = node is nodes[-1]
        deeper = indent + ("   " if last else "│  ")
        yield f"{indent}{'└─' if last else '├─'} {_plain_line(node['question'])}"
        read = len(cast("list[object]", node["units"]))
        units = f"{read} text unit{'' if read == 1 else 's'}"
        children = _dicts(node["follow_ups"])
        bar = "│  " if children else "   "
        yield f"{deeper}{bar}score {node['score']:g}, {units} read: {_shown(node)}"
        yield from _branches(children, deeper)


def _shown(node: Mapping[str, object]) -> str:
    text = _plain_line(node["error"] if "error" in node else node["answer"] or "no answer")
    return text if len(text) <= SHOWN else f"{text[:SHOWN].rstrip()} …"


def _plain_line(value: object) -> str:
    """On one line, without control characters, which a terminal would obey."""
    return "".join(filter(str.isprintable, " ".join(str(value).split())))


def _dicts(value: object) -> list[dict[str, object]]:
    return cast("list[dict[str, object]]", value)


def _as_dict(node: Node) -> dict[str, object]:
    found: dict[str, object] = {
        "question": node.question,
        "answer": node.answer,
        "score": node.score,
        "units": list(node.units),
        "proposed": list(node.proposed),
        "follow_ups": [_as_dict(child) for child in _ranked(node.follow_ups)],
    }
    return found | ({"error": node.error} if node.error else {})


def _ranked(nodes: Iterable[Node]) -> list[Node]:
    return sorted(nodes, key=lambda node: -node.score)


def _render(node: Node, kept: Mapping[Node, str], *, depth: int) -> Iterator[str]:
    """A node with those below it; where it was left out, those below it alone."""
    if node in kept:
        pad = "  " * depth
        yield f"{pad}- {one_line(node.question)}"
        yield f"{pad}  ({node.score:g}) {kept[node]}"
        depth += 1
    for child in _ranked(node.follow_ups):
        yield from _render(child, kept, depth=depth)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: text.rfind(' ', 0, most)].rstrip()} …"
