"""Search the indexes of one namespace by words or by a vector, with filters on documents.

Capital words stand for fragments, as in `neo4j_cypher`. A filter on documents is met inside the
vector index where the server can (from 2026 on) and few documents pass; else by looking at more
of the nearest rows than were asked for, and by exact cosine over the rows that pass when that
finds too few.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, LiteralString, cast

from graphrag.core.errors import IncompatibleIndexError, StoreError
from graphrag.stores.contract.protocol import Filter, Hit, SearchTable, VectorTable
from graphrag.stores.neo4j.connection import Connection
from graphrag.stores.neo4j.cypher import key_prefix, labelled
from graphrag.stores.neo4j.rows import (
    Searched,
    Values,
    any_of,
    embedded_windows,
    filter_parameters,
    read_searched,
    utf8,
)
from graphrag.stores.neo4j.schema import filters_inside, for_index, index_name, meta_key, read_meta
from graphrag.text import terms

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FEW_DOCUMENTS = 20  # a search inside the index for each
_MAX_COUNTS = 20_000  # document frequencies remembered
# Rows for each that is wanted. Names are short: those that share one word score alike.
_WINDOWS = 5  # to look at for each text unit that is wanted, at first
_LOOKED_AT: dict[SearchTable, int] = {"text_units": 2, "entities": 12, "reports": 2}

# A document column is text. A stored number meets a number as a number, the rest is text.
_MEETS: LiteralString = """
      CASE
        WHEN x IS NULL THEN false
        WHEN x IS :: INTEGER | FLOAT AND v.number IS NOT NULL THEN x OPERATOR v.number
        ELSE toString(x) OPERATOR v.text
      END"""
_MATCHING: LiteralString = (
    """
MATCH (d:__Document__)
WHERE d.key STARTS WITH $prefix AND all(f IN $given.filters WHERE
  CASE f.operator
    WHEN '>=' THEN any(v IN f.values WHERE any(x IN [coalesce(d[f.meta], d[f.own])] WHERE """
    + _MEETS.replace("OPERATOR", ">=")
    + """))
    WHEN '<=' THEN any(v IN f.values WHERE any(x IN [coalesce(d[f.meta], d[f.own])] WHERE """
    + _MEETS.replace("OPERATOR", "<=")
    + """))
    ELSE (f.operator = '=') = any(v IN f.values
      WHERE any(x IN [coalesce(d[f.meta], d[f.own])] WHERE """
    + _MEETS.replace("OPERATOR", "=")
    + """))
  END)"""
)
_MATCHING_DOCUMENTS: LiteralString = _MATCHING + "\nRETURN d.id"
_WITH_DOCUMENTS: LiteralString = _MATCHING + "\nWITH collect(d.id) AS documents"
_IN_DOCUMENTS: LiteralString = "\nWHERE n.document_id IN documents"
_PASSES: dict[str, LiteralString] = {
    "windows": _IN_DOCUMENTS,
    "text_units": _IN_DOCUMENTS,
    "entities": """
WHERE EXISTS {
  MATCH (n)<-[:MENTIONS]-(c:__Chunk__)
  WHERE c.document_id IN documents
}""",
    "reports": """
WHERE EXISTS {
  MATCH (n)<-[:IN_COMMUNITY]-(:__Entity__)<-[:MENTIONS]-(c:__Chunk__)
  WHERE c.document_id IN documents
}""",
}
_FULL_TEXT: LiteralString = """
CALL db.index.fulltext.queryNodes($index, $given.query, {limit: $limit}) YIELD node AS n, score"""
# The $k best and those that tie with the last of them; and whether the limit may have left out
# others that do.
_LEADING: LiteralString = """
WITH collect([n, score]) AS found
WITH found, found[$k - 1][1] AS least,
     coalesce(size(found) = $limit AND found[-1][1] = found[$k - 1][1], false) AS cut
UNWIND found AS one
WITH one[0] AS n, one[1] AS score, cut, least
WHERE least IS NULL OR score >= least
WITH n.id AS id, score, cut ORDER BY score DESC, id
RETURN [id, score, cut]"""
_FREQUENCIES: LiteralString = """
UNWIND $given.terms AS asked
CALL (asked) {
  CALL db.index.fulltext.queryNodes($index, asked.query) YIELD node
  RETURN count(node) AS found
}
RETURN [asked.term, found]"""
_NEAREST: LiteralString = """
CALL db.index.vector.queryNodes($index, $limit, $vector) YIELD node AS n, score AS found"""
# The index gives (1 + cosine) / 2, exactly: its vectors are not quantized.
_FOUND: LiteralString = """
WITH n, round(2 * found - 1, 6) AS score"""
_COSINE: LiteralString = """
WITH n, 2 * vector.similarity.cosine(n.PREFIX_embedding, $vector) - 1 AS cosine
WITH n, round(cosine, 6) AS score"""
_BEST: LiteralString = """
WITH n.id AS id, score ORDER BY score DESC, id LIMIT $limit
RETURN [id, score]"""
# Text units by their windows.
_BEST_UNITS: LiteralString = _BEST.replace(
    "n.id AS id, score", "n.text_unit_id AS id, max(score) AS score"
)
_EXACT: dict[str, LiteralString] = {
    "windows": """
UNWIND documents AS document
MATCH (:__Document__ {key: $prefix + document})<-[:PART_OF]-(:__Chunk__)<-[:OF]-(n:__Window__)""",
    "text_units": """
UNWIND documents AS document
MATCH (:__Document__ {key: $prefix + document})<-[:PART_OF]-(n:__Chunk__)""",
    "entities": """
UNWIND documents AS document
MATCH (:__Document__ {key: $prefix + document})<-[:PART_OF]-(:__Chunk__)-[:MENTIONS]->(n)""",
    "reports": """
UNWIND documents AS document
MATCH (:__Document__ {key: $prefix + document})<-[:PART_OF]-(:__Chunk__)-[:MENTIONS]->(e)
WITH DISTINCT e
MATCH (e)-[:IN_COMMUNITY]->(n:__Community__)""",
}
# An index is searched for one document at a time: it takes no list of them. Its name cannot be a
# parameter.
_NEAREST_INSIDE: LiteralString = """
UNWIND $given.documents AS document
CALL (document) {
  MATCH (n)
  SEARCH n IN (
    VECTOR INDEX INDEX_NAME FOR $vector
    WHERE n.document_id = document
    LIMIT $limit
  ) SCORE AS found
  RETURN n, found
}"""
_WITH_STATE: LiteralString = """
MATCH (meta:__Meta__ {key: $key})
RETURN meta.searched, meta.dimensions, meta.stamp, COLLECT {STATEMENT
}"""


@dataclass(frozen=True, slots=True)
class _State:
    """What the last commit left to search."""

    searched: dict[str, Searched]
    dimensions: int | None
    stamp: str | None


class Searches:
    """The searches of `namespace`.

    What the last commit left is remembered; each answer comes with what is there now, and where
    that differs the search is made again.
    """

    def __init__(self, connection: Connection, namespace: str) -> None:
        self._connection = connection
        self._namespace = namespace
        self._prefix = key_prefix(namespace)
        self._state: _State | None = None
        self._counts: dict[str, int] = {}  # text units by term
        self._counted_in: _State | None = None

    async def text(
        self, table: SearchTable, query: str, *, k: int, filters: Sequence[Filter]
    ) -> list[Hit]:
        statement = _text_statement(table, filtered=bool(filters))

        def words(state: _State) -> str:
            spoken = state.searched[table].languages if table in state.searched else []
            return any_of(term for language in spoken for term in terms(utf8(query), language))

        async def ask(state: _State) -> Values | None:
            parameters: dict[str, object] = {
                "index": index_name(self._namespace, table, "terms"),
                "k": k,
                "limit": limit,
                "given": {"query": words(state), "filters": filter_parameters(filters)},
            }
            return await self._ask(statement, state, parameters)

        limit = _LOOKED_AT[table] * k + 50
        while k > 0:
            rows = await self._current(ask, lambda state: bool(words(state)))
            if filters or not rows or not rows[0][2]:
                return _hits(rows)[:k]
            limit *= 4
        return []

    async def frequencies(self, terms: Sequence[str]) -> tuple[int, dict[str, int]]:
        # A common word takes the server as long as all the rest of a question, so each is counted
        # once for each commit.
        index = index_name(self._namespace, "text_units", "terms")

        async def ask(state: _State) -> Values | None:
            is_current = state == self._counted_in and state.stamp is not None
            known = self._counts if is_current and len(self._counts) < _MAX_COUNTS else {}
            missing = [term for term in dict.fromkeys(terms) if term not in known]
            asked = [{"term": term, "query": any_of([utf8(term)])} for term in missing]
            rows = await self._ask(_FREQUENCIES, state, {"index": index, "given": {"terms": asked}})
            if rows is None:
                return None
            counts = known | dict(cast("list[tuple[str, int]]", rows))
            self._counts, self._counted_in = counts, state
            return [[term, counts[term]] for term in dict.fromkeys(terms)]

        rows = await self._current(ask, lambda state: "text_units" in state.searched)
        searched = self._state.searched.get("text_units") if self._state else None
        found = dict.fromkeys(terms, 0) | dict(cast("list[tuple[str, int]]", rows))
        return searched.rows if searched else 0, found

    async def vectors(
        self,
        table: SearchTable,
        vector: NDArray[np.float32],
        *,
        k: int,
        filters: Sequence[Filter],
    ) -> list[Hit]:
        if k <= 0 or not vector.any():
            return []
        numbers = cast("list[float]", vector.tolist())

        async def ask(state: _State) -> Values | None:
            windows = embedded_windows(state.searched) if table == "text_units" else 0
            source: VectorTable = "windows" if windows else table
            limit = max((_WINDOWS if source == "windows" else 4) * k, 100)
            while True:
                parameters: dict[str, object] = {
                    "index": index_name(self._namespace, source, "vectors"),
                    "vector": numbers,
                    "limit": limit,
                }
                if filters:
                    return await self._filtered(source, state, parameters, k=k, filters=filters)
                found = await self._ask(_NEAREST + _FOUND + _best(source), state, parameters)
                if found is None or len(found) >= k or limit >= windows:
                    return found
                limit *= 4  # many windows are of few text units

        hits = _hits(await self._current(ask, lambda state: vector.shape == (state.dimensions,)))
        size = self._state.dimensions if self._state else None
        if size is not None and vector.shape != (size,):
            raise IncompatibleIndexError(
                f"the question has a vector of {vector.size} numbers, the index vectors of {size}",
                hint="Set the embedding model that the index was made with, or index again.",
            )
        return hits[:k]

    async def documents(self, filters: Sequence[Filter]) -> list[str]:
        rows = await self._connection.query(
            _MATCHING_DOCUMENTS, prefix=self._prefix, given={"filters": filter_parameters(filters)}
        )
        return sorted(str(key) for (key,) in rows)

    async def _filtered(
        self,
        table: VectorTable,
        state: _State,
        parameters: dict[str, object],
        *,
        k: int,
        filters: Sequence[Filter],
    ) -> Values | None:
        if await filters_inside(self._connection, self._namespace, table):
            documents = await self.documents(filters)
            if len(documents) <= _FEW_DOCUMENTS:
                inside = for_index(_NEAREST_INSIDE, self._namespace, table) + _FOUND + _best(table)
                inside_parameters = parameters | {"given": {"documents": documents}}
                rows = await self._ask(inside, state, inside_parameters, language="CYPHER 25")
                if rows is None or len(rows) >= k or table != "windows":
                    return rows
        meant = {"filters": filter_parameters(filters)}
        parameters = parameters | {"limit": max(10 * k, 500), "given": meant}
        rows = await self._ask(_passing_statement(table), state, parameters)
        if rows is not None and len(rows) < k:
            rows = await self._ask(_exact_statement(table), state, parameters)
        return rows

    async def _current(
        self,
        ask: Callable[[_State], Awaitable[Values | None]],
        can_answer: Callable[[_State], bool],
    ) -> Values:
        """What `ask` finds in the present state, nothing where that cannot answer."""
        state, fresh = self._state, False
        while True:
            if state is None or not can_answer(state):
                if fresh:
                    return []
                state, fresh = await self._read_state(), True
                if state is None:
                    return []
                continue
            rows = await ask(state)
            if rows is not None:
                return rows
            state = self._state

    async def _ask(
        self,
        statement: LiteralString,
        state: _State,
        parameters: dict[str, object],
        *,
        language: LiteralString = "",
    ) -> Values | None:
        """The rows of `statement`; None if the state is another one by now, which is kept."""
        text = language + _WITH_STATE.replace("STATEMENT", statement)
        values = {"key": meta_key(self._namespace), "prefix": self._prefix, **parameters}
        try:
            found = await self._connection.query(text, **values)
        except StoreError:
            if await self._read_state() == state:
                raise
            return None
        if not found:
            self._state = None
            return None
        searched, dimensions, stamp, rows = found[0]
        self._state = _State(
            read_searched(searched), cast("int | None", dimensions), cast("str | None", stamp)
        )
        return cast(Values, rows) if self._state == state else None

    async def _read_state(self) -> _State | None:
        meta = await read_meta(self._connection, self._namespace)
        self._state = meta and _State(meta.searched, meta.dimensions, meta.stamp)
        return self._state


def _hits(rows: Values) -> list[Hit]:
    return [Hit(str(key), cast(float, score)) for key, score, *_ in rows]


def _text_statement(table: str, *, filtered: bool) -> LiteralString:
    if filtered:
        unlimited = _FULL_TEXT.replace(", {limit: $limit}", "")
        return _WITH_DOCUMENTS + unlimited + "\nWITH n, score, documents" + _PASSES[table] + _BEST
    return _FULL_TEXT + _LEADING


def _passing_statement(table: str) -> LiteralString:
    """Those of the nearest by index that pass."""
    passing = "\nWITH n, found, documents" + _PASSES[table]
    return _WITH_DOCUMENTS + _NEAREST + passing + _FOUND + _best(table)


def _exact_statement(table: str) -> LiteralString:
    """The nearest among all rows that pass, without the index."""
    rows = (
        _WITH_DOCUMENTS + _EXACT[table] + "\nWITH DISTINCT n\nWHERE n.PREFIX_embedding IS NOT NULL"
    )
    return labelled(rows + _COSINE + _best(table), table)


def _best(table: str) -> LiteralString:
    return _BEST_UNITS if table == "windows" else _BEST
