"""Names that users and models choose become labels and keys that need no quoting."""

from __future__ import annotations

import re

from graphrag.stores.neo4j.cypher import (
    OWN_TYPES,
    RELATED,
    namespace_label,
    relationship_type,
    type_label,
)
from tests.hostile import HOSTILE


def test_namespace_labels_differ_and_are_plain() -> None:
    names = ["a", "a:b", "a_b", "A", "", "`) DETACH DELETE n //", "新聞", "x" * 500]
    labels = [namespace_label(name) for name in names]
    assert len({label.lower() for label in labels}) == len(names)
    assert all(re.fullmatch(r"NS_[A-Za-z0-9_]+", label) for label in labels)


def test_the_label_of_a_type_is_not_longer_than_a_name() -> None:
    assert type_label("a" * 300 + "_b") == "A" + "a" * 59


def test_relationship_types_are_words_and_none_of_ours() -> None:
    assert relationship_type("works for") == "WORKS_FOR"
    assert relationship_type("Gründete (1856)") == "GRÜNDETE_1856"
    assert relationship_type("属于") == "属于"
    for own in OWN_TYPES:
        assert relationship_type(own.lower().replace("_", " ")) == f"REL_{own}"
    assert relationship_type("3d model of") == "REL_3D_MODEL_OF"
    for nothing in ("", " ", "-->", "`"):
        assert relationship_type(nothing) == RELATED
    for text in HOSTILE.values():
        assert re.fullmatch(r"(?:[^\W_]|_)+", relationship_type(text))
        assert relationship_type(text) not in OWN_TYPES
        assert len(relationship_type(text)) <= 64
