"""Community reports: what reaches the model, what becomes of its reply, and what stands in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import polars as pl
import pytest

from graphrag.core.errors import (
    BadReplyError,
    ContextTooLongError,
    CostLimitError,
    ModelAuthError,
    ModelError,
)
from graphrag.core.settings import Settings
from graphrag.core.tables import COMMUNITIES, REPORTS, empty
from graphrag.indexing.graph import communities
from graphrag.indexing.graph.merging import Graph
from graphrag.indexing.reports import extractive
from graphrag.indexing.reports import write as reports
from graphrag.stores.arrays import unit_words
from graphrag.stores.contract.hierarchy import render_report
from graphrag.stores.sqlite.store import SQLiteStore
from graphrag.text import tokens
from tests.graphs import Chat, Edge, graph_of, nested, options, reply, run_of, with_store


@dataclass(frozen=True, slots=True)
class Written:
    reports: pl.DataFrame
    reply_keys: set[str]
    failures: tuple[tuple[str, str], ...]
    cut_edges: int


async def write(
    edges: list[Edge] | tuple[Graph, pl.DataFrame],
    store: SQLiteStore,
    chat: Chat | None,
    *,
    settings: Settings,
    found: pl.DataFrame | None = None,
) -> Written:
    graph, units = edges if isinstance(edges, tuple) else graph_of(edges)
    if found is None:
        found = communities.detect(graph.relationships, settings=settings.communities)
    run = run_of(store, chat, settings)
    sentences = unit_words.sentences(units)
    written, cut_edges = await reports.write(
        run, found, graph=graph, sentences=sentences, by_model=True
    )
    failures = tuple(
        (item.source.removeprefix("community "), item.reason.removeprefix("report: "))
        for item in run.failures
    )
    return Written(written, run.reply_keys, failures, cut_edges)


def test_reports_of_parts_stand_in_when_a_community_does_not_fit(tmp_path: Path) -> None:
    async def work(store: SQLiteStore) -> None:
        chat = Chat(lambda context: reply(context, "They meet [r1] and [e1]."))
        # A large budget takes no part's report, a small one does.
        for budget, expected in ((700, True), (6000, False)):
            chat.prompts.clear()
            written = await write(nested(), store, chat, settings=options(budget=budget))
            rows = [prompt for prompt in chat.prompts if re.search(r"^f\d+ \|", prompt, re.M)]
            assert bool(rows) == expected
            assert set(written.reports["method"]) == {"model"}
            for prompt in rows:
                assert re.search(r"^f\d+ \| About s\dc\dn\d \| What they do\.$", prompt, re.M)
                assert chat.prompts.index(prompt) > 0

    with_store(tmp_path, work)


def test_cited_parts_lead_to_their_text_units(tmp_path: Path) -> None:
    async def work(store: SQLiteStore) -> None:
        def answer(context: str) -> Mapping[str, object]:
            return reply(context, "So it is [f2]." if "\nf2 |" in context else "They meet [r1].")

        written = await write(nested(), store, Chat(answer), settings=options(budget=700))
        units = written.reports["findings"].list.first().struct.field("text_unit_ids")
        assert units.list.len().to_list() == [1] * written.reports.height

    with_store(tmp_path, work)


def test_citations_are_checked_and_taken_out(tmp_path: Path) -> None:
    edges = [("a", "b"), ("b", "c"), ("a", "c")]
    said = "First [r1]. Second [e1, r99] and (R2; e2) here 【r3】. An aside (really) stays [sic]."

    async def work(store: SQLiteStore) -> None:
        chat = Chat(lambda context: reply(context, said))
        written = await write(edges, store, chat, settings=options())
        (finding,) = written.reports.row(0, named=True)["findings"]
        assert finding["explanation"] == ("First. Second and here. An aside (really) stays [sic].")
        assert sorted(finding["text_unit_ids"]) == ["u000", "u001", "u002"]
        uncited = await write(
            [("x", "y"), ("y", "z"), ("x", "z")],
            store,
            Chat(lambda context: reply(context, "Nothing is cited [r77].")),
            settings=options(),
        )
        (finding,) = uncited.reports.row(0, named=True)["findings"]
        assert finding["explanation"] == "Nothing is cited."
        assert finding["text_unit_ids"] == []

    with_store(tmp_path, work)


def test_each_id_leads_to_its_own_units(tmp_path: Path) -> None:
    edges = [("a", "b"), ("b", "c"), ("b", "d")]

    async def work(store: SQLiteStore) -> None:
        chat = Chat(lambda context: reply(context, "One thing [r2]."))
        written = await write(edges, store, chat, settings=options())
        second = re.search(r"^r2 \| (\w) \| (\w) \|", chat.prompts[0], re.MULTILINE)
        assert second is not None
        place = edges.index((second[1], second[2]))
        (finding,) = written.reports.row(0, named=True)["findings"]
        assert finding["text_unit_ids"] == [f"u{place:03}"]

    with_store(tmp_path, work)


def test_unchanged_input_is_never_asked_twice(tmp_path: Path) -> None:
    edges = nested()

    async def work(store: SQLiteStore) -> None:
        chat = Chat(reply)
        first = await write(edges, store, chat, settings=options(budget=700))
        calls = len(chat.prompts)
        assert calls == first.reports.height
        again = await write(edges, store, chat, settings=options(budget=700))
        assert again.reports.equals(first.reports)
        assert again.reply_keys == first.reply_keys
        assert again.cut_edges == first.cut_edges
        assert len(chat.prompts) == calls
        graph, units = graph_of(edges)
        changed = pl.when(pl.col("source_id").str.starts_with("s0c0")).then(pl.lit("New."))
        graph = Graph(
            graph.entities,
            graph.relationships.with_columns(changed.otherwise("description").alias("description")),
            graph.mentions,
            graph.claims,
            graph.joins,
        )
        after = await write((graph, units), store, chat, settings=options(budget=700))
        old = set(first.reports["input_hash"])
        new = set(after.reports["input_hash"]) - old
        assert 0 < len(new) < calls
        assert len(chat.prompts) == calls + len(new)

    with_store(tmp_path, work)


def test_small_communities_are_extracted_and_lone_ones_left_out(tmp_path: Path) -> None:
    rows = [
        ("trio", 0, None, 3, ["a", "b", "c"]),
        ("pair", 0, None, 2, ["x", "y"]),
        ("lone", 0, None, 1, ["z"]),
    ]
    found = pl.DataFrame(rows, schema=COMMUNITIES, orient="row")
    graph, units = graph_of([("a", "b"), ("b", "c"), ("x", "y"), ("y", "z")])

    async def work(store: SQLiteStore) -> None:
        written = await write((graph, units), store, Chat(reply), settings=options(), found=found)
        methods = dict(written.reports.select("community_id", "method").rows())
        assert methods == {"trio": "model", "pair": "extractive"}

    with_store(tmp_path, work)


def test_without_a_model_sentences_are_taken_and_cited(tmp_path: Path) -> None:
    async def work(store: SQLiteStore) -> None:
        edges = nested()
        graph, units = graph_of(edges)
        written = await write((graph, units), store, None, settings=options())
        texts: dict[str, str] = dict(units.select("id", "text").rows())
        found = communities.detect(graph.relationships, settings=options().communities)
        members: dict[str, list[str]] = dict(found.select("id", "entity_ids").rows())
        assert written.reports.schema == REPORTS
        assert set(written.reports["community_id"]) == set(found["id"])
        for row in written.reports.iter_rows(named=True):
            assert row["method"] == "extractive"
            assert "No model" in row["rating_explanation"]
            assert 0 <= row["rating"] <= 10
            assert set(row["title"].split(", ")) <= set(members[row["community_id"]])
            assert 1 <= len(row["findings"]) <= 5
            assert row["n_tokens"] == tokens.count(render_report(row))
            for finding in row["findings"]:
                (unit,) = finding["text_unit_ids"]
                assert finding["explanation"] in texts[unit]
                assert finding["explanation"].startswith("On that day")
                assert set(finding["summary"].split(", ")) <= set(members[row["community_id"]])
        largest = found.sort("size", "id")["id"][-1]
        ratings = dict(written.reports.select("community_id", "rating").rows())
        assert ratings[largest] == max(ratings.values())
        shuffled = Graph(
            graph.entities.reverse(),
            graph.relationships.reverse(),
            graph.mentions.sample(fraction=1, shuffle=True, seed=3),
            graph.claims,
            graph.joins,
        )
        again = await write((shuffled, units.reverse()), store, None, settings=options())
        assert again.reports.equals(written.reports)

    with_store(tmp_path, work)


def test_descriptions_stand_in_where_no_sentence_names_a_member(tmp_path: Path) -> None:
    async def work(store: SQLiteStore) -> None:
        graph, units = graph_of([("a", "b"), ("b", "c"), ("a", "c")])
        nowhere = graph.mentions.with_columns(
            pl.lit([], dtype=pl.List(pl.Int64)).alias("sentences")
        )
        silent = Graph(graph.entities, graph.relationships, nowhere, graph.claims, graph.joins)
        written = await write((silent, units), store, None, settings=options())
        (row,) = written.reports.to_dicts()
        said = {finding["explanation"] for finding in row["findings"]}
        assert said == {"a knows b.", "b knows c.", "a knows c."}

    with_store(tmp_path, work)


def test_failed_report_is_extracted_named_and_tried_again(tmp_path: Path) -> None:
    async def work(store: SQLiteStore) -> None:
        broken = True

        def answer(context: str) -> Mapping[str, object] | ModelError:
            if broken and "| x |" in context:
                return BadReplyError("it is not JSON")
            return reply(context)

        edges = [("a", "b"), ("b", "c"), ("a", "c"), ("x", "y"), ("y", "z"), ("x", "z")]
        chat = Chat(answer)
        first = await write(edges, store, chat, settings=options())
        ((community, reason),) = first.failures
        methods = dict(first.reports.select("community_id", "method").rows())
        assert sorted(methods.values()) == ["extractive", "model"]
        assert methods[community] == "extractive"
        assert "it is not JSON" in reason
        broken = False
        chat.prompts.clear()
        second = await write(edges, store, chat, settings=options())
        assert len(chat.prompts) == 1
        assert second.failures == ()
        assert set(second.reports["method"]) == {"model"}

    with_store(tmp_path, work)


def test_refused_key_ends_the_run_and_keeps_what_was_paid_for(tmp_path: Path) -> None:
    async def work(store: SQLiteStore) -> None:
        refused = True

        def answer(context: str) -> Mapping[str, object] | ModelError:
            last = refused and len(chat.prompts) > 3
            return ModelAuthError("wrong key") if last else reply(context)

        chat = Chat(answer)
        config = options(budget=700)
        config = config.model_copy(
            update={"chat": config.chat.model_copy(update={"concurrency": 1})}
        )
        with pytest.raises(ModelAuthError, match="wrong key"):
            await write(nested(), store, chat, settings=config)
        paid = len(chat.prompts) - 1
        assert paid == 3
        refused = False
        chat.prompts.clear()
        written = await write(nested(), store, chat, settings=config)
        assert len(chat.prompts) == written.reports.height - paid

    with_store(tmp_path, work)


def test_cost_limit_leaves_the_rest_to_extraction(tmp_path: Path) -> None:
    async def work(store: SQLiteStore) -> None:
        chat = Chat(
            lambda context: CostLimitError("the limit") if len(chat.prompts) > 2 else reply(context)
        )
        config = options()
        config = config.model_copy(
            update={"chat": config.chat.model_copy(update={"concurrency": 1})}
        )
        written = await write(nested(), store, chat, settings=config)
        assert len(chat.prompts) == 3
        methods = written.reports["method"].to_list()
        assert methods.count("model") == 2
        ((_, reason),) = written.failures
        assert reason.startswith("the limit")
        assert f"{len(methods) - 2} reports" in reason

    with_store(tmp_path, work)


def test_dead_server_is_not_asked_for_every_report(tmp_path: Path) -> None:
    async def work(store: SQLiteStore) -> None:
        chat = Chat(lambda context: ModelError("down", transient=True))
        edges = [
            edge
            for part in range(60)
            for edge in combinations((f"a{part}", f"b{part}", f"c{part}"), 2)
        ]
        written = await write(edges, store, chat, settings=options())
        assert written.reports.height == 60
        assert set(written.reports["method"]) == {"extractive"}
        assert written.failures
        assert len(chat.prompts) < 60

    with_store(tmp_path, work)


def test_context_that_is_too_long_for_the_model_is_shortened(tmp_path: Path) -> None:
    async def work(store: SQLiteStore) -> None:
        def answer(context: str) -> Mapping[str, object] | ModelError:
            too_long = tokens.count(context) > 400
            return ContextTooLongError("too long") if too_long else reply(context)

        names = [f"n{place}" for place in range(9)]
        graph = graph_of(list(combinations(names, 2)), description="well known " * 8)
        config = options(budget=1000, clusters=20)
        chat = Chat(answer)
        written = await write(graph, store, chat, settings=config)
        assert written.reports["method"].to_list() == ["model"]
        assert written.failures == ()
        assert written.cut_edges > 0
        calls = len(chat.prompts)
        again = await write(graph, store, chat, settings=config)
        assert again.reports.equals(written.reports)
        # A refused prompt costs nothing; the reply that was paid for is not asked for again.
        assert all(tokens.count(prompt) > 400 for prompt in chat.prompts[calls:])

    with_store(tmp_path, work)


@pytest.mark.parametrize(("given_", "kept"), [(99, 10.0), (-3, 0.0), (6.5, 6.5)])
def test_ratings_and_findings_are_bounded(tmp_path: Path, given_: float, kept: float) -> None:
    async def work(store: SQLiteStore) -> None:
        finding = {"summary": "One.", "explanation": "So [r1]."}
        blank = {"summary": " ", "explanation": ""}
        wide = {**reply(), "rating": given_, "findings": [blank, *[finding] * 20]}
        written = await write(
            [("a", "b"), ("b", "c")], store, Chat(lambda _: wide), settings=options()
        )
        (row,) = written.reports.to_dicts()
        assert row["rating"] == kept
        assert len(row["findings"]) == 8
        assert {item["summary"] for item in row["findings"]} == {"One."}

    with_store(tmp_path, work)


def test_report_as_markdown() -> None:
    findings = [{"summary": "One.", "explanation": "So it is.", "text_unit_ids": ["u"]}]
    report = {"title": "Title", "summary": "Short.", "findings": findings}
    assert render_report(report) == "# Title\n\nShort.\n\n## One.\n\nSo it is."


def test_no_communities_no_reports(tmp_path: Path) -> None:
    async def work(store: SQLiteStore) -> None:
        graph, units = graph_of([("a", "b")])
        none = empty("communities")
        written = await write((graph, units), store, Chat(reply), settings=options(), found=none)
        assert written.reports.is_empty()
        assert written.reports.schema == REPORTS

    with_store(tmp_path, work)


def test_extracted_reports_are_the_same_however_many_members_are_looked_at_together() -> None:
    graph, units = graph_of(nested())
    settings = options()
    found = communities.detect(graph.relationships, settings=settings.communities)

    def extracted(members: int) -> list[extractive.ReportRow]:
        sentences = unit_words.sentences(units)
        return extractive.extract_reports(
            found, graph=graph, sentences=sentences, settings=settings.reports, together=members
        )

    whole = extracted(100_000)
    assert len(whole) > 3
    assert all(report.findings for report in whole)
    assert extracted(3) == whole
