"""A database with a passage index, and transactions over it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, Engine

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
                connection.exec_driver_sql("begin immediate")
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
