"""Write replies that are functions of the prompt: what the test model "knows".

Each kind of request is recognised by the fields its JSON schema asks for, without one by the
fields that its instructions quote, and answered by plain rules over the text in it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import cast

from graphrag.models.replies.parsing import CORRECTION

MAX_ENTITIES = 12
MAX_RELATIONSHIPS = 24
TYPES = ("person", "organization", "location", "event", "product", "concept")


@dataclass(frozen=True)
class ChatRequest:
    """One request to `/v1/chat/completions`."""

    messages: Sequence[Mapping[str, str]]
    schema: Mapping[str, object] | None = None

    @cached_property
    def instructions(self) -> str:
        """The system messages; without any, the first message."""
        system = [item["content"] for item in self.messages if item["role"] == "system"]
        return "\n".join(system) if system else self.messages[0]["content"]

    @cached_property
    def data(self) -> str:
        """The first user message: what the instructions are to be applied to."""
        user = [item["content"] for item in self.messages if item["role"] == "user"]
        return user[0] if user else self.messages[-1]["content"]

    @cached_property
    def turns(self) -> list[str]:
        """User messages after the first that ask for more, not for a correction."""
        user = [item["content"] for item in self.messages if item["role"] == "user"]
        return [text for text in user[1:] if not text.startswith(CORRECTION)]

    @cached_property
    def key(self) -> str:
        """The same for every try of one prompt, corrections included."""
        first = json.dumps([self.instructions, self.data, self.turns])
        return hashlib.blake2b(first.encode(), digest_size=16).hexdigest()

    @cached_property
    def fields(self) -> frozenset[str]:
        """Names of the fields that the reply should have, at any depth."""
        if self.schema is not None:
            return frozenset(_property_names(self.schema))
        return frozenset(re.findall(r'"([a-z_]+)":', self.instructions))

    def block(self, *tags: str) -> str:
        """The last `<tag>…</tag>` of the data, for the first of `tags` that is there, or all."""
        for tag in tags:
            found = re.findall(rf"<{tag}>\n?(.*?)\n?</{tag}>", self.data, re.DOTALL)
            if found:
                return str(found[-1])
        return self.data


@dataclass(frozen=True, slots=True)
class Rule:
    """Requests for which `applies` holds are of this `kind` and get what `reply` makes."""

    kind: str
    applies: Callable[[ChatRequest], bool]
    reply: Callable[[ChatRequest], str]


def rule_for(request: ChatRequest, rules: Sequence[Rule] = ()) -> Rule:
    """The first of `rules`, then of the built-in ones, that applies."""
    return next(rule for rule in (*rules, *RULES) if rule.applies(request))


def names_in(text: str) -> Iterator[tuple[int, str]]:
    """Runs of capitalised words, with their position; words that open a sentence count less."""
    for match in _NAME.finditer(text):
        words = re.sub(r"['’]s\b|[_'’-]+$", "", match[0]).split()
        opens = match.start() == 0 or _before(text, match.start()) in _OPENING
        while words and (words[0] in _COMMON or (opens and len(words) == 1)):
            words, opens = words[1:], False
        if words and len(words[-1]) > 2:
            yield match.start(), " ".join(words)


def _before(text: str, at: int) -> str:
    """The last character before `at` that is no white space."""
    while at and text[at - 1].isspace():
        at -= 1
    return text[at - 1 : at]


def sentences_in(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"(?<=[.!?])[\"'”’)]*\s+|\n+", text) if part.strip()]


def rank(query: str, documents: Sequence[str]) -> list[tuple[int, float]]:
    """Index and share of the query's words, best first."""
    wanted = len(_content_words(query)) or 1
    scores = [(index, _overlap(query, text) / wanted) for index, text in enumerate(documents)]
    return sorted(scores, key=lambda item: -item[1])


def extract(request: ChatRequest) -> str:
    """Capitalised names as entities; names of one sentence, and neighbours, as relationships."""
    empty: dict[str, list[object]] = {"entities": [], "relationships": []}
    if "claims" in request.fields:
        empty["claims"] = []
    if request.turns:
        return json.dumps(empty)  # a gleaning round: nothing was missed
    text = request.block("text")
    found: list[list[str]] = []
    described: dict[str, str] = {}
    for sentence in sentences_in(text):
        names = [name for _, name in names_in(sentence)]
        found.append(names)
        for name in names:
            described.setdefault(name, sentence[:240])
    counts = Counter(name for names in found for name in names)
    ranked = sorted(described, key=lambda name: (-counts[name], " " not in name))
    chosen = set(ranked[:MAX_ENTITIES])
    entities = [
        {"name": name, "type": _pick(TYPES, name), "description": described[name]}
        for name in described
        if name in chosen
    ]
    relationships = [
        {
            "source": source,
            "target": target,
            "type": "appears with",
            "description": f"{source} and {target} appear together.",
            "strength": 1 + _number(source + target) % 10,
        }
        for source, target in _pairs(found, chosen)
    ]
    return json.dumps({**empty, "entities": entities, "relationships": relationships})


def report(request: ChatRequest) -> str:
    """Findings that cite the rows `[id]` of the context."""
    rows = _rows(request.block("context", "reports", "text"))
    counts = Counter(name for _, text in rows for _, name in names_in(text))
    top = [name for name, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:3]]
    about = ", ".join(top) or "this community"
    findings = [
        {"summary": sentences_in(text)[0][:160], "explanation": f"{text[:300]} [{key}]"}
        for key, text in rows[:5]
    ]
    return json.dumps(
        {
            "title": about[:80],
            "summary": " ".join(text[:160] for _, text in rows[:3])[:500] or f"About {about}.",
            "rating": 1 + _number(about) % 9,
            "rating_explanation": f"It names {len(counts)} things.",
            "findings": findings,
        }
    )


def rate(request: ChatRequest) -> str:
    shared = _overlap(_question(request), request.block("report", "reports", "context"))
    return json.dumps({"rating": min(5, shared), "reason": f"{shared} words in common"})


def map_points(request: ChatRequest) -> str:
    """The sentences closest to the question as points, each with the id of its row."""
    question = _question(request)
    scored = _ranked(question, _rows(request.block("reports", "context", "text")))
    points = [
        {"description": f"{sentence} [{key}]", "score": min(100, 25 * score)}
        for score, key, sentence in scored[:5]
    ]
    return json.dumps({"points": points})


def drift(request: ChatRequest) -> str:
    """An answer, its score, and a question for each of the most frequent names."""
    context = request.block("context", "reports", "text")
    names = Counter(name for _, name in names_in(context))
    top = sorted(names.items(), key=lambda item: (-item[1], item[0]))[:5]
    best = _ranked(_question(request), _rows(context))[:2]
    return json.dumps(
        {
            "answer": " ".join(f"{sentence} [{key}]" for _, key, sentence in best) or "Unknown.",
            "score": min(100, 25 * sum(score for score, _, _ in best)),
            "follow_ups": [f"What is known about {name}?" for name, _ in top],
        }
    )


def hypothetical(request: ChatRequest) -> str:
    """A report about the question, with the sample's words."""
    question = _question(request)
    return f"# {question}\n\n{question} {sentences_in(request.block('sample_report'))[0]}"


def rewrite(request: ChatRequest) -> str:
    question = _question(request)
    return json.dumps({"rewritten": question, "keywords": sorted(_content_words(question))})


def subqueries(request: ChatRequest) -> str:
    """A query for each name of the question and one of its words; three to five in all."""
    question = _question(request)
    names = dict.fromkeys(name for _, name in names_in(question))
    words = [word for word in question.split() if _content_words(word)]
    half = (len(words) + 1) // 2
    parts = [*names, " ".join(words), " ".join(words[:half]), " ".join(words[half:])]
    return json.dumps({"subqueries": [part for part in dict.fromkeys(parts) if part][:5]})


def relevance(request: ChatRequest) -> str:
    """Relevant is a text with a sentence that shares half of the question's words."""
    question = _question(request)
    needed = max(1, len(_content_words(question)) // 2)
    shared = (_overlap(question, sentence) for sentence in sentences_in(request.block("text")))
    return json.dumps({"relevant": max(shared, default=0) >= needed})


def claims(request: ChatRequest) -> str:
    """The sentences closest to the question, each with the id of its row, word for word."""
    scored = _ranked(_question(request), _rows(request.block("sources")))
    found = [
        {
            "statement": sentence,
            "source": int(key),
            "quote": sentence,
            "score": min(100, 25 * score),
        }
        for score, key, sentence in scored[:5]
        if key.isdigit()
    ]
    return json.dumps({"claims": found})


def ranking(request: ChatRequest) -> str:
    rows = [(int(key), text) for key, text in _rows(request.block("passages")) if key.isdigit()]
    order = rank(_question(request), [text for _, text in rows])
    return json.dumps({"ranking": [rows[index][0] for index, _ in order]})


def facts(request: ChatRequest) -> str:
    """The facts that share a word with the question; nothing is missing."""
    question = _question(request)
    rows = [(int(key), text) for key, text in _rows(request.block("facts")) if key.isdigit()]
    picked = [number for number, text in rows if _overlap(question, text)]
    return json.dumps({"facts": picked, "missing": []})


def suggest(request: ChatRequest) -> str:
    """A question for each of the most frequent names that the question does not hold."""
    asked = _question(request)
    names = Counter(name for _, name in names_in(request.block("context")) if name not in asked)
    top = sorted(names.items(), key=lambda item: (-item[1], item[0]))[:5]
    return json.dumps({"questions": [f"What is known about {name}?" for name, _ in top]})


def join(request: ChatRequest) -> str:
    """A pair is the same when all words of one name are in the other."""
    verdicts: list[dict[str, object]] = []
    for line in request.block("pairs").splitlines():
        number, *fields = (field.strip() for field in line.split("|"))
        names = [set(re.split(r" \(|: ", field)[0].casefold().split()) for field in fields]
        if number.isdigit() and len(names) == 2:
            same = names[0] <= names[1] or names[1] <= names[0]
            reason = "one holds the other" if same else "different words"
            verdicts.append({"pair": int(number), "same": same, "reason": reason})
    return json.dumps({"verdicts": verdicts})


def summarise(request: ChatRequest) -> str:
    """The first sentence of each description, each once."""
    lines = request.block("descriptions").splitlines()
    first = [sentences_in(line.lstrip("-* "))[0] for line in lines if line.strip("-* ")]
    return " ".join(dict.fromkeys(first))[:800] or "Nothing is known."


def situate(request: ChatRequest) -> str:
    """A line that names the document's opening and the passage's names."""
    names = dict.fromkeys(name for _, name in names_in(request.block("text", "chunk")))
    opening = sentences_in(request.block("document"))[0][:80]
    return f"From the document that begins {opening!r}; about {', '.join([*names][:6])}."


def answer(request: ChatRequest) -> str:
    """The two or three sentences closest to the question, quoted and cited."""
    rows = _rows(request.block("context", "sources", "points", "reports"))
    best = _ranked(_question(request), rows)[:3]
    needed = max(1, len(_content_words(_question(request))) // 3)
    best = [item for item in best if item[0] >= needed]
    if not best:
        block = '{"answered": false}'
        return f"The context does not hold the answer.\n\n```citations\n{block}\n```"
    text = " ".join(f"{sentence} [{key}]" for _, key, sentence in best)
    quotes = [
        {"n": int(key) if key.isdigit() else key, "quote": sentence} for _, key, sentence in best
    ]
    return f"{text}\n\n```citations\n{json.dumps(quotes, ensure_ascii=False)}\n```"


def any_json(request: ChatRequest) -> str:
    """The smallest object that the schema allows."""
    return json.dumps(_instance(request.schema or {}, request.schema or {}))


def _asks_for(*names: str) -> Callable[[ChatRequest], bool]:
    return lambda request: request.fields.issuperset(names)


RULES: Sequence[Rule] = (
    Rule("extract", _asks_for("entities", "relationships"), extract),
    Rule("report", _asks_for("findings"), report),
    Rule("map", _asks_for("points"), map_points),
    Rule("rate", _asks_for("rating", "reason"), rate),
    Rule("drift", _asks_for("answer", "score", "follow_ups"), drift),
    Rule("rewrite", _asks_for("rewritten", "keywords"), rewrite),
    Rule("subqueries", _asks_for("subqueries"), subqueries),
    Rule("relevance", _asks_for("relevant"), relevance),
    Rule("claims", _asks_for("claims", "statement"), claims),
    Rule("rerank", _asks_for("ranking"), ranking),
    Rule("facts", _asks_for("facts", "missing"), facts),
    Rule("suggest", _asks_for("questions"), suggest),
    Rule("join", _asks_for("verdicts", "same"), join),
    Rule("json", lambda request: request.schema is not None, any_json),
    Rule("hypothetical", lambda request: "<sample_report>" in request.data, hypothetical),
    Rule("summarise", lambda request: "<descriptions>" in request.data, summarise),
    Rule("context", lambda request: "<document>" in request.data, situate),
    Rule("reduce", lambda request: "<points>" in request.data, answer),
    Rule("answer", lambda _: True, answer),
)

_NAME = re.compile(r"\b[A-Z][\w'’-]*(?:(?: (?:of|de|van|von|the))? [A-Z][\w'’-]*)*")
_OPENING = frozenset(".!?:\"“'‘(")  # what stands before the first word of a sentence
_COMMON_WORDS = """
    A All An And As At But By Come For From He Her His How I If In Is It My No Not Now Of Oh On
    Or Our She So That The Then There These They This To We Well What When Where Which Who Why
    With Yes You Your Mr Mrs Miss Dr Sir It's I'm I've I'll You're
"""
_STOP_WORDS = """
    the and for are was were that this with from what which who whom whose when where why how
    did does has have had not you your about into than then them they their there its his her
    she him our can could would should will been being between tell
"""
_COMMON = frozenset(_COMMON_WORDS.split())
_STOP = frozenset(_STOP_WORDS.split())


def _property_names(schema: object) -> Iterator[str]:
    if isinstance(schema, list):
        for item in cast(list[object], schema):
            yield from _property_names(item)
    elif isinstance(schema, Mapping):
        for key, value in cast(Mapping[str, object], schema).items():
            if key == "properties":
                yield from cast(Mapping[str, object], value)
            yield from _property_names(value)


def _pairs(found: list[list[str]], chosen: set[str]) -> list[tuple[str, str]]:
    """Names of one sentence, then each name with the next one of the text."""
    inside = [
        (names[first], second)
        for names in found
        for first in range(len(names))
        for second in names[first + 1 : first + 3]
    ]
    order = [name for names in found for name in names if name in chosen]
    pairs = [*inside, *pairwise(order), *zip(order, order[2:], strict=False)]
    seen: dict[frozenset[str], tuple[str, str]] = {}
    for pair in pairs:
        if pair[0] != pair[1] and chosen.issuperset(pair):
            seen.setdefault(frozenset(pair), pair)
    return [*seen.values()][:MAX_RELATIONSHIPS]


def _rows(context: str) -> list[tuple[str, str]]:
    """Id and text of each row: `[3] text`, `e3|name|text`, `text [3]`, or lines, numbered."""
    parts = re.split(r"(?m)^\s*(?:\[(\w+)\]|([efrs]?\d+)\s*\|)", context)
    rows = [
        (parts[index] or parts[index + 1], _body(parts[index + 2]))
        for index in range(1, len(parts) - 2, 3)
    ]
    if not rows:
        cited = re.findall(r"(?m)^[-*\s]*(.+?)\s*\[(\w+)\]", context)
        rows = [(key, text) for text, key in cited]
    if not rows:
        lines = [line.strip() for line in context.splitlines() if line.strip()]
        rows = [(str(number), line) for number, line in enumerate(lines, 1)]
    return [(str(key), text) for key, text in rows if sentences_in(text)]


def _body(row: str) -> str:
    """The text of a row without its title: a first line that is no sentence."""
    row = re.sub(r"(?m)^\s*> ", "", row.strip())
    title, _, rest = row.partition("\n")
    return rest.strip() if rest.strip() and not title.rstrip().endswith((".", "!", "?")) else row


def _question(request: ChatRequest) -> str:
    asked = re.findall(r"<question>\s*(.*?)\s*</question>", request.data, re.DOTALL)
    if asked:
        return str(asked[-1])
    lines = [line.strip() for line in request.data.splitlines() if line.strip()]
    questions = [line for line in lines if line.endswith("?")]
    return (questions or lines or [""])[-1]


def _ranked(question: str, rows: list[tuple[str, str]]) -> list[tuple[int, str, str]]:
    """Shared words, row id and sentence; best first, then in the order of the text."""
    wanted = _content_words(question)
    scored = [
        (len(wanted & _content_words(sentence)), key, sentence)
        for key, text in rows
        for sentence in sentences_in(text)
    ]
    return sorted((item for item in scored if item[0]), key=lambda item: -item[0])


def _content_words(text: str) -> set[str]:
    words = re.findall(r"\w+", text.casefold())
    return {word[:6] for word in words if len(word) > 2 and word not in _STOP}


def _overlap(first: str, second: str) -> int:
    return len(_content_words(first) & _content_words(second))


def _number(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big")


def _pick(options: Sequence[str], text: str) -> str:
    return options[_number(text) % len(options)]


def _instance(schema: Mapping[str, object], root: Mapping[str, object]) -> object:
    reference = schema.get("$ref")
    if isinstance(reference, str):
        definitions = cast(Mapping[str, Mapping[str, object]], root.get("$defs", {}))
        return _instance(definitions[reference.rpartition("/")[2]], root)
    if "enum" in schema:
        return cast(list[object], schema["enum"])[0]
    if "anyOf" in schema:
        return _instance(cast(list[Mapping[str, object]], schema["anyOf"])[0], root)
    match schema.get("type"):
        case "object":
            fields = cast(Mapping[str, Mapping[str, object]], schema.get("properties", {}))
            return {name: _instance(inner, root) for name, inner in fields.items()}
        case "array":
            return []
        case "integer" | "number":
            return 1
        case "boolean":
            return True
        case "null":
            return None
        case _:
            return "text"
