"""What every store must find: words, vectors and filters, through `GraphStore` alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from graphrag.core.columns import window_id
from graphrag.core.errors import IncompatibleIndexError
from graphrag.core.tables import stable_id
from graphrag.stores import Filter, GraphStore, SearchTable, Snapshot, VectorTable, parse_filter
from tests.integration.graphs import (
    all_vectors,
    direction,
    document,
    entity,
    hit_ids,
    ids,
    passages,
    people,
    run,
    snapshot,
    unit,
    voyages,
    window,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tests.integration.conftest import Place

pytestmark = pytest.mark.newest


def test_the_row_with_the_rarer_word_and_the_title_comes_first(place: Place) -> None:
    rows = passages(
        "The harbour was quiet and the boats lay still.",
        "The harbour had a lighthouse and boats.",
        "Boats and more boats.",
        "Nothing to see.",
        "A quiet day.",
    )

    async def scenario(store: GraphStore) -> None:
        await store.commit(snapshot(rows))
        found = await hit_ids(store, "text_units", "Which boats passed the lighthouse?")
        assert found[0] == stable_id("unit", "1")
        assert set(found) == set(ids("unit", "0", "1", "2"))
        assert await hit_ids(store, "text_units", "boat lighthouses", k=1) == found[:1]
        assert await hit_ids(store, "text_units", "boats", k=0) == []
        await store.commit(
            snapshot(
                {
                    "entities": [
                        entity("Harbour", description="A quiet day at sea"),
                        entity("Sea", description="The harbour is far away"),
                        entity("Day", description="Nothing"),
                        entity("Night", description="Nothing"),
                        entity("Noon", description="Nothing"),
                    ]
                }
            )
        )
        assert (await hit_ids(store, "entities", "harbour")) == ids("entity", "Harbour", "Sea")

    run(place, scenario)


@pytest.mark.parametrize(
    ("language", "body", "query"),
    [
        ("en", "They were running through cafés", "runs"),
        ("en", "They were running through cafés", "CAFE"),
        ("de", "Die Häuser am Fluss", "Haus"),
        ("fr", "Les chevaux mangeaient", "mangeait"),
        ("ru", "Большие города", "город"),
        ("zh", "东京是日本的首都", "日本首都"),
        ("ja", "京都は古い都市です", "京都"),
        ("ko", "서울은 대한민국의 수도이다", "대한민국"),
        ("und", "xyzzy 42nd", "XYZZY"),
        ("en", "Chapter 1984 begins", "1984"),
        ("en", "𝒳 marks 😀 the \U00020000\U00020001 spot", "\U00020000\U00020001"),
    ],
)
def test_words_are_found_in_other_forms_and_scripts(
    place: Place, language: str, body: str, query: str
) -> None:
    english = passages("Completely unrelated text in English", "Another one")
    rows = passages("filler", "filler", body)
    rows["documents"][2]["language"] = language

    async def scenario(store: GraphStore) -> None:
        await store.commit(snapshot(rows))
        assert await hit_ids(store, "text_units", query) == ids("unit", "2")
        await store.commit(snapshot(english))
        assert await hit_ids(store, "text_units", query) == []

    run(place, scenario)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "  ",
        "the of and",
        "?!*",
        '"',
        "'",
        "\\",
        "\x00",
        "\udce9",
        "*:*",
        "title:nothing",
        "a~b^2 [x TO y] {z} !b && ||",
    ],
)
def test_a_query_without_words_finds_nothing_and_harms_nothing(place: Place, query: str) -> None:
    async def scenario(store: GraphStore) -> None:
        await store.commit(snapshot(passages("some words here")))
        assert await hit_ids(store, "text_units", query) == []

    run(place, scenario)


@pytest.mark.parametrize(
    "query",
    [
        'drift AND nothing NOT ice OR (NEAR "x" *) ^2',
        "body:drift -ice +nothing",
        "drift~1 dri* /d.*/",
        "drift\x00",
        "'drift'; DELETE",
        "drift " + " ".join(f"w{number}" for number in range(900)),
    ],
)
def test_operators_in_a_query_are_only_text(place: Place, query: str) -> None:
    async def scenario(store: GraphStore) -> None:
        await store.commit(snapshot(passages("They drift apart", "Something else entirely")))
        assert await hit_ids(store, "text_units", query) == ids("unit", "0")

    run(place, scenario)


def test_document_frequencies_count_the_units_with_a_term(place: Place) -> None:
    rows = passages("Boats, boats", "A boat", "Trees", "京都は古い")

    async def scenario(store: GraphStore) -> None:
        await store.commit(snapshot(rows))
        asked = ["boat", "tree", "京都", "nothing", 'q"*']
        assert await store.document_frequencies(asked) == (
            4,
            {"boat": 2, "tree": 1, "京都": 1, "nothing": 0, 'q"*': 0},
        )

    run(place, scenario)


def test_equal_rows_are_ordered_by_id(place: Place) -> None:
    rows = passages(*["the same words"] * 30, "other", "other", "other")

    async def scenario(store: GraphStore) -> None:
        await store.commit(snapshot(rows))
        expected = sorted(ids("unit", *map(str, range(30))))
        assert await hit_ids(store, "text_units", "words", k=50) == expected
        assert await hit_ids(store, "text_units", "words", k=7) == expected[:7]

    run(place, scenario)


SHELVES: list[dict[str, object]] = [
    {"year": 1893, "price": 9.5, "shelf": "A", "loan": True, "code": "007"},
    {"year": 1878, "price": 10, "shelf": "B", "loan": False, "code": "7"},
    {"year": 1900.0, "shelf": None, "it's": 'a "quoted" `key`'},
    {"year": "unknown", "shelf": "C,D", "emoji 👩‍👩‍👧": "東京"},
    {},
]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("year=1893", "0"),
        ("year=1893.0", "0"),
        ("year=١٨٩٣", ""),
        ("year=1900", "2"),
        ("year=1893,1878", "01"),
        ("year!=1893", "1234"),
        ("year!=1893,1878", "234"),
        ("year>=1893", "023"),  # text sorts after digits
        ("year<=1893", "01"),
        ("year>=2e3", "3"),
        ("year=unknown", "3"),
        ("year>=u", "3"),
        ("price>=9.6", "1"),
        ("price<=9.6", "0"),
        ("price<=100", "01"),
        ("shelf=A", "0"),
        ("shelf=A,B", "01"),
        ("shelf=C,D", ""),
        ("shelf!=A", "1234"),
        ("shelf>=B", "13"),
        ("shelf<=A", "0"),
        ("shelf=null", ""),
        ("loan=true", "0"),
        ("loan=false", "1"),
        ("loan=1", ""),
        ("code=7", "1"),
        ("code=007", "0"),
        ("code=07", ""),
        ("missing=x", ""),
        ("missing!=x", "01234"),
        ("missing>=", ""),
        ('it\'s=a "quoted" `key`', "2"),
        ("emoji 👩‍👩‍👧=東京", "3"),
        ("source=doc0.txt", "0"),
        ("source!=doc0.txt", "1234"),
        ("title=doc1,doc2", "12"),
        ("title>=doc3", "34"),
        ("language=de", "4"),
        ("language!=de", "0123"),
        ("language>=e", "012"),
        ("' OR 1=1 --=x", ""),
        ("shelf=' OR 1=1 --", ""),
        ("metadata={}", ""),
        ("id!=x", "01234"),
    ],
)
def test_a_filter_leaves_the_documents_that_pass(
    place: Place, condition: str, expected: str
) -> None:
    languages = ["en", "en", "en", None, "de"]
    rows = {
        "documents": [
            document(f"doc{number}", metadata=metadata, language=languages[number])
            for number, metadata in enumerate(SHELVES)
        ],
        "text_units": [unit(str(number), f"doc{number}", "word") for number in range(len(SHELVES))],
    }
    expected_documents = sorted(stable_id("document", f"doc{number}") for number in expected)

    async def scenario(store: GraphStore) -> None:
        await store.commit(snapshot(rows))
        assert await store.matching_documents([parse_filter(condition)]) == expected_documents
        found = await hit_ids(store, "text_units", "word", condition)
        assert found == sorted(ids("unit", *expected))

    run(place, scenario)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("source=TechCrunch", "0"),
        ("source=doc1.txt", "1"),  # of its own it says nothing
        ("source=doc0.txt", ""),
        ("doc.source=doc0.txt", "0"),
        ("doc.source=TechCrunch", ""),
        ("source!=TechCrunch", "12"),
        ("title<=1984", "1"),
        ("title=doc2", "2"),
        ("doc.title=doc1", "1"),
        ("language=German,en", "012"),
        ("doc.language=en", "012"),
        ("doc.id!=x", "012"),
        ("doc.shelf=A", "2"),
    ],
)
def test_metadata_comes_before_our_own_fields(place: Place, condition: str, expected: str) -> None:
    told: list[dict[str, object]] = [
        {"source": "TechCrunch", "language": "German"},
        {"source": None, "title": 1984},
        {"doc.shelf": "A"},
    ]
    documents = [document(f"doc{number}", metadata=one) for number, one in enumerate(told)]

    async def scenario(store: GraphStore) -> None:
        await store.commit(snapshot({"documents": documents}))
        found = await store.matching_documents([parse_filter(condition)])
        assert found == sorted(stable_id("document", f"doc{number}") for number in expected)

    run(place, scenario)


def test_all_filters_must_pass_and_no_filter_leaves_all(place: Place) -> None:
    rows = {
        "documents": [
            document(f"doc{number}", metadata=metadata) for number, metadata in enumerate(SHELVES)
        ]
    }

    async def scenario(store: GraphStore) -> None:
        await store.commit(snapshot(rows))
        assert len(await store.matching_documents([])) == len(SHELVES)
        both = [parse_filter("year>=1800"), parse_filter("shelf!=A")]
        expected = sorted(ids("document", "doc1", "doc2", "doc3"))
        assert await store.matching_documents(both) == expected
        assert await store.matching_documents([Filter("shelf", "=", ())]) == []
        assert len(await store.matching_documents([Filter("shelf", "!=", ())])) == len(SHELVES)

    run(place, scenario)


def test_a_filter_leaves_entities_and_reports_of_the_documents(place: Place) -> None:
    async def scenario(store: GraphStore) -> None:
        await store.commit(snapshot(voyages(), vectors=all_vectors()))
        explorers = await hit_ids(store, "entities", "explorer")
        assert set(explorers) == set(ids("entity", "Nansen", "Nordenskiöld"))
        early = await hit_ids(store, "entities", "explorer", "year<=1880")
        assert early == ids("entity", "Nordenskiöld")
        assert await hit_ids(store, "entities", "explorer", "shelf=A") == ids("entity", "Nansen")
        assert await hit_ids(store, "reports", "expedition", "shelf=B") == ids("community", "vega")
        assert await hit_ids(store, "reports", "expedition", "shelf=Z") == []
        tables: list[SearchTable] = ["text_units", "entities", "reports"]
        for table, kind, name in zip(
            tables, ["unit", "entity", "community"], ["u3", "Nordenskiöld", "vega"], strict=True
        ):
            hits = await store.search_vectors(
                table, direction(0), k=5, filters=[parse_filter("shelf=B")]
            )
            assert [hit.id for hit in hits] == ids(kind, name)

    run(place, scenario)


def test_vector_search_equals_brute_force(place: Place) -> None:
    generator = np.random.default_rng(3)
    names = ids("entity", *map(str, range(300)))
    vectors = {
        key: generator.standard_normal(24).astype(np.float32) * generator.uniform(0.1, 9)
        for key in names
    }
    vectors = {key: vector.astype(np.float32) for key, vector in vectors.items()}
    vectors[names[7]] = vectors[names[8]] = vectors[names[9]] * 2

    async def scenario(store: GraphStore) -> None:
        await store.commit(snapshot(people(300), vectors={"entities": vectors}))
        for question in (generator.standard_normal(24).astype(np.float32), vectors[names[9]]):
            cosine = {
                key: float(vector @ question / np.linalg.norm(vector) / np.linalg.norm(question))
                for key, vector in vectors.items()
            }
            best = sorted(names, key=lambda key: (-round(cosine[key], 5), key))[:10]
            hits = await store.search_vectors("entities", question, k=10)
            assert [hit.id for hit in hits] == best
            assert [hit.score for hit in hits] == pytest.approx(
                [cosine[key] for key in best], abs=1e-3
            )
        assert len(await store.search_vectors("entities", question, k=1000)) == 300
        assert await store.search_vectors("entities", question, k=0) == []
        assert await store.search_vectors("reports", question, k=5) == []

    run(place, scenario)


def test_vectors_come_back_for_their_rows(place: Place) -> None:
    vectors = all_vectors()
    first = snapshot(voyages(), vectors=vectors)
    keys = sorted(first.vectors)

    async def scenario(store: GraphStore) -> None:
        nothing, none = await store.vectors("entities")
        assert nothing == []
        assert len(none) == 0
        await store.commit(first)
        assert (await store.vectors("text_units"))[0] == []
        for table, of_table in vectors.items():
            found, matrix = await store.vectors(table)
            assert found == sorted(of_table)
            assert (await store.embedded(table)).equals(first.embedded[table].sort("id"))
            assert matrix.dtype == np.float32
            assert np.array_equal(matrix, np.stack([of_table[key] for key in found]))
        some = ids("entity", "Sverdrup", "Nansen", "nobody")
        found, matrix = await store.vectors("entities", some)
        assert found == sorted(some[:2])
        assert np.array_equal(matrix[found.index(some[0])], vectors["entities"][some[0]])
        assert await store.known_vectors([*keys, "unknown"]) == set(keys)
        # The second commit brings only what the store does not know.
        await store.commit(replace(first, vectors={}))
        assert (await store.vectors("reports"))[0] == sorted(vectors["reports"])

    run(place, scenario)


def test_a_vector_goes_with_the_last_row_that_has_it(place: Place) -> None:
    vectors = all_vectors()
    first = snapshot(voyages(), vectors=vectors)
    fewer = snapshot(voyages(), vectors={"entities": vectors["entities"]})

    async def scenario(store: GraphStore) -> None:
        await store.commit(first)
        await store.commit(replace(fewer, vectors={}))
        assert await store.known_vectors(sorted(first.vectors)) == set(fewer.vectors)
        assert (await store.vectors("windows"))[0] == []
        assert await store.search_vectors("text_units", direction(0), k=3) == []
        assert len(await store.search_vectors("entities", direction(0), k=3)) == 3

    run(place, scenario)


def test_a_changed_vector_is_searched_at_once(place: Place) -> None:
    key = stable_id("entity", "0")

    async def scenario(store: GraphStore) -> None:
        for axis in (0, 1):
            vectors: dict[VectorTable, dict[str, NDArray[np.float32]]] = {
                "entities": {key: direction(axis)}
            }
            await store.commit(snapshot(people(1), vectors=vectors))
            (hit,) = await store.search_vectors("entities", direction(0), k=1)
            assert hit.score == pytest.approx(1 - axis, abs=1e-6)

    run(place, scenario)


def test_vectors_of_another_size_are_refused(place: Place) -> None:
    names = ids("entity", "0", "1")
    good = snapshot(people(2), vectors={"entities": {key: direction(0) for key in names}})
    mixed = snapshot(
        people(2), vectors={"entities": {names[0]: direction(0), names[1]: direction(0, size=5)}}
    )
    other = snapshot(people(2), vectors={"entities": {key: direction(0, size=5) for key in names}})

    async def scenario(store: GraphStore) -> None:
        await store.commit(good)
        with pytest.raises(IncompatibleIndexError, match=r"5.*8") as caught:
            await store.search_vectors("entities", direction(0, size=5), k=3)
        assert caught.value.hint
        with pytest.raises(IncompatibleIndexError, match=r"5.*8|8.*5"):
            await store.commit(mixed)
        assert (await store.vectors("entities"))[1].shape == (2, 8)
        await store.commit(other)
        assert (await store.vectors("entities"))[1].shape == (2, 5)
        assert len(await store.search_vectors("entities", direction(0, size=5), k=3)) == 2

    run(place, scenario)


def test_a_row_whose_vector_is_not_there_is_refused(place: Place) -> None:
    vectors: dict[VectorTable, dict[str, NDArray[np.float32]]] = {
        "entities": {stable_id("entity", "0"): direction(0)}
    }

    async def scenario(store: GraphStore) -> None:
        with pytest.raises(ValueError, match="vector"):
            await store.commit(replace(snapshot(people(1), vectors=vectors), vectors={}))
        assert (await store.counts())["entities"] == 0

    run(place, scenario)


def windowed(*vectors: Sequence[NDArray[np.float32]]) -> Snapshot:
    """A document by number for each list, with one unit that has these vectors by window."""
    rows: dict[str, list[dict[str, object]]] = {"documents": [], "text_units": [], "windows": []}
    by_window: dict[str, NDArray[np.float32]] = {}
    for number, of_unit in enumerate(vectors):
        rows["documents"].append(document(str(number), metadata={"shelf": number}))
        rows["text_units"].append(unit(str(number), str(number), "text"))
        (key,) = ids("unit", str(number))
        for ordinal, vector in enumerate(of_unit):
            rows["windows"].append(window(key, ordinal))
            by_window[window_id(key, ordinal)] = vector
    return snapshot(rows, vectors={"windows": by_window})


def test_a_unit_is_as_near_as_its_nearest_window(place: Place) -> None:
    near, far, between = direction(0), direction(1), direction(0) + direction(1)
    few = windowed([between, between, between], [far, far, near], [far])

    async def scenario(store: GraphStore) -> None:
        await store.commit(few)
        units = ids("unit", "1", "0", "2")
        hits = await store.search_vectors("text_units", near, k=5)
        assert [hit.id for hit in hits] == units
        assert [hit.score for hit in hits] == pytest.approx([1, 0.707107, 0], abs=1e-5)
        beyond = [parse_filter("shelf!=1")]
        hits = await store.search_vectors("text_units", near, k=1, filters=beyond)
        assert [hit.id for hit in hits] == units[1:2]
        # A unit loses a window: its others are its vectors now.
        await store.commit(windowed([between, between], [far, far], [far]))
        (hit,) = await store.search_vectors("text_units", near, k=1)
        assert hit.id == units[1]
        # None has a vector of its own, but for other programs.
        assert (await store.embedded("text_units")).is_empty()

    run(place, scenario)


def test_windows_of_one_unit_do_not_hide_the_others(place: Place) -> None:
    """One unit has more near windows than are looked at for all that are wanted."""
    generator = np.random.default_rng(5)
    blurred = [direction(0) + generator.normal(scale=0.01, size=8) for _ in range(150)]
    crowd = [vector.astype(np.float32) for vector in blurred]
    others = [[direction(axis)] for axis in range(1, 6)]

    async def scenario(store: GraphStore) -> None:
        await store.commit(windowed(crowd, *others))
        question = (direction(0) + direction(3) / 2).astype(np.float32)
        hits = await store.search_vectors("text_units", question, k=3)
        assert [hit.id for hit in hits][:2] == ids("unit", "0", "3")
        assert len(hits) == 3
        all_but_none = [parse_filter("shelf>=0")]
        hits = await store.search_vectors("text_units", question, k=3, filters=all_but_none)
        assert [hit.id for hit in hits][:2] == ids("unit", "0", "3")

    run(place, scenario)


def test_units_of_an_earlier_version_are_found_by_their_own_vectors(place: Place) -> None:
    rows = voyages() | {"windows": []}
    of_units = dict(zip(ids("unit", "u1", "u2", "u3"), map(direction, range(3)), strict=True))

    async def scenario(store: GraphStore) -> None:
        await store.commit(snapshot(rows, vectors={"text_units": of_units}))
        (hit,) = await store.search_vectors("text_units", direction(1), k=1)
        assert hit.id == ids("unit", "u2")[0]
        assert (await store.embedded("text_units")).height == 3
        await store.commit(snapshot(voyages(), vectors=all_vectors()))
        assert (await store.embedded("text_units")).is_empty()
        assert (await store.embedded("windows")).height == len(all_vectors()["windows"])

    run(place, scenario)
