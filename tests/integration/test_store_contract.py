"""What every store must do with tables, namespaces and writers, through `GraphStore` alone."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
import sys
from collections import namedtuple
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, cast

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graphrag.core.errors import IncompatibleIndexError, LockedError, NoIndexError
from graphrag.core.tables import EVIDENCE, TABLES, empty
from graphrag.stores import Filter, GraphStore
from tests.integration.graphs import (
    AWKWARD,
    all_vectors,
    assert_holds,
    community,
    direction,
    evidence,
    frames,
    graphs,
    hit_ids,
    ids,
    passages,
    relationship,
    run,
    snapshot,
    voyages,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.conftest import Place

pytestmark = pytest.mark.newest


def test_any_graph_comes_back_and_replaces_the_one_before(place: Place) -> None:
    @settings(
        max_examples=place.examples,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(st.lists(graphs(), min_size=1, max_size=3))
    def check(versions: list[dict[str, list[dict[str, object]]]]) -> None:
        async def scenario(store: GraphStore) -> None:
            for version in versions:
                await store.commit(snapshot(version))
                await assert_holds(store, snapshot(version))

        run(place, scenario)

    check()


@pytest.mark.parametrize("text", AWKWARD, ids=range(len(AWKWARD)))
def test_awkward_text_comes_back_as_it_went_in(place: Place, text: str) -> None:
    rows = voyages()
    rows["documents"][0] |= {"title": text, "text": text, "source": text, "error": text}
    rows["text_units"][0] |= {
        "text": text,
        "page": text,
        "start": 7,
        "end": 2**31,
        "context": text,
        "headings": [text, text],
    }
    rows["entities"][0] |= {"name": text, "type": text, "description": text, "aliases": [text]}
    rows["relationships"][0] |= {"type": text, "description": text}
    rows["mentions"][0] |= {"description": text}
    finding: dict[str, object] = {"summary": text, "explanation": text, "text_unit_ids": []}
    rows["reports"][0] |= {"title": text, "summary": text, "findings": [finding]}
    rows["claims"] = [{"id": "c", "subject": text, "text_unit_id": rows["text_units"][0]["id"]}]

    async def scenario(store: GraphStore) -> None:
        await store.put_replies({"reply": text})
        await store.commit(snapshot(rows, reply_keys=None, meta={"note": text}))
        await assert_holds(store, snapshot(rows))
        assert await store.meta() == {"note": text}
        assert await store.replies(["reply"]) == {"reply": text}
        await store.search_text("text_units", text[:3000], k=3)
        await store.matching_documents([Filter(text or "k", "=", (text,))])

    run(place, scenario)


def test_a_namespace_may_have_any_name(place: Place) -> None:
    async def main() -> None:
        for text in AWKWARD:
            async with place.open(text[:300]) as store:
                assert store.namespace == place.prefix + text[:300]
                assert await store.replies(None) == {}
                await store.put_replies({"reply": text})
        for text in AWKWARD:
            async with place.open(text[:300], create=False) as store:
                assert await store.replies(None) == {"reply": text}
        async with place.open() as other:
            assert set((await other.counts()).values()) == {0}

    asyncio.run(main())


def test_what_is_left_out_is_deleted_and_what_changed_is_replaced(place: Place) -> None:
    before, after = voyages(), voyages()
    for table in ("documents", "text_units", "entities", "mentions", "communities", "reports"):
        after[table] = after[table][:-1]
    after["relationships"] = []
    after["entities"][0]["description"] = "Now known for his kindness"

    async def scenario(store: GraphStore) -> None:
        for version in (before, after, before):
            await store.commit(snapshot(version))
            await assert_holds(store, snapshot(version))
        await store.commit(snapshot(after))
        assert await hit_ids(store, "text_units", "Nordenskiöld") == []
        assert await hit_ids(store, "entities", "kindness") == ids("entity", "Nansen")
        assert await hit_ids(store, "entities", "polar") == []
        assert await hit_ids(store, "reports", "passage") == []

    run(place, scenario)


def test_a_refused_commit_changes_nothing(place: Place) -> None:
    good = snapshot(voyages(), meta={"run": "1"})
    twice = good.tables["reports"].vstack(good.tables["reports"])
    wrong = replace(good, tables={**good.tables, "entities": empty("entities"), "reports": twice})

    async def scenario(store: GraphStore) -> None:
        await store.commit(good)
        with pytest.raises(ValueError, match="reports repeats a key"):
            await store.commit(wrong)
        await assert_holds(store, good)
        assert await store.meta() == {"run": "1"}

    run(place, scenario)


def test_reads_are_sorted_and_cut_to_what_was_asked(place: Place) -> None:
    rows = voyages()

    async def scenario(store: GraphStore) -> None:
        await store.commit(snapshot(rows))
        names = await store.read("entities", columns=["name", "id"])
        assert names.columns == ["name", "id"]
        assert names["id"].to_list() == sorted(ids("entity", "Nansen", "Sverdrup", "Nordenskiöld"))
        fram = ids("document", "Fram")
        units = await store.read("text_units", where=("document_id", fram), columns=["ordinal"])
        assert sorted(units["ordinal"]) == [0, 1]
        assert (await store.read("text_units", where=("ordinal", [1])))["text"].len() == 1
        assert (await store.read("mentions", where=("entity_id", []))).is_empty()
        many = [*ids("entity", "Nansen", "nobody"), *map(str, range(40_000))]
        assert (await store.read("entities", where=("id", many)))["name"].to_list() == ["Nansen"]
        for table, columns, where in [
            ("nothing", None, None),
            ("entities", ["name", "nothing"], None),
            ("entities", None, ("nothing", ["x"])),
        ]:
            with pytest.raises(ValueError, match="nothing"):
                await store.read(table, columns=columns, where=where)

    run(place, scenario)


class Name(NamedTuple):
    id: str


def record_of(table: str) -> type[tuple[object, ...]]:
    """A named tuple of all columns of `table`."""
    make = cast("Callable[..., type[tuple[object, ...]]]", namedtuple)
    record = make("Everything", [*TABLES[table]])
    record.__annotations__ = dict.fromkeys(TABLES[table], object)
    return record


RELATIONSHIP, COMMUNITY = record_of("relationships"), record_of("communities")


def test_rows_are_those_of_read_as_named_tuples(place: Place) -> None:
    async def scenario(store: GraphStore) -> None:
        await store.commit(snapshot(voyages()))
        await store.put_evidence(pl.DataFrame([evidence("e1")], schema=EVIDENCE))
        for table in TABLES:
            expected = await store.read(table)
            assert expected.height > 0 or table == "claims", table
            assert await store.rows(table, record_of(table)) == expected.rows(), table
        (unit,) = await store.rows("text_units", Name, where=("id", ids("unit", "u1")))
        assert unit == Name(*ids("unit", "u1"))
        assert await store.rows("text_units", Name, where=("id", ["nothing"])) == []
        with pytest.raises(ValueError, match="nothing"):
            await store.rows("text_units", Name, where=("nothing", ["x"]))
        with pytest.raises(ValueError, match="'id'"):
            await store.rows("evidence", Name)

    run(place, scenario)


def test_relationships_of_an_entity_are_those_at_either_end(place: Place) -> None:
    rows = voyages()
    rows["relationships"] = [
        relationship("Nansen", "Sverdrup"),
        relationship("Nordenskiöld", "Nansen"),
        relationship("Sverdrup", "Nordenskiöld") | {"weight": 5.0},
        relationship("Sverdrup", "Nordenskiöld", "admires") | {"weight": 7.0},
    ]

    async def scenario(store: GraphStore) -> None:
        await store.commit(snapshot(rows))
        between, other, heavy, heaviest = frames(rows)["relationships"].rows()
        nansen, both = ids("entity", "Nansen"), ids("entity", "Nansen", "Sverdrup")
        found = await store.relationships_of(nansen, RELATIONSHIP, most=9)
        assert found == sorted([between, other])
        assert await store.relationships_of(both, RELATIONSHIP, most=9) == [
            *(between, heaviest, heavy, other)
        ]
        found = await store.relationships_of([*both, both[0]], Name, most=2)
        assert [one.id for one in found] == [between[0], heaviest[0]]
        assert await store.relationships_of(ids("entity", "nobody"), RELATIONSHIP, most=9) == []
        assert await store.relationships_of([], RELATIONSHIP, most=9) == []

    run(place, scenario)


def test_documents_of_text_units_come_once_each(place: Place) -> None:
    tables = frames(voyages())
    units, documents = tables["text_units"], tables["documents"]

    async def scenario(store: GraphStore) -> None:
        await store.commit(snapshot(voyages()))
        assert units.height > documents.height > 1
        found = await store.documents_of(units["id"].to_list(), Name)
        assert [one.id for one in found] == documents["id"].sort().to_list()
        found = await store.documents_of([units["id"][0], "nothing"], Name)
        assert [one.id for one in found] == [units["document_id"][0]]
        assert await store.documents_of([], Name) == []

    run(place, scenario)


def test_memberships_of_an_entity_are_those_of_all_levels(place: Place) -> None:
    rows = voyages()
    rows["communities"].append(community("all", ["Nansen", "Sverdrup", "Nordenskiöld"], level=1))

    async def scenario(store: GraphStore) -> None:
        await store.commit(snapshot(rows))
        asked = ids("entity", "Nordenskiöld", "Nansen", "nobody")
        expected = [
            (entity, one["id"], one["level"], one["parent_id"])
            for one in frames(rows)["communities"].iter_rows(named=True)
            for entity in one["entity_ids"]
            if entity in asked
        ]
        assert len(expected) == 4
        assert await store.memberships_of([*asked, asked[0]]) == sorted(expected)
        await store.commit(snapshot(voyages()))
        found = await store.memberships_of(asked[:1])
        assert [one.community_id for one in found] == ids("community", "vega")
        assert await store.memberships_of([]) == []

    run(place, scenario)


def test_evidence_is_kept_at_once_replaced_by_key_and_deleted_when_dead(place: Place) -> None:
    first = pl.DataFrame([evidence("a"), evidence("b")], schema=EVIDENCE)
    failed = evidence("b", status="failed", error="503", transient=True)
    second = pl.DataFrame([failed, evidence("c", transient=None, asked="{}")], schema=EVIDENCE)

    async def main() -> None:
        async with place.open() as store:
            await store.put_evidence(first)
            await store.put_evidence(second)
            await store.put_evidence(empty("evidence"))
        async with place.open(create=False) as store:
            held = await store.read("evidence")
            expected = pl.concat([first[:1], second])
            assert held.to_dicts() == expected.to_dicts()
            assert held.schema == EVIDENCE
            assert (await store.counts())["evidence"] == 3
            await store.commit(snapshot({}, evidence_keys=frozenset(["b", "never"])))
            assert (await store.read("evidence")).to_dicts() == second[:1].to_dicts()

    asyncio.run(main())


def test_replies_are_kept_at_once_and_deleted_when_dead(place: Place) -> None:
    async def main() -> None:
        async with place.open() as store:
            await store.put_replies({"a": "1", "b": "2", "c": ""})
            await store.put_replies({"b": "two"})
            await store.put_replies({"half a character": "\ud83d!"})
        async with place.open() as store:
            assert await store.replies(["b", "c", "x"]) == {"b": "two", "c": ""}
            assert await store.replies([]) == {}
            assert "!" in (await store.replies(["half a character"]))["half a character"]
            await store.commit(snapshot({}, reply_keys=None))
            assert await store.replies(["a", "b"]) == {"a": "1", "b": "two"}
            await store.commit(snapshot({}, reply_keys=frozenset(["a"])))
            assert await store.replies(["a", "b", "c"]) == {"a": "1"}

    asyncio.run(main())


def test_a_first_run_reads_what_it_put_and_then_what_it_committed(place: Place) -> None:
    content = snapshot(voyages(), vectors=all_vectors())

    async def main() -> None:
        async with place.open() as store, store.writing():
            await store.put_evidence(pl.DataFrame([evidence("a")], schema=EVIDENCE))
            await store.put_replies({"b": "2"})
            assert (await store.read("evidence"))["key"].to_list() == ["a"]
            assert await store.replies(["b"]) == {"b": "2"}
            assert (await store.read("documents")).equals(empty("documents"))
            assert await store.known_vectors(list(content.vectors)) == set()
            await store.commit(content)
            assert (await store.read("documents")).height == content.tables["documents"].height
            assert await store.known_vectors(list(content.vectors)) == set(content.vectors)
        async with place.open() as store, store.writing():
            assert (await store.read("documents")).height == content.tables["documents"].height

    asyncio.run(main())


def test_meta_is_that_of_the_last_commit(place: Place) -> None:
    async def scenario(store: GraphStore) -> None:
        assert await store.meta() == {}
        await store.commit(snapshot({}, meta={"graph_hash": "1", "old": "x"}))
        await store.commit(snapshot({}, meta={"graph_hash": "2"}))
        assert await store.meta() == {"graph_hash": "2"}

    run(place, scenario)


def test_namespaces_do_not_meet(place: Place) -> None:
    mine, theirs = voyages(), voyages()
    mine["text_units"] = mine["text_units"][:1]
    mine["mentions"] = mine["mentions"][:1]
    theirs["text_units"][0]["text"] = "Their secret harbour"
    theirs["entities"][0]["description"] = "Their secret friend"
    ours = snapshot(mine, vectors={"entities": all_vectors()["entities"]}, meta={"who": "me"})
    others = snapshot(theirs, vectors=all_vectors(), meta={"who": "they"}, reply_keys=None)

    async def main() -> None:
        async with place.open("one") as one, place.open("two") as two:
            await two.put_evidence(pl.DataFrame([evidence("a")], schema=EVIDENCE))
            await two.put_replies({"a": "theirs"})
            await two.commit(replace(others, evidence_keys=frozenset(["a"])))
            await one.commit(ours)
            await assert_holds(one, ours)
            await assert_holds(two, others)
            assert await hit_ids(one, "text_units", "secret") == []
            assert await hit_ids(one, "entities", "secret") == []
            assert await hit_ids(two, "text_units", "secret") == ids("unit", "u1")
            assert await one.replies(["a"]) == {}
            assert (await one.read("evidence")).is_empty()
            assert await one.search_vectors("text_units", direction(0), k=9) == []
            assert await one.known_vectors(sorted(others.vectors)) == set(ours.vectors)
            nansen = ids("entity", "Nansen")
            assert len(await one.relationships_of(nansen, Name, most=9)) == 1
            await one.delete_all()
            assert set((await one.counts()).values()) == {0}
            assert await one.meta() == {}
            assert await one.known_vectors(sorted(ours.vectors)) == set()
            assert await hit_ids(one, "entities", "explorer") == []
            await assert_holds(two, others)
            assert await two.meta() == {"who": "they"}
            assert await two.replies(["a"]) == {"a": "theirs"}
            assert (await two.counts())["evidence"] == 1
            assert await hit_ids(two, "entities", "explorer") == ids("entity", "Nordenskiöld")
            await one.commit(ours)
            await assert_holds(one, ours)

    asyncio.run(main())


def test_scores_do_not_depend_on_other_namespaces(place: Place) -> None:
    async def main() -> None:
        async with place.open("one") as one, place.open("two") as two:
            await one.commit(snapshot(passages("red boat", "blue boat", "green tree")))
            before = await one.search_text("text_units", "red boat", k=5)
            await two.commit(snapshot(passages(*["red red red"] * 50)))
            assert await one.search_text("text_units", "red boat", k=5) == before

    asyncio.run(main())


def test_what_was_never_made_is_not_opened_for_reading(place: Place) -> None:
    async def main() -> None:
        with pytest.raises(NoIndexError) as caught:
            async with place.open("first", create=False):
                pass
        assert "graphrag index" in caught.value.hint
        async with place.open("second"):
            pass
        with pytest.raises(NoIndexError, match="first"):
            async with place.open("first", create=False):
                pass
        async with place.open("second", create=False) as store:
            assert await store.meta() == {}

    asyncio.run(main())


def test_another_schema_version_is_refused(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with place.open() as store:
            await store.commit(snapshot(voyages()))
        for module in ("graphrag.core.columns", "graphrag.core.tables"):
            monkeypatch.setattr(f"{module}.SCHEMA_VERSION", "999")
        for create in (True, False):
            with pytest.raises(IncompatibleIndexError, match="999") as caught:
                async with place.open(create=create):
                    pass
            assert caught.value.hint
        async with place.open("another") as other:
            assert set((await other.counts()).values()) == {0}

    asyncio.run(main())


def test_a_second_writer_is_told_who_writes(place: Place) -> None:
    async def main() -> None:
        async with place.open() as first, place.open() as second, place.open("other") as other:
            async with first.writing():
                with pytest.raises(LockedError) as caught:
                    async with second.writing():
                        pass
                assert str(os.getpid()) in str(caught.value)
                assert socket.gethostname() in str(caught.value)
                async with other.writing():
                    await other.commit(snapshot({}))
                await first.commit(snapshot(voyages()))
                # A reader is not kept waiting.
                assert (await second.counts())["documents"] == 2
            async with second.writing():
                await second.commit(snapshot({}))
            with pytest.raises(RuntimeError, match="inside"):
                async with first.writing():
                    raise RuntimeError("inside")
            async with second.writing():
                pass

    asyncio.run(main())


_HOLD = """
import asyncio, os, sys
from pathlib import Path
from graphrag.stores import open_store

async def main(url, root, namespace):
    store = await open_store(url or None, root=Path(root), namespace=namespace)
    async with store.writing():
        print("held", flush=True)
        os._exit(0)

asyncio.run(main(*sys.argv[1:]))
"""


def test_the_lease_of_a_dead_process_is_taken_over(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    arguments = [place.url or "", str(place.root), place.prefix + "main"]
    done = subprocess.run(
        [sys.executable, "-c", _HOLD, *arguments], check=True, capture_output=True, text=True
    )
    assert done.stdout == "held\n"

    async def scenario(store: GraphStore) -> None:
        async with store.writing():
            await store.commit(snapshot(voyages()))

    run(place, scenario)
    assert re.search(r"took over .* from process \d+ on", caplog.text)


def test_an_expired_lease_is_taken_over_and_its_holder_cannot_commit(place: Place) -> None:
    async def main() -> None:
        async with place.open() as first, place.open() as second:
            late = first.writing(lease_s=-1.0)
            await late.__aenter__()
            async with second.writing():
                with pytest.raises(LockedError, match=str(os.getpid())):
                    await first.commit(snapshot(voyages()))
                await second.commit(snapshot({}, meta={"who": "second"}))
                await late.__aexit__(None, None, None)
                # The one that is late does not end the lease of the other.
                with pytest.raises(LockedError):
                    async with first.writing():
                        pass
            assert await first.meta() == {"who": "second"}

    asyncio.run(main())


def test_many_calls_at_once(place: Place) -> None:
    async def scenario(store: GraphStore) -> None:
        rows = [pl.DataFrame([evidence(str(n))], schema=EVIDENCE) for n in range(40)]
        keys = frozenset(map(str, range(40)))
        async with asyncio.TaskGroup() as group:
            for number, row in enumerate(rows):
                group.create_task(store.put_evidence(row))
                group.create_task(store.put_replies({str(number): "x"}))
                group.create_task(store.read("evidence"))
        await store.commit(snapshot(voyages(), evidence_keys=keys, reply_keys=keys))
        assert (await store.counts())["evidence"] == 40
        assert len(await store.replies(sorted(keys))) == 40

    run(place, scenario)
