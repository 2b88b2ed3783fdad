"""Both engines' passage indexes, each over a fresh migrated database."""

from collections.abc import Generator
from pathlib import Path

import pytest
from indexed_database import IndexedDatabase

from dragoman.adapters.vectors.postgres import PostgresIndex
from dragoman.adapters.vectors.sqlite import SqliteIndex
from dragoman.db.connect import postgres, postgres_url, sqlite_path
from dragoman.db.sqlite_driver import make_engine


@pytest.fixture
def indexed(database_url: str | None, data_dir: Path) -> Generator[IndexedDatabase]:
    """A database of each kind in turn."""
    if database_url is None:
        opened = IndexedDatabase(make_engine(sqlite_path(data_dir)), SqliteIndex)
    else:
        opened = IndexedDatabase(postgres().make_engine(postgres_url(database_url)), PostgresIndex)
    yield opened
    opened.engine.dispose()
