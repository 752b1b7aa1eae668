"""Global search with reports rated from the root: what is read, what is not, what fails."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from graphrag.core.answers import Answer
from graphrag.core.errors import ModelError, UsageError
from graphrag.core.settings_file import load_settings
from graphrag.core.tables import stable_id
from graphrag.models.servers import open_models
from graphrag.query import router
from graphrag.query.context import Question, Resources
from graphrag.stores import open_store, parse_filter
from graphrag.testing import ChatRequest, Fault, Rule, TestServer
from tests.integration.graphs import (
    community,
    document,
    entity,
    mention,
    report,
    snapshot,
    unit,
)

ASKED = "What went to the islands?"
# Each community with the one above it; the reports of all say the same but for their name.
PARENTS: Mapping[str, str | None] = {
    "North": None,
    "South": None,
    "West": None,
    "North Coast": "North",
    "North Hills": "North",
    "South Coast": "South",
    "South Hills": "South",
    "North Coast Harbour": "North Coast",
    "North Coast Farms": "North Coast",
    "South Hills Mine": "South Hills",
}
LEVELS = {name: name.count(" ") for name in PARENTS}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("regions")
    leaves = [name for name in PARENTS if name not in PARENTS.values()]

    def reported(name: str) -> dict[str, object]:
        below = [leaf for leaf in leaves if leaf.startswith(name)]
        row = report(name, f"The {name} region", f"What {name} lived on.")
        finding = {
            "summary": f"{name} traded salt",
            "explanation": f"Salt went from {name} to the islands.",
            "text_unit_ids": [stable_id("unit", leaf) for leaf in below],
        }
        return row | {"findings": [finding]}

    rows: dict[str, list[dict[str, object]]] = {
        "documents": [document(name, metadata={"leaf": name}) for name in leaves],
        "text_units": [
            unit(name, name, f"Salt went from {name} to the islands.") for name in leaves
        ],
        "entities": [entity(name) for name in leaves],
        "mentions": [mention(name, name) for name in leaves],
        "communities": [
            community(name, [leaf for leaf in leaves if leaf.startswith(name)], level=LEVELS[name])
            | {"parent_id": None if parent is None else stable_id("community", parent)}
            for name, parent in PARENTS.items()
        ],
        "reports": [reported(name) for name in PARENTS],
    }

    async def write() -> None:
        store = await open_store(None, root=folder, namespace="default")
        async with store.writing():
            await store.commit(snapshot(rows, meta={"language": "en"}))
        await store.close()

    asyncio.run(write())
    return folder


@dataclass
class Asking:
    """One question's surroundings: the regions, scripted ratings, a response cache."""

    index: Path
    folder: Path
    ratings: Mapping[str, float] = field(default_factory=dict[str, float])
    rated: list[str] = field(default_factory=list[str])
    read: list[str] = field(default_factory=list[str])

    def __call__(
        self,
        ratings: Mapping[str, float] | None = None,
        *faults: Fault,
        level: int | None = None,
        filters: Sequence[str] = (),
        **options: object,
    ) -> Answer:
        self.ratings = ratings or {}
        self.rated.clear()
        self.read.clear()
        question = Question(
            ASKED, method="global", level=level, filters=tuple(map(parse_filter, filters))
        )
        rules = [
            Rule("rate", lambda one: "<report>" in one.data, self.rate),
            Rule("map", lambda one: "<reports>" in one.data, self.map),
        ]
        with TestServer(rules=rules, faults=faults, latency={"rate": 0.03}) as server:
            self.url = server.url
            try:
                return asyncio.run(self._run(question, options))
            finally:
                self.stats = server.stats().get("chat", {})

    async def _run(self, question: Question, options: Mapping[str, object]) -> Answer:
        settings = load_settings(
            self.folder,
            options={
                "query.global.dynamic": True,
                **{f"query.global.{name}": value for name, value in options.items()},
            },
            environ={"OPENAI_BASE_URL": self.url, "OPENAI_API_KEY": "test"},
        )
        store = await open_store(None, root=self.index, namespace="default", create=False)
        models = open_models(settings, root=self.folder)
        try:
            return await router.answer(question, Resources(store, models, settings, self.folder))
        finally:
            await models.close()
            await store.close()

    def rate(self, request: ChatRequest) -> str:
        name = named(request.block("report"))[0]
        self.rated.append(name)
        return json.dumps({"rating": self.ratings.get(name, 0), "reason": "as scripted"})

    def map(self, request: ChatRequest) -> str:
        self.read += named(request.block("reports"))
        numbers = re.findall(r"(?m)^\[(\d+)\]", request.data)
        points = [
            {"description": f"Salt went to the islands [{one}].", "score": 50} for one in numbers
        ]
        return json.dumps({"points": points})

    def calls(self, kind: str) -> int:
        return self.stats.get(kind, {}).get("calls", 0)


def named(text: str) -> list[str]:
    return re.findall(r"(?m)^# The (.*) region", text)


@pytest.fixture
def ask(index: Path, tmp_path: Path) -> Asking:
    return Asking(index, tmp_path)


def test_exactly_the_relevant_subtree_is_read(ask: Asking) -> None:
    answer = ask({"North": 4, "North Coast": 3, "North Coast Harbour": 5, "South Hills Mine": 5})
    # Level by level: all of the coarsest, then only what lies below a report that fits.
    assert [sorted(ask.rated[:3]), sorted(ask.rated[3:5]), sorted(ask.rated[5:])] == [
        ["North", "South", "West"],
        ["North Coast", "North Hills"],
        ["North Coast Farms", "North Coast Harbour"],
    ]
    assert ask.read == ["North Coast Harbour"]
    assert [report.title for report in answer.context.reports] == ["The North Coast Harbour region"]
    assert ask.calls("rate") == 7
    assert ask.calls("map") == 1
    assert ask.stats["rate"]["max_in_flight"] == 3
    assert answer.trace["ratings"] == 7
    assert answer.trace["communities"] == 1
    estimated = answer.trace["rating_tokens_estimated"]
    assert isinstance(estimated, int)
    assert estimated >= ask.stats["rate"]["prompt_tokens"]
    assert answer.answered


def test_children_that_fit_replace_their_parent_and_others_do_not(ask: Asking) -> None:
    ask({"North": 2, "North Hills": 2, "South": 2, "West": 5})
    assert sorted(ask.read) == ["North Hills", "South", "West"]


def test_parents_can_be_kept(ask: Asking) -> None:
    ask({"North": 2, "North Coast": 2, "North Coast Farms": 1}, keep_parent=True)
    assert sorted(ask.read) == ["North", "North Coast", "North Coast Farms"]


def test_the_threshold_is_a_setting(ask: Asking) -> None:
    ask({"North": 2, "South": 3}, threshold=3)
    assert ask.read == ["South"]


def test_where_nothing_fits_the_next_level_is_rated(ask: Asking) -> None:
    ask({"South Hills": 1, "South Hills Mine": 0})
    assert sorted(ask.rated[3:7]) == ["North Coast", "North Hills", "South Coast", "South Hills"]
    assert ask.rated[7:] == ["South Hills Mine"]
    assert ask.read == ["South Hills"]


def test_only_down_to_the_deepest_level(ask: Asking) -> None:
    answer = ask({"South Hills Mine": 5}, max_level=1)
    assert ask.calls("rate") == 7
    assert ask.calls("map") == 0
    assert not answer.answered
    assert "hold nothing" in answer.answer


def test_a_level_that_is_asked_for_is_the_deepest(ask: Asking) -> None:
    ask({"North": 4, "North Coast": 3, "North Coast Harbour": 5}, level=1)
    assert ask.read == ["North Coast"]
    assert ask.calls("rate") == 5
    with pytest.raises(UsageError, match="level 7"):
        ask(level=7)


def test_a_verdict_is_paid_for_once(ask: Asking) -> None:
    ratings = {"North": 4, "North Coast": 3}
    first = ask(ratings)
    again = ask(ratings)
    assert ask.calls("rate") == 0
    assert again.answer == first.answer
    assert again.trace["verdicts"] == first.trace["verdicts"]
    assert again.usage.cached_calls == first.usage.chat_calls


def test_a_report_that_cannot_be_rated_is_read_with_a_warning(ask: Asking) -> None:
    answer = ask({"West": 2}, Fault("wrong_json", kind="rate", match="The South region"))
    (warning,) = answer.warnings
    assert "'The South region' could not be rated" in warning
    assert sorted(ask.read) == ["South", "West"]
    assert ask.calls("rate") == 3 + 1 + 2  # one is asked again, its two children are rated


def test_no_rating_at_all_is_an_error(ask: Asking) -> None:
    with pytest.raises(ModelError, match="rate any of 3 reports"):
        ask({"West": 2}, Fault("wrong_json", kind="rate"))


def test_a_filter_leaves_out_what_other_documents_say(ask: Asking) -> None:
    everything = dict.fromkeys(PARENTS, 3.0)
    answer = ask(everything, filters=["leaf=North Coast Farms"])
    assert set(ask.rated) == {"North", "North Coast", "North Coast Farms"}
    assert ask.read == ["North Coast Farms"]
    assert [passage.title for passage in answer.context.text_units] == ["North Coast Farms"]


def test_without_a_chat_model_one_level_is_read(ask: Asking) -> None:
    (ask.folder / "graphrag.yaml").write_text("chat:\n  model: null\n")
    answer = ask()
    assert ask.calls("rate") == 0
    assert "no chat model rates the reports" in answer.warnings[0]
    assert {report.level for report in answer.context.reports} == {0, 1}


# --- map replies, with and without ratings -----------------------------------------------------


def test_a_map_reply_is_asked_again_and_then_reported(ask: Asking) -> None:
    wrong = Fault("wrong_json", kind="map", times=1)
    assert not ask(None, wrong, dynamic=False, batch_tokens=150).warnings
    batches = ask.calls("map") // 2
    assert batches > 1
    (ask.folder / ".graphrag" / "cache.db").unlink()
    lasting = Fault("wrong_json", kind="map", match="The South Coast region")
    answer = ask(None, lasting, dynamic=False, batch_tokens=150)
    (warning,) = answer.warnings
    assert f"of {batches} of the reports could not be read" in warning
    assert ask.calls("map") == batches + 1
    assert answer.answered


def test_no_data_and_no_reply_are_different(ask: Asking) -> None:
    nothing = ask(dict.fromkeys(PARENTS, 0.0))
    assert not nothing.answered
    (ask.folder / ".graphrag" / "cache.db").unlink()
    with pytest.raises(ModelError, match="could not read any"):
        ask({"West": 5}, Fault("wrong_json", kind="map"))
