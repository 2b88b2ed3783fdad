"""Both engines' passage indexes, each over a fresh migrated database."""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine

from dragoman.adapters.vectors.postgres import PostgresIndex
from dragoman.adapters.vectors.sqlite import SqliteIndex
from dragoman.db.connect import postgres, postgres_url, sqlite_path
from dragoman.db.sqlite_driver import make_engine
from dragoman.domain.knowledge.ports import PassageIndex


@dataclass(frozen=True)
class IndexedDatabase:
    """A database and how to make an index for it; ``make`` takes the index's bounds."""

    engine: Engine
    make: Callable[..., PassageIndex]

    @contextmanager
    def transaction(self, *, keep: bool = True) -> Iterator[Connection]:
        """A connection in a transaction of its own, undone at the end unless ``keep``."""
        with self.engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("begin")
            try:
                yield connection
            except BaseException:
                self._end(connection, keep=False)
                raise
            self._end(connection, keep=keep)

    def _end(self, connection: Connection, *, keep: bool) -> None:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("commit" if keep else "rollback")
        elif keep:
            connection.commit()
        else:
            connection.rollback()


@pytest.fixture
def indexed(database_url: str | None, data_dir: Path) -> Generator[IndexedDatabase]:
    """A database of each kind in turn."""
    if database_url is None:
        opened = IndexedDatabase(make_engine(sqlite_path(data_dir)), SqliteIndex)
    else:
        opened = IndexedDatabase(postgres().make_engine(postgres_url(database_url)), PostgresIndex)
    yield opened
    opened.engine.dispose()
