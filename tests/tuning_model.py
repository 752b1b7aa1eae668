"""A scripted model for tuning: what it knows of a small collection, and how well it extracts.

It says nothing about real models: which set of prompts wins is decided here, by construction.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from graphrag.testing import ChatRequest, Rule, TestServer
from graphrag.testing.replies import extract

MARK = "Tell a ship from the company that sent it"  # how the notes of every prompt begin
KOREAN_MARK = "배와 회사를 구별하라"
GHOSTS = json.dumps(
    {
        "entities": [
            {"name": f"Ghost {name}", "type": "spirit", "description": "It is not there."}
            for name in ("One", "Two", "Three")
        ],
        "relationships": [
            {
                "source": "Ghost One",
                "target": "Ghost Two",
                "type": "haunts",
                "description": "They haunt each other.",
                "strength": 1,
            }
        ],
    }
)
PLACES = ("Valentia", "Porthcurno", "Heart's Content", "Brest", "Suez", "Bombay", "Aden", "Lisbon")
KOREAN_PLACES = ("부산", "인천", "목포", "군산", "원산", "여수", "마산", "제주")


def write_corpus(folder: Path, *, count: int = 8) -> Path:
    """`count` documents of one text unit each."""
    folder.mkdir(parents=True)
    for number, place in enumerate(PLACES[:count]):
        (folder / f"{number}.txt").write_text(
            f"The steamer Iris {number} of the Eastern Telegraph Company (ETC) left {place} in "
            f"18{60 + number}. John Pender sent William Thomson along to watch the cable. At "
            f"{place} the Eastern Telegraph Company built a station, and John Pender opened it "
            f"with a message to London. William Thomson measured the current at {place} twice.\n",
            encoding="utf-8",
        )
    return folder


def write_korean_corpus(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for number, place in enumerate(KOREAN_PLACES):
        (folder / f"{number}.txt").write_text(
            f"대한해운공사의 기선 {number}호는 {place} 항을 떠났다. 김선장은 {place}에서 화물을 "
            f"실었고, 박기사는 기관을 살폈다. 대한해운공사는 {place}에 지점을 세웠다. 김선장과 "
            f"박기사는 {place}에서 이 배의 항해 기록을 함께 남겼다. 그 기록은 지금도 남아 있다.\n",
            encoding="utf-8",
        )
    return folder


def profile(_: ChatRequest) -> str:
    return json.dumps(
        {
            "domain": "Reports on submarine telegraph cables of the 1860s.",
            "persona": "A historian of telegraphy who knows its ships and companies.",
            "rating_criterion": "How much of the network depended on it.",
        }
    )


def discover(request: ChatRequest) -> str:
    """Types that the passage bears out, one that it does not, and a term with its short form."""
    place = re.search(r"left ([A-Z][\w' ]+?) in", request.block("text"))
    return json.dumps(
        {
            "entity_types": [
                {"name": "Cable Ship", "examples": ["Iris"]},
                {"name": "companies", "examples": ["Eastern Telegraph Company"]},
                {"name": "engineer", "examples": ["William Thomson"]},
                {"name": "station", "examples": [place[1] if place else "nowhere"]},
                {"name": "spirit", "examples": ["Ghost One"]},
            ],
            "relation_types": [
                {"name": "sent by", "source": "William Thomson", "target": "John Pender"},
                {"name": "haunted by", "source": "Ghost One", "target": "John Pender"},
            ],
            "terms": [
                {"term": "Eastern Telegraph Company", "variants": ["ETC", "Ghost Company"]},
                {"term": "Ghost One", "variants": ["ETC"]},
            ],
        }
    )


def example(request: ChatRequest) -> str:
    """A short extraction whose names are in the passage."""
    names = {"John Pender": "engineer", "William Thomson": "engineer"}
    place = re.search(r"left ([A-Z][\w' ]+?) in", request.block("text"))
    names |= {place[1]: "station"} if place else {}
    return json.dumps(
        {
            "entities": [
                {"name": name, "type": kind, "description": f"{name} is named."}
                for name, kind in names.items()
            ],
            "relationships": [
                {
                    "source": "John Pender",
                    "target": "William Thomson",
                    "type": "sent",
                    "description": "John Pender sent William Thomson along.",
                    "strength": 6,
                }
            ],
        }
    )


def discover_korean(_: ChatRequest) -> str:
    return json.dumps(
        {
            "entity_types": [
                {"name": "선박", "examples": ["기선"]},
                {"name": "회사", "examples": ["대한해운공사"]},
                {"name": "인물", "examples": ["김선장"]},
            ],
            "relation_types": [{"name": "소속", "source": "김선장", "target": "대한해운공사"}],
            "terms": [],
        }
    )


def example_korean(_: ChatRequest) -> str:
    names = {"대한해운공사": "회사", "김선장": "인물"}
    return json.dumps(
        {
            "entities": [
                {"name": name, "type": kind, "description": f"{name}는 글에 나온다."}
                for name, kind in names.items()
            ],
            "relationships": [
                {
                    "source": "김선장",
                    "target": "대한해운공사",
                    "type": "소속",
                    "description": "김선장은 대한해운공사에서 일한다.",
                    "strength": 7,
                }
            ],
        }
    )


def extract_korean(request: ChatRequest) -> str:
    """The names of `write_korean_corpus` that the text holds, the first tied to the others."""
    text = request.block("text")
    names = [name for name in ("김선장", "대한해운공사", "박기사", *KOREAN_PLACES) if name in text]
    return json.dumps(
        {
            "entities": [
                {"name": name, "type": "인물", "description": f"{name}는 글에 나온다."}
                for name in names
            ],
            "relationships": [
                {
                    "source": names[0],
                    "target": name,
                    "type": "함께",
                    "description": f"{names[0]}과 {name}는 함께 나온다.",
                    "strength": 3,
                }
                for name in names[1:]
            ],
        }
    )


def notes(_: ChatRequest) -> str:
    return f"{MARK}."


def notes_in_korean(_: ChatRequest) -> str:
    return f"{KOREAN_MARK}."


def ghosts(_: ChatRequest) -> str:
    return GHOSTS


def is_tuned(request: ChatRequest) -> bool:
    return MARK in request.instructions or KOREAN_MARK in request.instructions


def is_extraction(request: ChatRequest) -> bool:
    return request.fields >= {"entities", "relationships"} and "<text>" in request.data


def rules(
    *,
    haunted: Callable[[ChatRequest], bool] = lambda _: False,
    found: Callable[[ChatRequest], str] = discover,
    worked: Callable[[ChatRequest], str] = example,
    written: Callable[[ChatRequest], str] = notes,
    preferred: Callable[[ChatRequest], str] = lambda _: '{"better": "neither"}',
    extracted: Callable[[ChatRequest], str] = extract,
) -> Sequence[Rule]:
    """`haunted` extractions name ghosts; the other ones name what the text holds."""

    def asks(*names: str) -> Callable[[ChatRequest], bool]:
        return lambda request: request.fields.issuperset(names)

    return [
        Rule("tune_profile", asks("persona"), profile),
        Rule("tune_discover", asks("entity_types", "relation_types"), found),
        Rule(
            "tune_example",
            lambda request: is_extraction(request) and "worked example" in request.instructions,
            worked,
        ),
        Rule("tune_write", lambda request: "<collection>" in request.data, written),
        Rule("tune_judge", asks("better"), preferred),
        Rule("extract", lambda request: is_extraction(request) and haunted(request), ghosts),
        Rule("extract", is_extraction, extracted),
    ]


def packaged_is_haunted(request: ChatRequest) -> bool:
    return not is_tuned(request)


def calls(server: TestServer) -> dict[str, int]:
    return {kind: counts["calls"] for kind, counts in server.stats().get("chat", {}).items()}
