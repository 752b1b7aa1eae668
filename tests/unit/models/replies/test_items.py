"""One odd value costs one item at most: read as it was meant, or left out and counted."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel

from graphrag.core.errors import BadReplyError
from graphrag.core.settings import Settings
from graphrag.indexing.extraction.extract import Extraction
from graphrag.indexing.reports.write import CommunityReport
from graphrag.models.models import Models
from graphrag.models.replies.items import Scale
from graphrag.models.replies.parsing import parse_reply
from graphrag.prompts import Message
from graphrag.testing import FakeChat

GOOD = [{"name": f"Ship {i}", "type": "ship", "description": "A ship."} for i in range(20)]
PROMPT = [Message("user", "Which ships lay in port?")]


class Verdict(BaseModel):
    number: int
    same: bool = False
    winner: Literal["first", "second"] = "first"
    score: Annotated[float, Scale(100)] = 0.0
    names: list[str] = []


class Verdicts(BaseModel):
    verdicts: list[Verdict]


def extraction(*odd: object) -> str:
    return json.dumps({"entities": [*GOOD, *odd], "relationships": []})


@pytest.mark.parametrize(
    ("odd", "meant"),
    [
        ({"description": None}, ("Lyra", "ship", "")),
        ({"type": None}, ("Lyra", "", "x")),
        ({"type": ["ship", "boat"]}, ("Lyra", "ship", "x")),
        ({"name": 1987}, ("1987", "ship", "x")),
        ({"description": ["It sailed.", "It sank."]}, ("Lyra", "ship", "It sailed. It sank.")),
        ({"name": None}, None),
        ({"name": {"en": "Lyra"}}, None),
    ],
)
def test_an_odd_field_of_an_entity(odd: dict[str, object], meant: tuple[str, ...] | None) -> None:
    reading = parse_reply(
        extraction({"name": "Lyra", "type": "ship", "description": "x", **odd}), Extraction
    )
    rest = [(one.name, one.type, one.description) for one in reading.value.entities[20:]]
    assert rest == ([meant] if meant else [])
    assert reading.lost == ({} if meant else {"entities": 1})
    assert not reading.lost_much


@pytest.mark.parametrize(
    ("field", "said", "meant"),
    [
        ("score", "high", 80.0),
        ("score", "8/10", 80.0),
        ("score", "85%", 85.0),
        ("score", "about 70", 70.0),
        ("score", ["60"], 60.0),
        ("score", None, 0.0),
        ("number", "pair 3", 3),
        ("number", 3.0, 3),
        ("number", "[3]", 3),
        ("same", "Yes, they are", True),
        ("same", "no", False),
        ("winner", "Second.", "second"),
        ("winner", "the FIRST answer", "first"),
        ("names", None, []),
        ("names", "Lyra", ["Lyra"]),
        ("names", ["Lyra", 7], ["Lyra", "7"]),
    ],
)
def test_a_value_is_read_as_it_was_meant(field: str, said: object, meant: object) -> None:
    reply = json.dumps({"verdicts": [{"number": 1, field: said}]})
    reading = parse_reply(reply, Verdicts)
    assert getattr(reading.value.verdicts[0], field) == meant
    assert not reading.lost


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("score", "3 or 4"),
        ("score", {"value": 3}),
        ("number", "the third"),
        ("same", "perhaps"),
        ("winner", "first or second"),
        ("winner", "neither"),
        ("number", None),
    ],
)
def test_what_may_mean_anything_is_left_out(field: str, said: object) -> None:
    sound = [{"number": number} for number in range(5)]
    reply = json.dumps({"verdicts": [*sound[:2], {"number": 9, field: said}, *sound[2:]]})
    reading = parse_reply(reply, Verdicts)
    assert [one.number for one in reading.value.verdicts] == [0, 1, 2, 3, 4]
    assert reading.lost == {"verdicts": 1}
    assert "verdicts.2" in reading.problems


def test_an_odd_name_in_a_list_of_names_costs_that_name() -> None:
    reply = json.dumps({"verdicts": [{"number": 1, "names": ["a", {}, "b"]}]})
    reading = parse_reply(reply, Verdicts)
    assert reading.value.verdicts[0].names == ["a", "b"]
    assert reading.lost == {"names": 1}


def test_a_finding_that_is_only_a_sentence_is_its_summary() -> None:
    report = {"title": "Ships", "summary": "s", "rating": "8/10", "findings": ["It sailed.", None]}
    reading = parse_reply(json.dumps(report | {"rating_explanation": None}), CommunityReport)
    assert [one.summary for one in reading.value.findings] == ["It sailed."]
    assert reading.value.rating == 8.0
    assert reading.lost == {"findings": 1}


@pytest.mark.parametrize(
    "reply",
    [
        {"verdicts": [{"number": None}, {}]},  # nothing is left: that is no empty list
        {"verdicts": "none"},
        {"others": []},
    ],
)
def test_a_reply_of_which_nothing_can_be_read_is_an_error(reply: object) -> None:
    with pytest.raises(BadReplyError):
        parse_reply(json.dumps(reply), Verdicts)


def ask(chat: FakeChat) -> tuple[Extraction, Models]:
    models = Models(chat=chat, embedder=None, settings=Settings())
    return asyncio.run(models.json(PROMPT, Extraction, kind="extract")), models


def test_where_much_is_lost_the_model_is_asked_once_more_with_what_was_wrong() -> None:
    chat = FakeChat([extraction(*[{"type": "ship"}] * 10), extraction({"type": "ship"})])
    found, models = ask(chat)
    assert len(found.entities) == 20
    assert "entities.20.name" in chat.calls[1][-1].content
    assert models.notes == ("1 of the entities that the model sent could not be read",)


@pytest.mark.parametrize("second", ["no JSON at all", extraction(*[{"type": "ship"}] * 20)])
def test_of_two_replies_the_better_counts(second: str) -> None:
    found, models = ask(FakeChat([extraction(*[{"type": "ship"}] * 10), second]))
    assert len(found.entities) == 20
    assert models.notes == ("10 of the entities that the model sent could not be read",)


def test_where_little_is_lost_nobody_is_asked_again() -> None:
    chat = FakeChat([extraction({"type": "ship"})])
    ask(chat)
    assert len(chat.calls) == 1
