"""Path arrays: what they hold, that they come back from disk, and that order does not matter."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from graphrag import text as analysis
from graphrag.stores.arrays import building, packed, unit_words
from graphrag.stores.arrays.packed import Lists, Strings
from graphrag.stores.arrays.path_index import PathIndex, find_names, fold, folder_of
from graphrag.stores.arrays.postings import Head, read_units
from graphrag.stores.arrays.subjects import owned_names

Tables = tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]
FILMS = {
    "Blood Street": "Blood Street is a film of 1988 by Leo Fong. Leo Fong plays in it.",
    "Leo Fong": "Leo Fong (born 1928) is an actor. He made Blood Street in Manila.",
    "Manila": "Manila is a city. Films are made there.",
}


def tables(texts: dict[str, str], names: dict[str, list[str]] | None = None) -> Tables:
    """A unit and a document for each title; entities by name with their aliases."""
    ids = [f"u{place}" for place in range(len(texts))]
    documents = [f"d{place}" for place in range(len(texts))]
    entities = names or {}
    return (
        pl.DataFrame({"id": ids, "document_id": documents, "text": list(texts.values())}),
        pl.DataFrame({"id": documents, "title": list(texts), "language": ["en"] * len(texts)}),
        pl.DataFrame(
            {"name": list(entities), "aliases": list(entities.values())},
            schema={"name": pl.String, "aliases": pl.List(pl.String)},
        ),
    )


def arrays(index: PathIndex) -> dict[str, NDArray[np.generic]]:
    return dict(packed.arrays(index))


def assert_equal(one: PathIndex, other: PathIndex) -> None:
    left, right = arrays(one), arrays(other)
    assert left.keys() == right.keys()
    for name, array in left.items():
        np.testing.assert_array_equal(array, right[name], name)


def units_of(index: PathIndex, name: str) -> list[str]:
    node = int(index.name_nodes[index.names.find(name)])
    return [index.units[unit] for unit in index.node_units[node]]


def test_which_units_name_it_and_which_are_about_it() -> None:
    index = building.build(*tables(FILMS, {"Leo Fong": ["Leo Fung"]}))
    assert units_of(index, "leo fong") == units_of(index, "leo fung") == ["u0", "u1"]
    node = int(index.name_nodes[index.names.find("blood street")])
    assert index.node_owners[node].tolist() == [0]
    assert index.spelling(node) == "blood street"
    assert units_of(index, "manila") == ["u1", "u2"]
    assert index.linked_share() == 1.0


def test_a_term_of_the_title_counts_more() -> None:
    index = building.build(*tables({"Otter": "The otter swims.", "x": "An otter swims."}))
    span = index.term_units.span(index.terms.find("otter"))
    weights = dict(zip(index.term_units.items[span], index.term_weights[span], strict=True))
    assert 1 > weights[0] > weights[1] > 0


def test_the_sentences_know_their_names() -> None:
    index = building.build(*tables(FILMS))
    first, end = index.unit_sentences[1:3]
    manila = int(index.name_nodes[index.names.find("manila")])
    named = [manila in index.sentence_nodes[line] for line in range(first, end)]
    assert named == [False, True]


def test_round_trip_is_mapped_into_memory(tmp_path: Path) -> None:
    built = building.build(*tables(FILMS, {"Leo Fong": ["Leo Fung"]}))
    built.save(tmp_path / "arrays")
    loaded = PathIndex.load(tmp_path / "arrays")
    assert loaded is not None
    assert isinstance(loaded.term_weights.base, np.memmap)
    assert_equal(built, loaded)
    built.save(tmp_path / "arrays")  # again, over what is there
    assert [path.name for path in tmp_path.iterdir()] == ["arrays"]


def test_an_index_without_text_or_names(tmp_path: Path) -> None:
    for name, given_tables in (("none", tables({})), ("silent", tables({"": "…"}))):
        built = building.build(*given_tables)
        built.save(tmp_path / name)
        loaded = PathIndex.load(tmp_path / name)
        assert loaded is not None
        assert_equal(built, loaded)
        assert loaded.linked_share() == 0.0


@pytest.mark.parametrize("keep", [0, 40, -4])
def test_damaged_arrays_count_as_missing(tmp_path: Path, keep: int) -> None:
    building.build(*tables(FILMS)).save(tmp_path / "arrays")
    for path in sorted((tmp_path / "arrays").iterdir()):
        whole = path.read_bytes()
        path.write_bytes(whole[:keep])
        assert PathIndex.load(tmp_path / "arrays") is None, path.name
        path.write_bytes(whole)
    assert PathIndex.load(tmp_path / "arrays") is not None
    (tmp_path / "arrays" / "terms.data.npy").unlink()
    assert PathIndex.load(tmp_path / "arrays") is None
    assert PathIndex.load(tmp_path / "nowhere") is None


@given(st.integers(0, 99))
def test_the_order_of_rows_does_not_matter(seed: int) -> None:
    shuffled = [
        frame.sample(fraction=1, shuffle=True, seed=seed)
        for frame in tables(FILMS, {"Leo Fong": ["Leo Fung"], "Manila": [], "Asia": []})
    ]
    straight = tables(FILMS, {"Leo Fong": ["Leo Fung"], "Manila": [], "Asia": []})
    assert_equal(building.build(*straight), building.build(*shuffled))


def test_the_content_hash_follows_content() -> None:
    base = tables(FILMS, {"Leo Fong": []})
    assert building.content_hash(*base) == building.content_hash(*base)
    changed = tables(FILMS | {"Manila": "Manila is a town."}, {"Leo Fong": ["L. Fong"]})
    assert building.content_hash(*base) != building.content_hash(*changed)


def test_a_name_put_together_from_names_stands_for_them_too() -> None:
    names = ["Hiran region of Otterland", "Colombo, Otterland", "Otterland", "Grey Otter Bank"]
    texts = {
        "a": "Nobody saw Hiran region of Otterland.",
        "b": "Nobody saw Colombo, Otterland.",
        "c": "Nobody saw Otterland.",
        "d": "Nobody saw Grey Otter Bank.",
        "Otter": "Otter swims.",
    }
    index = building.build(*tables(texts, {name: [] for name in names}))
    assert units_of(index, "otterland") == ["u0", "u1", "u2"]
    assert units_of(index, "colombo otterland") == ["u1"]
    assert "u3" not in units_of(index, "otter")  # all of its words are one name


def test_arrays_of_an_earlier_content_are_discarded(tmp_path: Path) -> None:
    before, now = {"content_hash": "a"}, {"content_hash": "b"}
    for meta in (before, now):
        building.build(*tables(FILMS)).save(folder_of(tmp_path, meta))
    building.discard(tmp_path, before=now, now=now)
    assert PathIndex.load(folder_of(tmp_path, before)) is not None
    building.discard(tmp_path, before=before, now=now)
    assert PathIndex.load(folder_of(tmp_path, before)) is None
    assert PathIndex.load(folder_of(tmp_path, now)) is not None


@pytest.mark.parametrize(
    ("title", "text", "names"),
    [
        ("Mercury (planet)", "Mercury is near the sun.", {"mercury planet", "mercury"}),
        ("Paris, Texas", "Paris is a town.", {"paris texas", "paris"}),
        ("", "Rosa Maria Lopez (born 1950) was a poet.", {"rosa maria lopez", "rosa lopez"}),
        ("page-17", "The Ems rises there.", {"ems"}),  # a title that the text never uses
        ("", "it rains here.", set[str]()),
        ("", "Me and Otto Can is a film.", {"me and otto can"}),  # with the stop words in it
        ("", "Gaby: A True Story is a film.", {"gaby a true story"}),
        (
            "",
            "Onika Maraj (born 1982), known professionally as Nicki Minaj, sings.",
            {"nicki minaj"},
        ),
        ("0012_Blood_Street.txt", "Blood Street is a film.", {"blood street"}),
        ("Ems - A Gazetteer", "The Ems is a river.", {"ems"}),
        ("page-17", "# Ems\n\nThe river rises there; the Ems is long.", {"ems"}),
        ("", "Many came to see it.", set[str]()),
        ("Many", "Many is a village.", {"many"}),  # but a title is a name
    ],
)
def test_what_a_unit_is_about(title: str, text: str, names: set[str]) -> None:
    owned = owned_names(title, text, common={"many", "rains"})
    assert names <= owned.keys()
    assert bool(owned) == bool(names)
    assert all(0 < weight <= 1 for weight in owned.values())


def test_the_share_of_units_that_define_something() -> None:
    talk = {"a": "Ruth: late again?", "b": "Omar said no.", "c": "It rains.", "d": "Go on."}
    assert building.build(*tables(talk)).defining_share() == 0.0
    assert building.build(*tables(FILMS)).defining_share() == 1.0
    assert building.build(*tables(FILMS | talk)).defining_share() == pytest.approx(3 / 7)


def test_a_mention_with_a_middle_name_leads_to_the_unit_about_it() -> None:
    texts = {
        "f": "El Tonto is a film by Robert North Bradbury.",
        "p": "Robert N. Bradbury was a director.",
    }
    index = building.build(*tables(texts, {"Robert North Bradbury": []}))
    assert units_of(index, "robert bradbury") == ["u0", "u1"]


def test_words_that_only_begin_sentences_are_no_names() -> None:
    lines = {"": "Suddenly it rained.", "b": "It came suddenly.", "c": "Ruth left suddenly."}
    index = building.build(*tables(lines))
    assert not index.names.has("suddenly")
    assert index.names.has("ruth")


def test_the_longest_name_is_found() -> None:
    known = {"new york", "york", "the new school", "new"}.__contains__

    def found(text: str, *, capitals: bool = True) -> set[str]:
        return find_names(text.split(), known, capitals=capitals)

    assert found("He left New York early") == {"new york"}
    assert found("at The New School in York") == {"the new school", "york"}
    assert found("a new york minute") == set()
    assert found("a new york minute", capitals=False) == {"new york"}


WORDS = st.sampled_from(["The", "the", "new", "New", "York", "of", "Of", "1928", "école", "Ş", "x"])
PROSE = st.lists(
    st.tuples(WORDS, st.sampled_from([" ", ". ", "\n\n", ", "])).map("".join), max_size=30
).map("".join)
NAMES = st.lists(WORDS.map(fold), min_size=1, max_size=4).map(" ".join)


@given(
    texts=st.lists(st.tuples(PROSE, st.sampled_from(["en", "de", "und"])), max_size=5),
    names=st.lists(NAMES, unique=True),
    also=st.dictionaries(NAMES, st.lists(NAMES, max_size=2)),
)
def test_units_read_together_are_as_each_sentence_by_itself(
    texts: list[tuple[str, str]], names: list[str], also: dict[str, list[str]]
) -> None:
    lookup = {name: place // 2 for place, name in enumerate(names)}
    inner = {name: other for name, other in also.items() if {name, *other} <= lookup.keys()}
    ids = [f"u{place:03}" for place in range(len(texts))]
    words_of = {"id": ids, "text": [text for text, _ in texts]}
    schema = {"id": pl.String, "text": pl.String}
    words = unit_words.read(pl.DataFrame(words_of, schema=schema))
    heads = [Head("The New York", language) for _, language in texts]
    reading = read_units(words, heads, lookup, inner=inner)
    terms, nodes = reading.sentence_terms.lists(), reading.sentence_nodes.lists()
    spelled = list(reading.terms)
    sentence = 0
    for place, (text, language) in enumerate(texts):
        assert reading.unit_sentences[place] == sentence
        counted = Counter(2 * analysis.terms("The New York", language))
        for start, end in analysis.sentences(text):
            spoken = analysis.words(text[start:end])
            said = analysis.terms_of(spoken, language)
            counted.update(said)
            assert {spelled[term] for term in terms[sentence].tolist()} == set(said)
            assert terms.length(sentence) == len(set(said))
            found = find_names(spoken, lookup.__contains__)
            found |= {other for name in found for other in inner.get(name, ())}
            assert nodes[sentence].tolist() == sorted({lookup[name] for name in found})
            sentence += 1
        span = reading.unit_terms.lists().span(place)
        of_unit = [spelled[term] for term in reading.unit_terms.items[span]]
        often = reading.frequencies[span]
        assert dict(zip(of_unit, often, strict=True)) == counted
    assert reading.unit_sentences[-1] == sentence


@given(st.lists(st.text(), unique=True))
def test_strings_are_found_where_they_are(values: list[str]) -> None:
    ordered = sorted(values, key=lambda value: value.encode("utf-8", "surrogatepass"))
    strings = Strings.pack(ordered)
    assert [strings[place] for place in range(len(strings))] == ordered
    assert [strings.find(value) for value in ordered] == list(range(len(ordered)))
    assert strings.find("no such \x00 value") == -1


@given(st.lists(st.lists(st.integers(0, 99))))
def test_lists_come_back(rows: list[list[int]]) -> None:
    lists = Lists.pack(rows)
    assert [lists[place].tolist() for place in range(len(rows))] == rows
    assert lists.lengths().tolist() == [lists.length(place) for place in range(len(rows))]


def test_every_field_is_saved(tmp_path: Path) -> None:
    building.build(*tables(FILMS)).save(tmp_path / "arrays")
    stems = {path.name.split(".")[0] for path in (tmp_path / "arrays").iterdir()}
    assert stems == {field.name for field in fields(PathIndex)}
