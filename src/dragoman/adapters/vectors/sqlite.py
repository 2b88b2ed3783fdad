"""The passage index inside SQLite: FTS5 for words, float vectors with one-bit codes for meaning.

Tables, beside the domain's own and in the same transactions:

- ``passage_words``: FTS5 without content. Every word carries its collection, so that each collection has
  posting lists of its own: other collections cost nothing and their word statistics do not show. The
  document is a word of a column of its own, so that this filter is a part of the match.
- ``passage_scopes``: which collection and document a passage with words belongs to; ``passage_totals``:
  how many passages with words a collection has.
- ``passage_vectors_<d>``: the exact vectors, a table a length; those of spaces beside the first have the space's
  number at the end of their names, here and below.
- ``passage_codes_<d>``: a row for up to 1,024 neighbouring passage keys of a collection with their codes.
  A passage's row follows from its keys, so there is no mapping that could go stale.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import structlog
from numpy.typing import NDArray
from sqlalchemy import Connection

from dragoman.adapters.vectors import sqlite_search as searching
from dragoman.adapters.vectors.codes import Codes, DamagedVectors, encode, width
from dragoman.adapters.vectors.words import collection_prefix, document_word, index_text
from dragoman.domain.knowledge.ports import IndexEntry, IndexHit, IndexQuery, Unfit

log = structlog.get_logger(__name__)

CHUNK_BITS = 10

_WORD_TABLES = (
    "create virtual table if not exists passage_words using fts5("
    "document, text, content='', contentless_delete=1, tokenize='porter unicode61')",
    "create table if not exists passage_scopes("
    "passage_key integer primary key, collection_key integer not null, document_key integer not null)",
    "create index if not exists ix_passage_scopes_collection_key_document_key "
    "on passage_scopes(collection_key, document_key)",
    "create table if not exists passage_totals("
    "collection_key integer primary key, passages integer not null)",
)
_VECTOR_TABLES = (
    "create table if not exists {vectors}(passage_key integer primary key, "
    "collection_key integer not null, document_key integer not null, vector blob not null)",
    "create index if not exists ix_{vectors}_collection_key_document_key "
    "on {vectors}(collection_key, document_key)",
    "create table if not exists {codes}(collection_key integer not null, chunk integer not null, "
    "passage_keys blob not null, document_keys blob not null, bits blob not null, "
    "primary key (collection_key, chunk))",
)


class SqliteIndex:
    """A ``PassageIndex`` over connections to SQLite with sqlite-vec loaded.

    Args:
        exact_rows: scopes of up to this many vectors are compared exactly, larger ones by codes first.
        rescored: how many candidates of the codes are compared exactly, at least; 2 % of a very large scope.
        scored_rows: in larger scopes words are taken rarest first until they match this many passages.
    """

    def __init__(self, *, exact_rows: int = 4_000, rescored: int = 2_000, scored_rows: int = 6_000) -> None:
        self._bounds = searching.Bounds(exact_rows, rescored, scored_rows)

    def prepare(self, connection: Connection, dimensions: int, space: int = 0) -> None:
        """Creates the tables for words and, unless ``dimensions`` is 0, for vectors of that length in that space."""
        for statement in _WORD_TABLES:
            connection.exec_driver_sql(statement)
        if dimensions:
            for statement in _VECTOR_TABLES:
                connection.exec_driver_sql(_for(dimensions, space, statement))

    def add_text(self, connection: Connection, entries: Sequence[IndexEntry]) -> None:
        """Makes passages findable by their words; replaces earlier words of the same passages."""
        latest = {entry.passage_key: entry for entry in entries}
        if not latest:
            return
        _remove_words(connection, latest)
        connection.exec_driver_sql(
            "insert into passage_words(rowid, document, text) values(?, ?, ?)",
            [
                (
                    key,
                    document_word(entry.document_key),
                    index_text(entry.text, prefix=collection_prefix(entry.collection_key)),
                )
                for key, entry in latest.items()
            ],
        )
        connection.exec_driver_sql(
            "insert into passage_scopes(passage_key, collection_key, document_key) values(?, ?, ?)",
            [(key, entry.collection_key, entry.document_key) for key, entry in latest.items()],
        )
        _count(connection, Counter(entry.collection_key for entry in latest.values()))

    def add_vectors(
        self,
        connection: Connection,
        entries: Sequence[IndexEntry],
        vectors: NDArray[np.float32],
        space: int = 0,
    ) -> None:
        """Makes passages findable by meaning; replaces earlier vectors of the same passages in the space."""
        at = {entry.passage_key: row for row, entry in enumerate(entries)}
        if not at:
            return
        kept = [entries[row] for row in at.values()]
        rows = np.ascontiguousarray(vectors[list(at.values())], dtype=np.float32)
        for dimensions, held in searching.vector_tables(connection):
            if held == space:
                _remove_vectors(connection, (dimensions, held), at)
        connection.exec_driver_sql(
            _for(rows.shape[1], space, "insert into {vectors} values(?, ?, ?, ?)"),
            [
                (entry.passage_key, entry.collection_key, entry.document_key, row.tobytes())
                for entry, row in zip(kept, rows, strict=True)
            ],
        )
        _add_codes(connection, kept, rows, space)

    def remove(self, connection: Connection, entries: Sequence[IndexEntry]) -> None:
        """Forgets passages, words and vectors; harmless for passages that are not there."""
        keys = {entry.passage_key for entry in entries}
        if not keys:
            return
        _remove_words(connection, keys)
        for table in searching.vector_tables(connection):
            _remove_vectors(connection, table, keys)

    def remove_vectors(self, connection: Connection, collection_key: int, space: int | None = None) -> None:
        """Forgets all vectors of a collection, or those in one space; words stay findable."""
        for dimensions, held in searching.vector_tables(connection):
            if space not in (None, held):
                continue
            for statement in (
                "delete from {vectors} where collection_key = ?",
                "delete from {codes} where collection_key = ?",
            ):
                connection.exec_driver_sql(_for(dimensions, held, statement), (collection_key,))

    def vectors_of(
        self, connection: Connection, passage_keys: Sequence[int], space: int = 0
    ) -> tuple[list[int], NDArray[np.float32]]:
        """Those of the passages that have a vector in the space, and these vectors, as they were given."""
        statement = (
            "select passage_key, vector from {vectors} "
            "where passage_key in (select value from json_each(?)) and length(vector) = ? order by passage_key"
        )
        wanted = json.dumps(list(passage_keys))
        for dimensions, held in searching.vector_tables(connection):
            if held == space:
                asked = (wanted, 4 * dimensions)
                found = connection.exec_driver_sql(_for(dimensions, space, statement), asked).all()
                if found:
                    rows = np.frombuffer(b"".join(row.vector for row in found), np.float32)
                    return [row.passage_key for row in found], rows.reshape(len(found), dimensions)
        return [], np.empty((0, 0), np.float32)

    def unfit(
        self,
        connection: Connection,
        collection_key: int,
        passage_keys: Sequence[int],
        embedded: Sequence[int],
        space: int = 0,
    ) -> Unfit:
        """What is lacking or damaged of these passages' words, and of the vectors of those that are to have one in the space."""
        wanted = (json.dumps(list(passage_keys)),) * 2
        worded = connection.exec_driver_sql(
            "select passage_key from passage_scopes where passage_key in (select value from json_each(?)) "
            "and passage_key in (select rowid from passage_words where rowid in (select value from json_each(?)))",
            wanted,
        ).scalars()
        sound = _of_right_length(connection, embedded, space) & _coded(
            connection, collection_key, embedded, space
        )
        return Unfit(frozenset(passage_keys) - frozenset(worded), frozenset(embedded) - sound)

    def forget_damaged(
        self, connection: Connection, collection_key: int, passage_keys: Sequence[int], space: int = 0
    ) -> None:
        """Removes what there is of these passages' vectors in the space, in whatever state it is."""
        for dimensions, held in searching.vector_tables(connection):
            if held != space:
                continue
            for chunk in {key >> CHUNK_BITS for key in passage_keys}:
                try:
                    _chunk(connection, (dimensions, space), collection_key, chunk)
                except DamagedVectors:
                    # The codes of others that are lost with it are lacking then, and made of their vectors.
                    _write_chunk(
                        connection, (dimensions, space), collection_key, chunk, _no_codes(dimensions)
                    )
            _remove_vectors(connection, (dimensions, space), passage_keys)

    def search(self, connection: Connection, query: IndexQuery) -> list[IndexHit]:
        """The best passages, best first, at most ``limit``. Where vectors cannot be read, words alone are searched."""
        try:
            return searching.search(connection, query, self._bounds)
        except DamagedVectors as damage:
            log.warning("index.vectors_damaged", collections=query.collection_keys, reason=str(damage))
            return searching.search(connection, replace(query, vectors=None, fuse="keyword"), self._bounds)


def _for(dimensions: int, space: int, statement: str) -> str:
    return searching.named(statement, dimensions, space)


def _remove_words(connection: Connection, keys: Iterable[int]) -> None:
    wanted = (json.dumps(list(keys)),)
    connection.exec_driver_sql(
        "delete from passage_words where rowid in (select passage_key from passage_scopes "
        "where passage_key in (select value from json_each(?)))",
        wanted,
    )
    gone = connection.exec_driver_sql(
        "delete from passage_scopes where passage_key in (select value from json_each(?)) "
        "returning collection_key",
        wanted,
    ).scalars()
    _count(connection, {collection_key: -lost for collection_key, lost in Counter(gone).items()})


def _count(connection: Connection, changes: Mapping[int, int]) -> None:
    if changes:
        connection.exec_driver_sql(
            "insert into passage_totals values(?, ?) "
            "on conflict(collection_key) do update set passages = passages + excluded.passages",
            list(changes.items()),
        )


def _remove_vectors(connection: Connection, table: tuple[int, int], keys: Iterable[int]) -> None:
    gone = connection.exec_driver_sql(
        _for(
            *table,
            "delete from {vectors} where passage_key in (select value from json_each(?)) "
            "returning collection_key, passage_key",
        ),
        (json.dumps(list(keys)),),
    ).all()
    chunks: dict[tuple[int, int], list[int]] = defaultdict(list)
    for collection_key, passage_key in gone:
        chunks[collection_key, passage_key >> CHUNK_BITS].append(passage_key)
    for (collection_key, chunk), passage_keys in chunks.items():
        codes = _chunk(connection, table, collection_key, chunk)
        left = codes.keep(~np.isin(codes.passage_keys, passage_keys))
        _write_chunk(connection, table, collection_key, chunk, left)


def _add_codes(
    connection: Connection, entries: Sequence[IndexEntry], vectors: NDArray[np.float32], space: int
) -> None:
    table = (vectors.shape[1], space)
    passage_keys = np.array([entry.passage_key for entry in entries], np.int64)
    document_keys = np.array([entry.document_key for entry in entries], np.int64)
    added = encode(vectors, passage_keys, document_keys)
    for (collection_key, chunk), rows in _by_chunk(entries):
        codes = _chunk(connection, table, collection_key, chunk)
        mask = np.zeros(len(entries), np.bool_)
        mask[rows] = True
        # Codes whose vectors were lost may still be there.
        others = codes.keep(~np.isin(codes.passage_keys, passage_keys))
        _write_chunk(connection, table, collection_key, chunk, Codes.joined([others, added.keep(mask)]))


def _by_chunk(entries: Sequence[IndexEntry]) -> Iterator[tuple[tuple[int, int], list[int]]]:
    chunks: dict[tuple[int, int], list[int]] = defaultdict(list)
    for row, entry in enumerate(entries):
        chunks[entry.collection_key, entry.passage_key >> CHUNK_BITS].append(row)
    yield from chunks.items()


def _of_right_length(connection: Connection, passage_keys: Sequence[int], space: int) -> set[int]:
    """Passages whose vectors are there; they are not read."""
    statement = (
        "select passage_key from {vectors} "
        "where passage_key in (select value from json_each(?)) and length(vector) = ?"
    )
    found: set[int] = set()
    for dimensions, held in searching.vector_tables(connection):
        if held == space:
            asked = (json.dumps(list(passage_keys)), 4 * dimensions)
            rows = connection.exec_driver_sql(_for(dimensions, space, statement), asked)
            found.update(rows.scalars())
    return found


def _coded(connection: Connection, collection_key: int, passage_keys: Sequence[int], space: int) -> set[int]:
    """Passages whose codes are there."""
    found: set[int] = set()
    for dimensions, held in searching.vector_tables(connection):
        for chunk in {key >> CHUNK_BITS for key in passage_keys} if held == space else ():
            try:
                codes = _chunk(connection, (dimensions, space), collection_key, chunk)
            except DamagedVectors:
                continue
            found |= set(codes.passage_keys.tolist())
    return found


def _no_codes(dimensions: int) -> Codes:
    return searching.codes_of((b"", b"", b""), width(dimensions))


def _chunk(connection: Connection, table: tuple[int, int], collection_key: int, chunk: int) -> Codes:
    row = connection.exec_driver_sql(
        _for(
            *table,
            "select passage_keys, document_keys, bits from {codes} where collection_key = ? and chunk = ?",
        ),
        (collection_key, chunk),
    ).one_or_none()
    return searching.codes_of(row or (b"", b"", b""), width(table[0]))


def _write_chunk(
    connection: Connection, table: tuple[int, int], collection_key: int, chunk: int, codes: Codes
) -> None:
    if not len(codes.passage_keys):
        connection.exec_driver_sql(
            _for(*table, "delete from {codes} where collection_key = ? and chunk = ?"),
            (collection_key, chunk),
        )
        return
    connection.exec_driver_sql(
        _for(*table, "insert or replace into {codes} values(?, ?, ?, ?, ?)"),
        (
            collection_key,
            chunk,
            codes.passage_keys.tobytes(),
            codes.document_keys.tobytes(),
            codes.bits.tobytes(),
        ),
    )
