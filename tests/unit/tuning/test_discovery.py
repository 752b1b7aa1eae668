"""What the model reports of passages: dropped without a name to show, merged, kept by frequency."""

from __future__ import annotations

from graphrag.tuning.discovery import (
    MAX_TERMS,
    MAX_TYPES,
    DiscoverReply,
    FoundRelation,
    FoundTerm,
    FoundType,
    _relations,
    _terms,
    _types,
)
from graphrag.tuning.grounding import SourceText

TEXT = "The Great Eastern laid a cable for the Telegraph Company (TC), and TC paid John Pender."


def seen(*replies: DiscoverReply, text: str = TEXT) -> list[tuple[SourceText, DiscoverReply]]:
    return [(SourceText(text), reply) for reply in replies]


def typed(*names: str, example: str = "Great Eastern") -> DiscoverReply:
    return DiscoverReply(entity_types=[FoundType(name=name, examples=[example]) for name in names])


def termed(term: str, *variants: str) -> DiscoverReply:
    return DiscoverReply(terms=[FoundTerm(term=term, variants=[*variants])])


def test_types_are_counted_by_passage_and_merged_by_stem() -> None:
    found = seen(typed("ship", "Ships"), typed("ships"), typed("company"), typed("companies"))
    # "ships" is written in two passages, "ship" in one; of equally frequent ones the shortest.
    assert _types(found, "en") == {"ships": 2, "company": 2}


def test_a_type_without_a_name_in_the_passage_is_dropped() -> None:
    found = seen(typed("ship"), typed("spirit", example="Ghost"), typed("", "a, b", "{{text}}"))
    assert _types(found, "en") == {"ship": 1}
    assert _types(seen(DiscoverReply(entity_types=[FoundType(name="ship")])), "en") == {}


def test_rare_types_go_once_there_are_four_passages() -> None:
    three = seen(typed("ship", "cable"), typed("ship"), typed("ship"))
    assert _types(three, "en") == {"ship": 3, "cable": 1}
    assert _types([*three, *seen(typed("ship"))], "en") == {"ship": 4}
    # Where none is frequent the rare ones are better than nothing.
    each = seen(*(typed(name) for name in ("ship", "cable", "port", "crew")))
    assert _types(each, "en") == {"ship": 1, "cable": 1, "port": 1, "crew": 1}


def test_there_are_at_most_twelve_types_and_order_does_not_matter() -> None:
    names = [f"kind {word}" for word in "abcdefghijklmnopqrs"]
    replies = [typed(*names[: 14 + number]) for number in range(5)]
    found = _types(seen(*replies), "en")
    assert len(found) == MAX_TYPES
    assert _types(seen(*reversed(replies)), "en") == found


def test_relations_need_both_ends_in_the_passage() -> None:
    def related(target: str) -> DiscoverReply:
        tie = FoundRelation(name="Paid by", source="John Pender", target=target)
        return DiscoverReply(relation_types=[tie])

    assert _relations(seen(related("Telegraph Company")), "en") == {"paid by": 1}
    assert _relations(seen(related("Queen Victoria")), "en") == {}


def test_terms_come_with_the_variants_that_the_passage_holds() -> None:
    found = seen(termed("Telegraph Company", "TC", "the Firm", "Telegraph Company"))
    assert _terms(found) == (("Telegraph Company", "TC"),)
    assert _terms(seen(termed("Telegraph Company", "the Firm"))) == ()
    assert _terms(seen(termed("Nowhere Inc", "TC"))) == ()


def test_a_variant_of_two_terms_belongs_to_neither() -> None:
    found = seen(termed("Telegraph Company", "TC"), termed("John Pender", "TC"))
    assert _terms(found) == ()
    chained = seen(termed("Telegraph Company", "TC"), termed("TC", "John Pender"))
    assert _terms(chained) == (("TC", "John Pender"),)


def test_there_are_at_most_fifty_terms() -> None:
    text = " ".join(f"Name{number} Long{number}" for number in range(80))
    found = seen(*(termed(f"Long{number}", f"Name{number}") for number in range(80)), text=text)
    assert len(_terms(found)) == MAX_TERMS
