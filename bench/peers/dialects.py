"""Rules for the test server: the prompt formats of the peers in, replies in their formats out.

What is found in a text is what `graphrag.testing` finds for us, so that every system gets the same
entities and relationships for the same text; only the form differs. A gleaning round finds nothing
more, for the peers as for us.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from graphrag.testing import ChatRequest, Rule, replies

END = "<|COMPLETE|>"
SUMMARY = 480  # characters, as long as the summaries that we get
HEADER = re.compile(r"(human_readable_)?id,")  # of a table in CSV
DESCRIBED = re.compile(r'\{"Description": |"?,? "')


def records(request: ChatRequest) -> str:
    """Microsoft graphrag and nano-graphrag: tuples between brackets, separated by ##."""
    text = request.data.rpartition("-Real Data-")[2].partition("Text:")[2].partition("\n####")[0]
    entities, relationships = _found(text)
    rows = [
        *(f'("entity"<|>{e["name"]}<|>{e["type"]}<|>{e["description"]})' for e in entities),
        *(
            f'("relationship"<|>{r["source"]}<|>{r["target"]}<|>{r["description"]}'
            f"<|>{r['strength']})"
            for r in relationships
        ),
    ]
    return "\n##\n".join(rows) + f"\n{END}"


def lines(request: ChatRequest) -> str:
    """LightRAG: a row for each entity and relation, fields separated by <|#|>."""
    text = request.data.partition("---Input Text---")[2] or request.data
    text = text.rpartition("---Input Text---")[2].partition("---Output---")[0]
    entities, relationships = _found(text.replace("```", ""))
    rows = [("entity", e["name"], e["type"], e["description"]) for e in entities]
    related = [
        ("relation", r["source"], r["target"], r["type"], r["description"]) for r in relationships
    ]
    return "\n".join(["<|#|>".join(map(str, row)) for row in [*rows, *related]] + [END])


def objects(request: ChatRequest) -> str:
    """fast-graphrag: one JSON object with short field names."""
    text = request.data.partition("**Document**:")[2].partition("<<DOCUMENT_END>>")[0]
    entities, relationships = _found(text)
    return json.dumps(
        {
            "entities": [
                {"name": e["name"], "type": e["type"], "desc": e["description"]} for e in entities
            ],
            "relationships": [
                {"source": r["source"], "target": r["target"], "desc": r["description"]}
                for r in relationships
            ],
            "other_relationships": [],
        }
    )


def report(request: ChatRequest) -> str:
    """Microsoft and nano: the report's JSON, from the tables that the prompt ends with."""
    tables = request.data.rpartition("\nText:")[2].partition("\nThe report should include")[0]
    rows = [line for line in tables.splitlines() if "," in line and not HEADER.match(line)]
    return replies.report(_about("\n".join(rows)))


def summary(request: ChatRequest) -> str:
    """The first sentences of the descriptions, each once."""
    listed = request.data.rpartition("Description List:")[2].partition("\n####")[0]
    parts = [part.strip("[]{}`'\" \n") for part in DESCRIBED.split(listed)]
    sentences = [replies.sentences_in(part)[0] for part in parts if replies.sentences_in(part)]
    return " ".join(dict.fromkeys(sentences))[:SUMMARY] or "Nothing is known."


def shorter(request: ChatRequest) -> str:
    """fast-graphrag: a description that became too long."""
    text = request.data.rpartition("Current:")[2].partition("Updated:")[0]
    sentences = dict.fromkeys(replies.sentences_in(text))
    return json.dumps({"description": " ".join(sentences)[:SUMMARY]})


def keywords(request: ChatRequest) -> str:
    """LightRAG: names as low-level keywords, the other words as high-level ones."""
    question = request.data.rpartition("User Query:")[2].partition("---Output---")[0].strip()
    names = list(dict.fromkeys(name for _, name in replies.names_in(question)))
    words = re.findall(r"[a-z]{4,}", question)
    return json.dumps({"high_level_keywords": words, "low_level_keywords": names})


def query_entities(request: ChatRequest) -> str:
    """fast-graphrag: what the question names."""
    question = request.data.rpartition("Query:")[2].partition("Output:")[0].strip()
    names = list(dict.fromkeys(name for _, name in replies.names_in(question)))
    return json.dumps({"named": names, "generic": [question.rstrip("?")]})


def primer(request: ChatRequest) -> str:
    """Microsoft's DRIFT: a first answer and follow-up questions."""
    first = _drift(request)
    return json.dumps({"intermediate_answer": first.pop("response"), **first})


def follow_up(request: ChatRequest) -> str:
    """Microsoft's DRIFT: the answer to a follow-up question, with more of them."""
    return json.dumps(_drift(request))


def rating(request: ChatRequest) -> str:
    """Microsoft's dynamic selection: words that the report shares with the question."""
    everything = _everything(request)
    text = everything.partition("---Information---")[2].partition("---Question---")[0]
    question = everything.partition("---Question---")[2].partition("---Target")[0]
    asked = [{"role": "user", "content": f"<report>{text}</report><question>{question}</question>"}]
    return replies.rate(ChatRequest(asked))


def points(request: ChatRequest) -> str:
    return replies.map_points(_asked(request))


def spoken(request: ChatRequest) -> str:
    """The answer to the question, from the context in the instructions."""
    return replies.answer(_asked(request))


def spoken_json(request: ChatRequest) -> str:
    return json.dumps({"answer": spoken(request)})


def _drift(request: ChatRequest) -> dict[str, object]:
    made = cast(dict[str, object], json.loads(replies.drift(_asked(request))))
    return {
        "response": made["answer"],
        "score": made["score"],
        "follow_up_queries": made["follow_ups"],
    }


def _asked(request: ChatRequest) -> ChatRequest:
    """Context from the tables of the prompt and the question, in the tags of our own prompts."""
    everything = _everything(request)
    context = request.instructions
    for opening in ("---Data tables---", "---Context---", "# INPUT DATA", "summaries:"):
        context = context.partition(opening)[2] or context
    for closing in ("---Goal---", "# USER QUERY", "Provide the intermediate answer"):
        context = context.partition(closing)[0]
    question = request.data.strip()
    for opening, closing in (("# USER QUERY", "# INSTRUCTIONS"), ("For the query:", "\n\nThe top")):
        if opening in everything:
            question = everything.partition(opening)[2].partition(closing)[0].strip()
    return _about(context, question.splitlines()[-1] if question else "")


def _about(context: str, question: str = "") -> ChatRequest:
    content = f"<context>\n{context}\n</context>\n<question>{question}</question>"
    return ChatRequest([{"role": "user", "content": content}])


def _found(text: str) -> tuple[list[Mapping[str, str]], list[Mapping[str, str]]]:
    content = f"<text>\n{text.strip()}\n</text>"
    found = json.loads(replies.extract(ChatRequest([{"role": "user", "content": content}])))
    return found["entities"], found["relationships"]


def _everything(request: ChatRequest) -> str:
    return "\n".join(message["content"] for message in request.messages)


def _says(*marks: str) -> Callable[[ChatRequest], bool]:
    """Whether the first prompt has all of `marks`."""
    return lambda request: all(
        mark in request.data or mark in request.instructions for mark in marks
    )


def _asks_more(mark: str) -> Callable[[ChatRequest], bool]:
    return lambda request: bool(request.turns) and mark in request.turns[-1]


RULES: Sequence[Rule] = (
    Rule("more?", _asks_more("Answer Y"), lambda _: "N"),
    Rule("glean", _asks_more("missed in the last extraction"), lambda _: END),
    Rule("glean", _asks_more("Based on the last extraction task"), lambda _: END),
    Rule("extract", _says("-Real Data-", "Entity_types:"), records),
    Rule("extract", _says("---Input Text---", "relationship_keywords"), lines),
    Rule("extract", _says("<<DOCUMENT_START>>"), objects),
    Rule("report", _says('"findings"', "rating_explanation"), report),
    Rule("summarise", _says("Description List:"), summary),
    Rule("summarise", _says("Current:", "Updated:"), shorter),
    Rule("group", _says("grouped_facts"), lambda _: '{"grouped_facts": []}'),
    Rule("keywords", _says("low_level_keywords"), keywords),
    Rule("keywords", _says("perform information retrieval", '"named"'), query_entities),
    Rule("primer", _says("intermediate_answer"), primer),
    Rule("follow_up", _says("follow_up_queries"), follow_up),
    Rule("rate", _says("---Information---", "rating"), rating),
    Rule("map", _says('"points"', "score_value"), points),
    Rule("answer", _says("# INPUT DATA", "# USER QUERY"), spoken_json),
    Rule("answer", lambda _: True, spoken),
)
