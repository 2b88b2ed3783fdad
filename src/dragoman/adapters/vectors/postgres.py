"""The passage index inside PostgreSQL: own BM25 over ``tsvector`` and pgvector for meaning.

Tables, beside the domain's own and in the same transactions:

- ``passage_words``: the words of each passage. Every word carries its collection, so that each collection
  has posting lists of its own in the GIN index; the document is one more word.
- ``passage_terms``: in how many passages of its collection a word is; ``passage_totals``: how many
  passages with words a collection has, and how many words those have.
- ``passage_vectors_<d>``: the exact vectors, a table a length; those of spaces beside the first have the
  space's number at the end of their names, here and below. ``passage_codes_<d>``: their one-bit
  codes, narrow enough to be compared all when a collection is large.

There is no approximate index: up to ``exact_rows`` every vector of the scope is compared; above, all
codes are and then the best candidates exactly. Writers of one collection wait for each other, as they
count the same words.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
import orjson
from numpy.typing import NDArray
from sqlalchemy import Connection

from dragoman.adapters.vectors import postgres_search as searching
from dragoman.adapters.vectors.codes import bit_strings, width
from dragoman.adapters.vectors.words import collection_prefix, document_word, index_text
from dragoman.domain.knowledge.ports import IndexEntry, IndexHit, IndexQuery, Unfit

_LOCKS = 0x447261 << 40
_PREPARING = _LOCKS - 1

_EXTENSION = "create extension if not exists vector"
# No stop words: a question of nothing else must still find something.
_CONFIGURATION = (
    "create text search dictionary dragoman_stem (template = snowball, language = english)",
    "create text search configuration dragoman_words (copy = english)",
    "alter text search configuration dragoman_words "
    "alter mapping for asciiword, word, numword with dragoman_stem",
)
_WORD_TABLES = (
    "create table if not exists passage_words(passage_key bigint primary key, "
    "collection_key bigint not null, document_key bigint not null, length integer not null, "
    "words tsvector not null)",
    "create index if not exists ix_passage_words_words "
    "on passage_words using gin (words) with (fastupdate = off)",
    "create table if not exists passage_terms(lexeme text primary key, "
    "passages integer not null) with (fillfactor = 80)",
    "create table if not exists passage_totals(collection_key bigint primary key, "
    "passages bigint not null, words bigint not null)",
)
_VECTOR_TABLES = (
    "create table if not exists {vectors}(passage_key bigint primary key, collection_key bigint not null, "
    "document_key bigint not null, vector vector({dimensions}) not null)",
    "create index if not exists ix_{vectors}_collection_key_document_key "
    "on {vectors}(collection_key, document_key)",
    "create table if not exists {codes}(passage_key bigint primary key, collection_key bigint not null, "
    "document_key bigint not null, code bit({width}) not null)",
    "create index if not exists ix_{codes}_collection_key_document_key "
    "on {codes}(collection_key, document_key)",
)
_ADD_WORDS = """
insert into passage_words(passage_key, collection_key, document_key, length, words)
select passage_key, collection_key, document_key, length,
  to_tsvector('dragoman_words', words) || array_to_tsvector(array[document])
from unnest(%(passages)s::bigint[], %(collections)s::bigint[], %(documents)s::bigint[],
  %(lengths)s::integer[], %(texts)s::text[], %(document_words)s::text[])
  as added(passage_key, collection_key, document_key, length, words, document)
"""
# Words of documents are not counted; all others begin with their collection's number.
_COLLECTIONS_OF = (
    "select distinct collection_key from passage_words where passage_key = any(%(passages)s::bigint[])"
)
_COUNT_TERMS = """
insert into passage_terms(lexeme, passages)
select lexeme, %(sign)s * count(*)
from passage_words cross join lateral unnest(words) as found(lexeme, positions, weights)
where passage_key = any(%(passages)s::bigint[]) and lexeme < 'a'
group by lexeme order by lexeme
on conflict (lexeme) do update set passages = passage_terms.passages + excluded.passages
"""
_COUNT_TOTALS = """
insert into passage_totals(collection_key, passages, words)
select collection_key, %(sign)s * count(*), %(sign)s * sum(length)
from passage_words where passage_key = any(%(passages)s::bigint[])
group by collection_key order by collection_key
on conflict (collection_key) do update
set passages = passage_totals.passages + excluded.passages, words = passage_totals.words + excluded.words
"""
_ADD_VECTORS = """
insert into {vectors}(passage_key, collection_key, document_key, vector)
select passage_key, collection_key, document_key, vector::vector
from unnest(%(passages)s::bigint[], %(collections)s::bigint[], %(documents)s::bigint[], %(values)s::text[])
  as added(passage_key, collection_key, document_key, vector)
"""
_ADD_CODES = """
insert into {codes}(passage_key, collection_key, document_key, code)
select passage_key, collection_key, document_key, code::bit({width})
from unnest(%(passages)s::bigint[], %(collections)s::bigint[], %(documents)s::bigint[], %(values)s::text[])
  as added(passage_key, collection_key, document_key, code)
"""


class PostgresIndex:
    """A ``PassageIndex`` over connections to PostgreSQL with pgvector.

    Args:
        exact_rows: scopes of up to this many passages are compared exactly, larger ones by codes first.
        rescored: how many candidates of the codes are compared exactly, at least; 2 % of a very large scope.
        scored_rows: in larger scopes words are taken rarest first until they match this many passages.
    """

    def __init__(self, *, exact_rows: int = 10_000, rescored: int = 2_000, scored_rows: int = 4_000) -> None:
        self._bounds = searching.Bounds(exact_rows, rescored, scored_rows)

    def prepare(self, connection: Connection, dimensions: int, space: int = 0) -> None:
        """Creates the tables for words and, unless ``dimensions`` is 0, for vectors of that length in that space."""
        _lock(connection, [_PREPARING])
        if not _exists(connection, "pg_extension", "extname", "vector"):
            connection.exec_driver_sql(_EXTENSION)
        if not _exists(connection, "pg_ts_config", "cfgname", "dragoman_words"):
            for statement in _CONFIGURATION:
                connection.exec_driver_sql(statement)
        for statement in (*_WORD_TABLES, *(_VECTOR_TABLES if dimensions else ())):
            connection.exec_driver_sql(_for(dimensions, space, statement))

    def add_text(self, connection: Connection, entries: Sequence[IndexEntry]) -> None:
        """Makes passages findable by their words; replaces earlier words of the same passages."""
        latest = {entry.passage_key: entry for entry in entries}
        if not latest:
            return
        kept = list(latest.values())
        _lock(connection, (_LOCKS + entry.collection_key for entry in kept))
        _remove_words(connection, latest)
        texts = [index_text(entry.text, prefix=collection_prefix(entry.collection_key)) for entry in kept]
        added = {
            "texts": texts,
            "lengths": [len(words.split()) for words in texts],
            "document_words": [document_word(entry.document_key) for entry in kept],
        }
        connection.exec_driver_sql(_ADD_WORDS, {**_keys(kept), **added})
        _count_words(connection, latest, sign=1)

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
        keys = _keys([entries[row] for row in at.values()])
        rows = np.ascontiguousarray(vectors[list(at.values())], dtype=np.float32)
        _remove_vectors(connection, at, space)
        texts = [orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY).decode() for row in rows]
        dimensions = rows.shape[1]
        connection.exec_driver_sql(_for(dimensions, space, _ADD_VECTORS), {**keys, "values": texts})
        connection.exec_driver_sql(_for(dimensions, space, _ADD_CODES), {**keys, "values": bit_strings(rows)})

    def remove(self, connection: Connection, entries: Sequence[IndexEntry]) -> None:
        """Forgets passages, words and vectors; harmless for passages that are not there."""
        keys = {entry.passage_key for entry in entries}
        if not keys:
            return
        _remove_words(connection, keys)
        _remove_vectors(connection, keys)

    def remove_vectors(self, connection: Connection, collection_key: int, space: int | None = None) -> None:
        """Forgets all vectors of a collection, or those in one space; words stay findable."""
        for dimensions, held in searching.vector_tables(connection):
            if space not in (None, held):
                continue
            for statement in (
                "delete from {vectors} where collection_key = %(collection)s",
                "delete from {codes} where collection_key = %(collection)s",
            ):
                connection.exec_driver_sql(_for(dimensions, held, statement), {"collection": collection_key})

    def vectors_of(
        self, connection: Connection, passage_keys: Sequence[int], space: int = 0
    ) -> tuple[list[int], NDArray[np.float32]]:
        """Those of the passages that have a vector in the space, and these vectors, as they were given."""
        statement = (
            "select passage_key, vector::text as vector from {vectors} "
            "where passage_key = any(%(passages)s::bigint[]) order by passage_key"
        )
        wanted = {"passages": list(passage_keys)}
        for dimensions, held in searching.vector_tables(connection):
            if held == space:
                found = connection.exec_driver_sql(_for(dimensions, space, statement), wanted).all()
                if found:
                    rows = np.array([orjson.loads(row.vector) for row in found], np.float32)
                    return [row.passage_key for row in found], rows
        return [], np.empty((0, 0), np.float32)

    def unfit(
        self,
        connection: Connection,
        collection_key: int,
        passage_keys: Sequence[int],
        embedded: Sequence[int],
        space: int = 0,
    ) -> Unfit:
        """What is lacking of these passages' words, and of the vectors of those that are to have one in the space."""
        worded = connection.exec_driver_sql(
            "select passage_key from passage_words where passage_key = any(%(passages)s::bigint[]) "
            "and collection_key = %(collection)s",
            {"passages": list(passage_keys), "collection": collection_key},
        ).scalars()
        statement = (
            "select v.passage_key from {vectors} v join {codes} c on c.passage_key = v.passage_key "
            "where v.passage_key = any(%(passages)s::bigint[])"
        )
        sound: set[int] = set()
        for dimensions, held in searching.vector_tables(connection):
            if held == space:
                asked = {"passages": list(embedded)}
                sound |= set(connection.exec_driver_sql(_for(dimensions, space, statement), asked).scalars())
        return Unfit(frozenset(passage_keys) - frozenset(worded), frozenset(embedded) - sound)

    def forget_damaged(
        self, connection: Connection, collection_key: int, passage_keys: Sequence[int], space: int = 0
    ) -> None:
        """Removes what there is of these passages' vectors in the space."""
        _remove_vectors(connection, passage_keys, space)

    def search(self, connection: Connection, query: IndexQuery) -> list[IndexHit]:
        """The best passages, best first, at most ``limit``."""
        return searching.search(connection, query, self._bounds)


def _for(dimensions: int, space: int, statement: str) -> str:
    filled = searching.named(statement, dimensions, space).replace("{dimensions}", f"{dimensions:d}")
    return filled.replace("{width}", f"{width(max(1, dimensions)):d}")


def _keys(entries: Sequence[IndexEntry]) -> Mapping[str, list[int]]:
    return {
        "passages": [entry.passage_key for entry in entries],
        "collections": [entry.collection_key for entry in entries],
        "documents": [entry.document_key for entry in entries],
    }


def _lock(connection: Connection, locks: Iterable[int]) -> None:
    """Waits until no other transaction holds any of the locks; always in the same order."""
    for lock in sorted(set(locks)):
        connection.exec_driver_sql("select pg_advisory_xact_lock(%(lock)s)", {"lock": lock})


def _exists(connection: Connection, catalogue: str, column: str, name: str) -> bool:
    statement = "select count(*) from {catalogue} where {column} = %(name)s"
    statement = statement.replace("{catalogue}", catalogue).replace("{column}", column)
    if catalogue == "pg_ts_config":
        statement += " and pg_ts_config_is_visible(oid)"
    return connection.exec_driver_sql(statement, {"name": name}).scalar_one() > 0


def _remove_words(connection: Connection, keys: Collection[int]) -> None:
    passages = {"passages": list(keys)}
    collections = connection.exec_driver_sql(_COLLECTIONS_OF, passages).scalars().all()
    # Passages that have just been stored have none, and every statement here makes other writers wait longer.
    if not collections:
        return
    _lock(connection, (_LOCKS + collection_key for collection_key in collections))
    _count_words(connection, keys, sign=-1)
    connection.exec_driver_sql(
        "delete from passage_words where passage_key = any(%(passages)s::bigint[])", passages
    )


def _count_words(connection: Connection, keys: Collection[int], *, sign: int) -> None:
    for statement in (_COUNT_TERMS, _COUNT_TOTALS):
        connection.exec_driver_sql(statement, {"passages": list(keys), "sign": sign})


def _remove_vectors(connection: Connection, keys: Collection[int], space: int | None = None) -> None:
    for dimensions, held in searching.vector_tables(connection):
        if space not in (None, held):
            continue
        for statement in (
            "delete from {vectors} where passage_key = any(%(passages)s::bigint[])",
            "delete from {codes} where passage_key = any(%(passages)s::bigint[])",
        ):
            connection.exec_driver_sql(_for(dimensions, held, statement), {"passages": list(keys)})
