"""Tell of which type a part of a question speaks, and which way its relation leads."""

from __future__ import annotations

from collections.abc import Sequence

from graphrag.query.table.graph import Refusal
from graphrag.query.table.plan import Direction, Link
from graphrag.query.table.rules.draft import Chunk, Draft
from graphrag.query.table.rules.tokens import Token


class Subjects:
    """What stands at both ends of the relations of a question."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._graph = draft.graph

    def kinds(self, name: str) -> list[str]:
        ids = self._graph.ids_named(name)
        kinds = self._graph.entities.filter(self._graph.entities["id"].is_in(ids))["kind"]
        found = kinds.drop_nulls().unique().sort().to_list()
        if not found:
            raise Refusal(f"{name!r} has no type in this graph")
        return found

    def end(self, end: Token | None) -> tuple[str, str, list[str]]:
        if end is None:
            return "", "", []
        if end.kind == "type":
            return end.name("type"), "", [end.name("type")]
        if "type" in end.means:
            return end.name("type"), end.name("name"), [end.name("type")]
        return "", end.name("name"), self.kinds(end.name("name"))

    def subject(
        self, chunk: Chunk, kinds: Sequence[str], last: tuple[Link, Chunk, str] | None
    ) -> str:
        """Of which type a chunk speaks: by what its relation joins, the nearest first."""
        head = self._draft.plan.type
        if last and chunk.words and chunk.joined == "that" and last[1] is not chunk:
            return self._spoken_of(chunk, kinds, last)
        if last is None or not chunk.relation:
            return head
        nearest = last[2]
        fits = [
            one for one in ((nearest, head) if chunk.joined == "that" else (head, nearest))
            if one and self._joins(one, chunk.relation, kinds)
        ]  # fmt: skip
        if not fits and not self._joins(head, chunk.relation, ()):
            raise Refusal(f"it is not plain to what {chunk.relation!r} belongs here")
        return fits[0] if fits else head

    def _spoken_of(self, chunk: Chunk, kinds: Sequence[str], last: tuple[Link, Chunk, str]) -> str:
        """Of which type a chunk of words speaks: what the schema joins, else what "that" is of.

        Raises Refusal where it may be either: sentences are asked of both ends of a hop.
        """
        head, before, nearest = self._draft.plan.type, last[1], last[2]
        met = {frozenset((source, target)) for source, _, target in self._graph.triples}
        fits = [one for one in (head, nearest) if one and any(
            frozenset((one, kind)) in met for kind in kinds
        )]  # fmt: skip
        if len(fits) == 1:
            return fits[0]
        if nearest and chunk.relative and not (before.inverted or before.passive):
            return nearest
        raise Refusal(
            f"it is not plain whether {' '.join(chunk.words)!r} is said of {head} or of "
            f"{nearest or 'what stands before it'}",
            hint="Ask in two questions, or declare the relations under triples in schema.yaml.",
        )

    def _joins(self, subject: str, relation: str, kinds: Sequence[str]) -> bool:
        return any(self._ways(subject, relation, kinds))

    def _ways(self, subject: str, relation: str, kinds: Sequence[str]) -> tuple[bool, bool]:
        """Whether the relation leads from the type to one of `kinds`, and whether back."""
        seen = self._graph.triples
        ends = set(kinds) | {"*"}

        def met(one: str, other: str, wanted: set[str]) -> bool:
            return one in (subject, "*") and (not kinds or other in wanted)

        out = any(met(source, target, ends) for source, name, target in seen if name == relation)
        back = any(met(target, source, ends) for source, name, target in seen if name == relation)
        return out, back

    def direction(self, subject: str, chunk: Chunk, kinds: Sequence[str]) -> Direction:
        if not chunk.relation:
            self.check_related(subject, kinds)
            return "any"
        out, back = self._ways(subject, chunk.relation, kinds)
        schema = self._graph.schema
        if not out and not back and schema.is_strict and schema.triples:
            raise Refusal(
                f"the schema has no relation {chunk.relation!r} of {subject} "
                f"with {' or '.join(kinds) or 'anything'}"
            )
        if out and back:
            return "in" if chunk.passive else "out"
        return "any"

    def check_related(self, subject: str, kinds: Sequence[str]) -> None:
        """Raises Refusal where nothing relates the type with any of `kinds`."""
        met = {frozenset((source, target)) for source, _, target in self._graph.triples}
        if kinds and not self._graph.by_sentences and not any(
            frozenset((one, kind)) in met or frozenset((one, "*")) in met
            for kind in kinds for one in (subject,)
        ):  # fmt: skip
            raise Refusal(f"no relation of this graph leads from {subject} to {' or '.join(kinds)}")
