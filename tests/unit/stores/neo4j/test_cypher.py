"""Names that users and models choose become labels and keys that need no quoting."""

from __future__ import annotations

import re

from graphrag.stores.neo4j.cypher import namespace_label, type_label


def test_namespace_labels_differ_and_are_plain() -> None:
    names = ["a", "a:b", "a_b", "A", "", "`) DETACH DELETE n //", "新聞", "x" * 500]
    labels = [namespace_label(name) for name in names]
    assert len({label.lower() for label in labels}) == len(names)
    assert all(re.fullmatch(r"NS_[A-Za-z0-9_]+", label) for label in labels)


def test_the_label_of_a_type_is_not_longer_than_a_name() -> None:
    assert type_label("a" * 300 + "_b") == "A" + "a" * 59
