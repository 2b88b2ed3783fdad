"""The search statement for SQLite: filters, exact comparison, words and their fusion in one."""

import json
import re
import sqlite3
from collections.abc import Sequence

import numpy as np
from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError

from dragoman.adapters.vectors.codes import Codes, DamagedVectors, Probe, nearest, width
from dragoman.adapters.vectors.fusion import JUDGED, JUDGED_ALREADY, MEANING, Bounds, Spoken, Statement
from dragoman.adapters.vectors.sqlite_words import word_leg
from dragoman.adapters.vectors.words import MAX_TERMS
from dragoman.domain.knowledge.ports import IndexHit, IndexQuery
from dragoman.kit.errors import InvalidInput

_TABLE_NAME = re.compile(r"passage_vectors_(\d+)(?:_(\d+))?")

_COLLECTIONS = "v.collection_key in (select value from json_each(:collections))"
_DOCUMENTS = " and v.document_key in (select value from json_each(:documents))"
_WITHHELD = " and v.document_key not in (select value from json_each(:withheld))"
_SPOKEN = Spoken(":{}", json.dumps, _COLLECTIONS, _DOCUMENTS, _WITHHELD)
_CANDIDATES = " and v.passage_key in (select value from json_each(:candidates))"
_COUNT_VECTORS = "select count(*) from (select 1 from {vectors} v where {scope} limit :most)"
_OF_WRONG_LENGTH = "select 1 from {vectors} v where {scope} and length(v.vector) <> :bytes limit 1"
_CODES = "select passage_keys, document_keys, bits from {codes} v where {scope}"


def search(connection: Connection, query: IndexQuery, bounds: Bounds) -> list[IndexHit]:
    """The best passages of one search.

    Raises:
        InvalidInput: more terms than one statement can hold.
        DamagedVectors: vectors or codes of the collections cannot be read.
    """
    if len(query.terms) > MAX_TERMS:
        raise InvalidInput(f"a search takes at most {MAX_TERMS} terms", param="terms")
    if not query.collection_keys or query.document_keys == () or query.limit < 1:
        return []
    statement = Statement.of(query, _SPOKEN)
    if query.fuse != "vector":
        leg = word_leg(connection, query, bounds.scored_rows)
        if leg is not None:
            statement.words = leg.sql
            statement.params.update(leg.params)
    vectors = query.vectors
    if vectors is None or not len(vectors):
        return _hits(connection, query, statement)
    table = (vectors.shape[1], query.space)
    if table not in vector_tables(connection):
        return _hits(connection, query, statement)
    try:
        _compare(connection, query, bounds, statement)
        return _hits(connection, query, statement)
    except DatabaseError as error:
        if _is_corrupt(error) or _some_of_wrong_length(connection, query, *table):
            raise DamagedVectors(str(error).partition("\n")[0]) from error
        raise


def _hits(connection: Connection, query: IndexQuery, statement: Statement) -> list[IndexHit]:
    rows = connection.exec_driver_sql(statement.sql(query.fuse), statement.params)
    return [IndexHit(key, float(score), similarity) for key, score, similarity in rows]


def _is_corrupt(error: DatabaseError) -> bool:
    """Whether the file itself is damaged where it was read."""
    return getattr(error.orig, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_CORRUPT


def _some_of_wrong_length(connection: Connection, query: IndexQuery, dimensions: int, space: int) -> bool:
    """Whether that is why a comparison failed: the error of the extension has no code of its own."""
    asked = {"collections": json.dumps(query.collection_keys), "bytes": 4 * dimensions}
    statement = named(_OF_WRONG_LENGTH, dimensions, space).replace("{scope}", _COLLECTIONS)
    return connection.exec_driver_sql(statement, asked).first() is not None


def vector_tables(connection: Connection) -> list[tuple[int, int]]:
    """Lengths of vectors and their spaces that the index has tables for."""
    names = connection.exec_driver_sql(
        "select name from sqlite_master where type = 'table' and name glob 'passage_vectors_[0-9]*'"
    ).scalars()
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


def codes_of(row: Sequence[bytes], code_width: int) -> Codes:
    """Codes from a stored row of passage keys, document keys and bits.

    Raises:
        DamagedVectors: the three do not fit together.
    """
    passage_keys, document_keys, bits = row
    count, odd = divmod(len(passage_keys), 8)
    if odd or len(document_keys) != len(passage_keys) or 8 * len(bits) != count * code_width:
        raise DamagedVectors("the parts of a row of codes do not fit together")
    keys = np.frombuffer(passage_keys, np.int64)
    return Codes(
        keys,
        np.frombuffer(document_keys, np.int64),
        np.frombuffer(bits, np.uint64).reshape(code_width // 64, len(keys)),
    )


def _compare(connection: Connection, query: IndexQuery, bounds: Bounds, statement: Statement) -> None:
    """Adds the vectors: word matches are judged by them, and the nearest passages are found."""
    assert query.vectors is not None
    vectors = np.ascontiguousarray(query.vectors, dtype=np.float32)
    dimensions, space = vectors.shape[1], query.space
    statement.params.update({f"vector{number}": vector.tobytes() for number, vector in enumerate(vectors)})
    similarity = _similarity(len(vectors))
    statement.judged = named(JUDGED, dimensions, space).replace("{similarity}", similarity)
    if query.fuse == "keyword":
        return
    counting = named(_COUNT_VECTORS, dimensions, space).replace("{scope}", statement.scope)
    most = {**statement.params, "most": bounds.exact_rows + 1}
    candidates = ""
    if connection.exec_driver_sql(counting, most).scalar_one() <= bounds.exact_rows:
        statement.judged = JUDGED_ALREADY
    else:
        candidates = _CANDIDATES
        chunks = connection.exec_driver_sql(
            named(_CODES, dimensions, space).replace("{scope}", _COLLECTIONS), statement.params
        )
        found = nearest(
            (codes_of(row, width(dimensions)) for row in chunks),
            [Probe(vector) for vector in vectors],
            document_keys=query.document_keys,
            withheld=query.withheld,
            at_least=max(bounds.rescored, query.limit),
        )
        statement.params["candidates"] = json.dumps(found.tolist())
    statement.meaning = (
        named(MEANING, dimensions, space)
        .replace("{similarity}", similarity)
        .replace("{scope}", statement.scope)
        .replace("{candidates}", candidates)
    )


def _similarity(terms: int) -> str:
    # A zero vector has no direction and its cosine is null: it is like nothing. No vector at all stays null.
    each = [f"coalesce(1 - vec_distance_cosine(v.vector, :vector{number}), 0.0)" for number in range(terms)]
    best = each[0] if terms == 1 else "max(" + ", ".join(each) + ")"
    return f"case when v.vector is not null then {best} end"
