"""Of vectors in SQLite that are damaged: words answer, and nothing else is taken for damage."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import structlog
from indexed_database import IndexedDatabase
from sqlalchemy.exc import OperationalError

from dragoman.adapters.vectors import sqlite_search
from dragoman.adapters.vectors.sqlite import SqliteIndex
from dragoman.db.connect import sqlite_path
from dragoman.db.sqlite_driver import make_engine
from dragoman.domain.knowledge.ports import IndexEntry, IndexHit, IndexQuery

_VECTORS = np.eye(3, 64, dtype=np.float32)
_QUERY = IndexQuery(collection_keys=(1,), terms=("kestrel",), vectors=_VECTORS[:1], limit=5)


@pytest.fixture
def filled(data_dir: Path) -> Iterator[IndexedDatabase]:
    """An index of three passages that have words and vectors."""
    indexed = IndexedDatabase(make_engine(sqlite_path(data_dir)), SqliteIndex)
    entries = [IndexEntry(key, 1, key, f"kestrel {key}") for key in (1, 2, 3)]
    with indexed.transaction() as connection:
        index = indexed.make()
        index.prepare(connection, 64)
        index.add_text(connection, entries)
        index.add_vectors(connection, entries, _VECTORS)
    yield indexed
    indexed.engine.dispose()


def _search(indexed: IndexedDatabase, *, exact_rows: int) -> list[IndexHit]:
    with indexed.transaction(keep=False) as connection:
        return indexed.make(exact_rows=exact_rows).search(connection, _QUERY)


@pytest.mark.parametrize(
    ("exact_rows", "damage"),
    [
        (10, "update passage_vectors_64 set vector = x'00112233' where passage_key = 2"),
        (0, "update passage_codes_64 set bits = x'0011'"),
        (0, "update passage_codes_64 set document_keys = x'0011223344556677'"),
        (0, "update passage_codes_64 set passage_keys = x'0011'"),
    ],
)
def test_where_vectors_are_damaged_words_answer(
    filled: IndexedDatabase, exact_rows: int, damage: str
) -> None:
    assert {hit.similarity for hit in _search(filled, exact_rows=exact_rows)} == {0.0, 1.0}
    with filled.transaction() as connection:
        assert connection.exec_driver_sql(damage).rowcount
    with structlog.testing.capture_logs() as logged:
        hits = _search(filled, exact_rows=exact_rows)
    assert [(hit.passage_key, hit.similarity) for hit in hits] == [(1, None), (2, None), (3, None)]
    assert [line["event"] for line in logged] == ["index.vectors_damaged"]


@pytest.mark.parametrize(
    ("mistake", "raised"),
    [("MEANING", OperationalError), ("_similarity", TypeError), ("nearest", ValueError)],
)
def test_a_mistake_in_the_program_is_not_taken_for_damage(
    filled: IndexedDatabase, monkeypatch: pytest.MonkeyPatch, mistake: str, raised: type[Exception]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise raised("a mistake")

    wrong = "select no_such_column from {vectors}" if raised is OperationalError else fail
    monkeypatch.setattr(sqlite_search, mistake, wrong)
    with pytest.raises(raised, match=r"mistake|no_such_column"):
        _search(filled, exact_rows=0)
