"""The search statement for PostgreSQL: filters, exact comparison, words and their fusion in one."""

import re

import numpy as np
import orjson
from sqlalchemy import Connection

from dragoman.adapters.vectors.codes import bit_strings, width
from dragoman.adapters.vectors.fusion import JUDGED, JUDGED_ALREADY, MEANING, Bounds, Spoken, Statement
from dragoman.adapters.vectors.postgres_words import Totals, word_leg
from dragoman.adapters.vectors.words import MAX_TERMS
from dragoman.domain.knowledge.ports import IndexHit, IndexQuery
from dragoman.kit.errors import InvalidInput

_TABLE_NAME = re.compile(r"passage_vectors_(\d+)(?:_(\d+))?")

# The compiler costs more than it saves here, and a plan for unknown collections is a bad plan for each.
_SETTINGS = "select set_config('jit', 'off', true), set_config('plan_cache_mode', 'force_custom_plan', true)"
_COLLECTIONS = "v.collection_key = any(%(collections)s::bigint[])"
_DOCUMENTS = " and v.document_key = any(%(documents)s::bigint[])"
_WITHHELD = " and v.document_key <> all(%(withheld)s::bigint[])"
_SPOKEN = Spoken("%({})s", list, _COLLECTIONS, _DOCUMENTS, _WITHHELD)
_CANDIDATES = " and v.passage_key = any({found})"
_FOUND = (
    "array(select v.passage_key from {codes} v where {scope} "
    "order by v.code <~> %(code{term})s::bit({width}) limit %(rescored)s)"
)
_SIMILARITY = "coalesce(nullif(1 - (v.vector <=> %(vector{term})s::vector), 'NaN'), 0)"
_COUNT_VECTORS = "select count(*) from (select 1 from {vectors} v where {scope} limit %(most)s) counted"
_LENGTHS = (
    "select relname from pg_class where relname ~ '^passage_vectors_[0-9]+(_[0-9]+)?$' and relkind = 'r' "
    "and pg_table_is_visible(oid)"
)


def search(connection: Connection, query: IndexQuery, bounds: Bounds) -> list[IndexHit]:
    """The best passages of one search.

    Raises:
        InvalidInput: more terms than one statement can hold.
    """
    if len(query.terms) > MAX_TERMS:
        raise InvalidInput(f"a search takes at most {MAX_TERMS} terms", param="terms")
    if not query.collection_keys or query.document_keys == () or query.limit < 1:
        return []
    connection.exec_driver_sql(_SETTINGS)
    statement = Statement.of(query, _SPOKEN)
    totals = Totals.of(connection, query.collection_keys)
    statement.params["rescored"] = max(bounds.rescored, query.limit, totals.passages // 50)
    if query.fuse != "vector":
        leg = word_leg(connection, query, totals, bounds.scored_rows)
        if leg is not None:
            statement.words = leg.sql
            statement.params.update(leg.params)
    vectors = query.vectors
    if vectors is not None and len(vectors) and (vectors.shape[1], query.space) in vector_tables(connection):
        _compare(connection, query, bounds, statement)
    rows = connection.exec_driver_sql(statement.sql(query.fuse), statement.params)
    return [IndexHit(key, float(score), similarity) for key, score, similarity in rows]


def vector_tables(connection: Connection) -> list[tuple[int, int]]:
    """Lengths of vectors and their spaces that the index has tables for."""
    names = connection.exec_driver_sql(_LENGTHS).scalars()
    return sorted(
        (int(found.group(1)), int(found.group(2) or 0))
        for name in names
        if (found := _TABLE_NAME.fullmatch(name))
    )


def named(statement: str, dimensions: int, space: int) -> str:
    """The statement with the tables of vectors of that length in that space."""
    ending = f"{dimensions:d}_{space:d}" if space else f"{dimensions:d}"
    return statement.replace("{vectors}", f"passage_vectors_{ending}").replace(
        "{codes}", f"passage_codes_{ending}"
    )


def _compare(connection: Connection, query: IndexQuery, bounds: Bounds, statement: Statement) -> None:
    """Adds the vectors: word matches are judged by them, and the nearest passages are found."""
    assert query.vectors is not None
    vectors = np.ascontiguousarray(query.vectors, dtype=np.float32)
    dimensions, space = vectors.shape[1], query.space
    for number, vector in enumerate(vectors):
        statement.params[f"vector{number}"] = orjson.dumps(vector, option=orjson.OPT_SERIALIZE_NUMPY).decode()
    each = ", ".join(_SIMILARITY.replace("{term}", str(number)) for number in range(len(vectors)))
    similarity = f"case when v.vector is not null then greatest({each}) end"
    statement.judged = named(JUDGED, dimensions, space).replace("{similarity}", similarity)
    if query.fuse == "keyword":
        return
    counting = named(_COUNT_VECTORS, dimensions, space).replace("{scope}", statement.scope)
    most = {**statement.params, "most": bounds.exact_rows + 1}
    candidates = ""
    if connection.exec_driver_sql(counting, most).scalar_one() <= bounds.exact_rows:
        statement.judged = JUDGED_ALREADY
    else:
        candidates = _CANDIDATES.replace("{found}", _found(dimensions, space, len(vectors), statement.scope))
        codes = bit_strings(vectors)
        statement.params.update({f"code{number}": code for number, code in enumerate(codes)})
    statement.meaning = (
        named(MEANING, dimensions, space)
        .replace("{similarity}", similarity)
        .replace("{scope}", statement.scope)
        .replace("{candidates}", candidates)
    )


def _found(dimensions: int, space: int, terms: int, scope: str) -> str:
    each = (
        named(_FOUND, dimensions, space).replace("{scope}", scope).replace("{width}", str(width(dimensions)))
    )
    return " || ".join(each.replace("{term}", str(number)) for number in range(terms))
