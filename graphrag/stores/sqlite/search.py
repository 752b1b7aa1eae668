"""Search one namespace by words or by a vector, with filters."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from graphrag.core.columns import WINDOW_MARK
from graphrag.core.errors import IncompatibleIndexError
from graphrag.stores.contract.protocol import Filter, Hit, SearchTable, VectorTable, as_number
from graphrag.stores.sqlite.file import fill, in_namespace
from graphrag.text import terms

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from graphrag.stores.contract.frames import Row

_TITLE_WEIGHT = "2.0"

_SEARCH = (
    "SELECT s.id, -bm25(fts_{table}_N, {weight}, 1.0) AS score"
    " FROM fts_{table}_N JOIN searched_N AS s ON s.number = fts_{table}_N.rowid"
    " WHERE fts_{table}_N MATCH :words {restriction}"
    " ORDER BY score DESC, s.id LIMIT :k"
)
_N_UNITS = "SELECT count(*) FROM searched_N WHERE table_name = 'text_units'"
_FREQUENCY = "SELECT count(*) FROM fts_text_units_N WHERE fts_text_units_N MATCH ?"
_LANGUAGES = "SELECT DISTINCT language FROM searched_N WHERE table_name = ? ORDER BY language"
_VECTORS = (
    "SELECT e.id, v.vector FROM embedded_N AS e JOIN vectors_N AS v ON v.key = e.key"
    " WHERE e.table_name = :table {restriction} ORDER BY e.id"
)
_EMBEDDED = "SELECT id, key FROM embedded_N WHERE table_name = ? ORDER BY id"
_GIVEN = "SELECT value FROM json_each(:ids)"

# Which rows of each table a filter on documents leaves.
_DOCUMENTS = "SELECT d.id FROM documents_N AS d WHERE {conditions}"
_UNITS = "SELECT id FROM text_units_N WHERE document_id IN ({documents})"
_ENTITIES = "SELECT entity_id FROM mentions_N WHERE text_unit_id IN ({units})"
_REPORTS = "SELECT community_id FROM members_N WHERE entity_id IN ({entities})"
# The first row of the metadata by that name decides; without one, a column of our own.
_IN_METADATA = (
    "coalesce((SELECT coalesce(({tests}), 0)"
    " FROM json_each(CASE WHEN json_valid(d.metadata) THEN d.metadata END) AS m"
    " WHERE m.key = :{key} AND m.type <> 'null'), {otherwise})"
)
_METADATA_TEST = (
    "CASE WHEN m.type IN ('integer', 'real') AND :{number} IS NOT NULL"
    " THEN m.value {operator} :{number}"
    " WHEN m.type IN ('true', 'false') THEN m.type {operator} :{text}"
    " ELSE CAST(m.value AS TEXT) {operator} :{text} END"
)

Parameters = dict[str, str | int | float | None]


@dataclass(frozen=True, slots=True)
class Matrix:
    """Every vector of a table, of length one, in the order of the sorted `ids`.

    Those of an id follow one another, from its place in `starts`.
    """

    ids: list[str]
    starts: NDArray[np.intp]
    vectors: NDArray[np.float32]


def search_text(
    connection: sqlite3.Connection,
    number: int,
    *,
    table: SearchTable,
    query: str,
    k: int,
    filters: Sequence[Filter],
    languages: Sequence[str],
) -> list[Hit]:
    """BM25 over the rows that have any term of `query`, read in each of `languages`."""
    found = {term: None for language in languages for term in terms(query, language)}
    if not found or k <= 0:
        return []
    parameters: Parameters = {
        "words": " OR ".join('"' + term.replace('"', '""') + '"' for term in found),
        "k": k,
    }
    restriction = ""
    if filters:
        allowed = _allowed(table, filters, parameters)
        restriction = f"AND s.id IN ({allowed})"
    statement = fill(_SEARCH, table=table, weight=_TITLE_WEIGHT, restriction=restriction)
    cursor = connection.execute(in_namespace(statement, number), parameters)
    return [Hit(key, score) for key, score in cursor]


def document_frequencies(
    connection: sqlite3.Connection, number: int, wanted: Sequence[str]
) -> tuple[int, dict[str, int]]:
    """The number of text units, and of those that hold each of the `wanted` terms."""
    (n_units,) = connection.execute(in_namespace(_N_UNITS, number)).fetchone()
    statement = in_namespace(_FREQUENCY, number)
    return n_units, {
        term: connection.execute(statement, ('"' + term.replace('"', '""') + '"',)).fetchone()[0]
        for term in wanted
    }


def languages_of(connection: sqlite3.Connection, number: int, table: SearchTable) -> list[str]:
    """The languages that the searchable text of `table` was analysed in."""
    statement = in_namespace(_LANGUAGES, number)
    return [language for (language,) in connection.execute(statement, (table,))]


def search_vectors(
    connection: sqlite3.Connection,
    number: int,
    *,
    table: SearchTable,
    vector: NDArray[np.float32],
    k: int,
    filters: Sequence[Filter],
    matrix: Matrix,
) -> list[Hit]:
    """Exact cosine similarity of `vector` to every row that the filters leave, its best vector."""
    import numpy as np

    if not matrix.ids or k <= 0:
        return []
    size = matrix.vectors.shape[1]
    if vector.shape != (size,):
        raise IncompatibleIndexError(
            f"the question has a vector of {vector.size} numbers, the index vectors of {size}",
            hint="Set the embedding model that the index was made with, or index again.",
        )
    length = float(np.linalg.norm(vector))
    scores = matrix.vectors @ (vector / length if length else vector).astype(np.float32)
    # Equal vectors may differ in the last bit by where they stand in the matrix.
    scores = np.round(np.maximum.reduceat(scores, matrix.starts), 6).astype(np.float32)
    ids = matrix.ids
    if filters:
        parameters: Parameters = {}
        statement = _allowed(table, filters, parameters)
        cursor = connection.execute(in_namespace(statement, number), parameters)
        allowed = {key for (key,) in cursor}
        places = [place for place, key in enumerate(ids) if key in allowed]
        scores, ids = scores[places], [ids[place] for place in places]
    best = _best(scores, k)
    return [Hit(ids[row], float(scores[row])) for row in best]


def read_vectors(
    connection: sqlite3.Connection, number: int, *, table: VectorTable, ids: str | None = None
) -> tuple[list[str], NDArray[np.float32]]:
    """The vectors of `table`, sorted by id, or of those `ids`, a JSON list."""
    import numpy as np

    statement = fill(_VECTORS, restriction="" if ids is None else f"AND e.id IN ({_GIVEN})")
    parameters = {"table": table, "ids": ids}
    found: list[str] = []
    data = bytearray()
    for key, blob in connection.execute(in_namespace(statement, number), parameters):
        found.append(key)
        data += blob
    if not found:
        return [], np.empty((0, 0), dtype=np.float32)
    return found, np.frombuffer(data, dtype="<f4").reshape(len(found), -1)


def read_keys(connection: sqlite3.Connection, number: int, table: VectorTable) -> list[Row]:
    """Id and key of the vector of each row of `table`, sorted by id."""
    return connection.execute(in_namespace(_EMBEDDED, number), (table,)).fetchall()


def read_matrix(connection: sqlite3.Connection, number: int, table: SearchTable) -> Matrix:
    """Text units by their windows, or each by its own vector where there are none."""
    import numpy as np

    ids, vectors = list[str](), np.empty((0, 0), dtype=np.float32)
    if table == "text_units":
        ids, vectors = read_vectors(connection, number, table="windows")
        ids = [key.rpartition(WINDOW_MARK)[0] for key in ids]
    if not ids:
        ids, vectors = read_vectors(connection, number, table=table)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    lengths[lengths == 0] = 1
    vectors /= lengths
    starts = [row for row, key in enumerate(ids) if row == 0 or key != ids[row - 1]]
    return Matrix([ids[row] for row in starts], np.array(starts, dtype=np.intp), vectors)


def matching_documents(
    connection: sqlite3.Connection, number: int, filters: Sequence[Filter]
) -> list[str]:
    parameters: Parameters = {}
    statement = _matching(filters, parameters) + " ORDER BY d.id"
    return [key for (key,) in connection.execute(in_namespace(statement, number), parameters)]


def _best(scores: NDArray[np.float32], k: int) -> list[int]:
    """Positions of the `k` highest scores, best first, equal ones in order."""
    import numpy as np

    rows = np.arange(scores.size)
    if k < scores.size:
        least = np.partition(scores, scores.size - k)[scores.size - k]
        rows = rows[scores >= least]
    order = np.argsort(-scores[rows], kind="stable")
    return [int(row) for row in rows[order][:k]]


def _allowed(table: SearchTable, filters: Sequence[Filter], parameters: Parameters) -> str:
    """A query for the ids of `table` whose documents pass; its values go to `parameters`."""
    units = fill(_UNITS, documents=_matching(filters, parameters))
    match table:
        case "text_units":
            return units
        case "entities":
            return fill(_ENTITIES, units=units)
        case "reports":
            return fill(_REPORTS, entities=fill(_ENTITIES, units=units))


def _matching(filters: Sequence[Filter], parameters: Parameters) -> str:
    conditions = ["1"]
    for position, condition in enumerate(filters):
        operator = "=" if condition.operator == "!=" else condition.operator
        own, of_metadata = list[str](), list[str]()
        for place, value in enumerate(condition.values):
            name = f"v{position}_{place}"
            parameters[f"{name}t"], parameters[f"{name}n"] = value, as_number(value)
            if condition.own_column:
                own.append(f"d.{condition.own_column} {operator} :{name}t")
            of_metadata.append(
                fill(_METADATA_TEST, operator=operator, number=f"{name}n", text=f"{name}t")
            )
        passes = " OR ".join(own) or "0"
        if condition.in_metadata:
            key = f"k{position}"
            parameters[key] = condition.key
            tests = " OR ".join(of_metadata) or "0"
            passes = fill(_IN_METADATA, key=key, tests=tests, otherwise=f"({passes})")
        # What a test says of NULL is neither yes nor no; a missing value passes only "!=".
        conditions.append(f"coalesce({passes}, 0) = {0 if condition.operator == '!=' else 1}")
    return fill(_DOCUMENTS, conditions=" AND ".join(conditions))
