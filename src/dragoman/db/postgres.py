"""PostgreSQL behind ``Database``: psycopg through SQLAlchemy Core, in a bounded pool of threads.

The only module that needs the extra ``postgres``; ``db.connect`` loads it by name.
"""

import asyncio
import contextvars
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Concatenate, ParamSpec, TypeVar

import psycopg
import sqlalchemy as sa
from pgvector.psycopg import register_vector
from psycopg.types import TypeInfo
from sqlalchemy import Connection, Engine, event, exc

from dragoman.db.schema import SEAL
from dragoman.kit.errors import InvalidInput, Unavailable

P = ParamSpec("P")
R = TypeVar("R")

_CONNECTIONS = 10
_CONNECT_SECONDS = 5
_CHECKOUT_SECONDS = 10
# What another try may not meet again: serialization failures, deadlocks, a lock that was not to be had.
_PASSING = ("40", "55")
_COLLIDED = "changes_collided"
_PAUSES_SECONDS = (0.02, 0.1, 0.4)


class PostgresDatabase:
    """One PostgreSQL database.

    Args:
        url: SQLAlchemy's address, ``postgresql+psycopg://user:password@host/name``.
        connections: the most connections, and so the most calls that run at the same time.
        seal: the key that what is recorded for audits is sealed with.
    """

    def __init__(self, url: str, *, connections: int = _CONNECTIONS, seal: bytes | None = None) -> None:
        self._engine = make_engine(url, connections=connections)
        self._engine.update_execution_options(**{SEAL: seal})
        self._snapshots = self._engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        self._threads = ThreadPoolExecutor(connections, thread_name_prefix="postgres")
        self._closed = False

    @property
    def dialect(self) -> str:
        """``postgresql``."""
        return "postgresql"

    async def read(self, fn: Callable[Concatenate[Connection, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """What ``fn`` returns over a consistent snapshot; ``fn`` cannot write.

        Raises:
            Unavailable: the server cannot be reached.
        """
        return await self._run(self._snapshots, fn, args, kwargs)

    async def write(
        self, fn: Callable[Concatenate[Connection, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """What ``fn`` returns, once its changes are committed; nothing is done for one already cancelled.

        ``fn`` is called again when its changes collided with another process's.

        Raises:
            Unavailable: the server cannot be reached, is full, or two changes collided; nothing was changed,
                unless the connection broke during the commit itself.
            InvalidInput: a text to be kept or looked for has a NUL character, which PostgreSQL cannot hold.
        """
        return await self._run(self._engine, fn, args, kwargs)

    async def close(self) -> None:
        """Waits for what was accepted and closes all connections. May be called twice."""
        self._closed = True
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        self._threads.shutdown(wait=True)
        self._engine.dispose()

    async def _run(self, engine: Engine, fn: Callable[..., R], args: Any, kwargs: Any) -> R:
        if self._closed:
            raise Unavailable("The database is closed.")
        loop = asyncio.get_running_loop()
        work = partial(_in_transaction, engine, fn, args, kwargs)
        return await loop.run_in_executor(self._threads, contextvars.copy_context().run, work)


def make_engine(url: str, *, connections: int = _CONNECTIONS) -> Engine:
    """An engine whose connections know pgvector's types where the extension is there."""
    engine = sa.create_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=_CHECKOUT_SECONDS,
        pool_pre_ping=True,
        connect_args={"connect_timeout": _CONNECT_SECONDS, "application_name": "dragoman"},
    )
    event.listen(engine, "connect", _register_types)
    return engine


def _register_types(connection: "psycopg.Connection[Any]", _record: object) -> None:
    if TypeInfo.fetch(connection, "vector") is not None:
        register_vector(connection)
    # Looking the type up has begun a transaction.
    connection.rollback()


def _in_transaction(engine: Engine, fn: Callable[..., R], args: Any, kwargs: Any) -> R:
    """Runs ``fn`` in a transaction of its own; one that collided with another's is undone whole and run anew."""
    for pause in _PAUSES_SECONDS:
        try:
            return _once(engine, fn, args, kwargs)
        except Unavailable as error:
            if error.code != _COLLIDED:
                raise
        time.sleep(pause * (1 + random.random()))  # noqa: S311 - spreads those that collided
    return _once(engine, fn, args, kwargs)


def _once(engine: Engine, fn: Callable[..., R], args: Any, kwargs: Any) -> R:
    try:
        with engine.begin() as connection:
            return fn(connection, *args, **kwargs)
    except (exc.OperationalError, exc.InterfaceError, exc.TimeoutError) as error:
        raise unavailable(error) from error
    except exc.DataError as error:
        if not _is_nul(error):
            raise
        raise InvalidInput("A text must not contain the NUL character.") from error
    except StopIteration as error:
        # A future refuses it, and its caller would wait for ever.
        raise RuntimeError("the function raised StopIteration") from error


def _is_nul(error: exc.DataError) -> bool:
    # The driver refuses such a text itself, so there is no SQLSTATE; from JSON the server refuses it with 22P05.
    origin = error.orig
    if not isinstance(origin, psycopg.DataError):
        return False
    return origin.sqlstate == "22P05" or (origin.sqlstate is None and "NUL" in str(origin))


def unavailable(error: exc.SQLAlchemyError) -> Unavailable:
    """What a caller may be told of a failure that is the server's state and not the statement's fault."""
    origin = error.orig if isinstance(error, exc.DBAPIError) else None
    state = (origin.sqlstate or "") if isinstance(origin, psycopg.Error) else ""
    if isinstance(error, exc.TimeoutError):
        return Unavailable("All connections to the database are in use.", retry_after_seconds=1)
    if state.startswith(_PASSING):
        return Unavailable(
            "Two changes collided in the database; try again.", code=_COLLIDED, retry_after_seconds=1
        )
    if state.startswith("53"):
        return Unavailable("The database server has run out of disk space, memory or connections.")
    return Unavailable("The database server cannot be reached.", retry_after_seconds=1)
