"""SQLite behind ``Database``: one writer thread that commits waiting writes as a group, a few readers."""

import asyncio
import os
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar, cast

import structlog
from sqlalchemy import Connection, Engine

from dragoman.db.calls import Call, deliver
from dragoman.db.schema import SEAL
from dragoman.db.sqlite_driver import BUSY_SECONDS, make_engine, raw, translated
from dragoman.kit.errors import Unavailable

P = ParamSpec("P")
R = TypeVar("R")

log = structlog.get_logger(__name__)

_GROUP = 64
# More threads than cores only pass Python's lock around: four readers on two cores gave half as much as two.
_READERS = max(2, min(4, os.cpu_count() or 2))
_WRITER_CACHE_KIB = 16384


class SqliteDatabase:
    """One SQLite file. Threads and connections are made when they are first needed.

    Args:
        path: the database file; its folder exists.
        readers: the most reads that run at the same time.
        busy_seconds: how long a write waits for another process's.
        seal: the key that what is recorded for audits is sealed with.
    """

    def __init__(
        self,
        path: Path,
        *,
        readers: int = _READERS,
        busy_seconds: float = BUSY_SECONDS,
        seal: bytes | None = None,
    ) -> None:
        self._write_engine = make_engine(path, cache_kib=_WRITER_CACHE_KIB, busy_seconds=busy_seconds)
        self._write_engine.update_execution_options(**{SEAL: seal})
        self._most_readers = readers
        self._read_engine = make_engine(path, busy_seconds=busy_seconds)
        self._writes: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self._reads: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._pending_reads = 0
        self._readers: list[threading.Thread] = []
        self._writer: threading.Thread | None = None
        self._closed = False

    @property
    def dialect(self) -> str:
        """``sqlite``."""
        return "sqlite"

    async def read(self, fn: Callable[Concatenate[Connection, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """What ``fn`` returns over a consistent snapshot; ``fn`` cannot write.

        Raises:
            Unavailable: the file cannot be opened or read, or the database is closed.
        """
        call = Call(fn, args, kwargs, asyncio.get_running_loop())
        with self._lock:
            self._refuse_when_closed()
            self._pending_reads += 1
            if self._pending_reads > len(self._readers) and len(self._readers) < self._most_readers:
                self._readers.append(_thread(self._read_forever, f"sqlite-reader-{len(self._readers)}"))
            self._reads.put(call)
        return cast("R", await call.future)

    async def write(
        self, fn: Callable[Concatenate[Connection, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """What ``fn`` returns, once its changes are on disk; nothing is done for a caller already cancelled.

        Raises:
            Unavailable: locked by another process, disk full, or closed; nothing was changed.
        """
        call = Call(fn, args, kwargs, asyncio.get_running_loop())
        with self._lock:
            self._refuse_when_closed()
            if self._writer is None:
                self._writer = _thread(self._write_forever, "sqlite-writer")
            self._writes.put(call)
        return cast("R", await call.future)

    async def close(self) -> None:
        """Waits for what was accepted, empties the log, closes all connections. May be called twice."""
        with self._lock:
            self._closed = True
        await asyncio.to_thread(self._end_threads)

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise Unavailable("The database is closed.")

    def _end_threads(self) -> None:
        for _ in self._readers:
            self._reads.put(None)
        for reader in self._readers:
            reader.join()
        if self._writer is not None:
            # After the readers, so that nothing of ours keeps the log from being emptied.
            self._writes.put(None)
            self._writer.join()
        self._read_engine.dispose()
        self._write_engine.dispose()

    def _read_forever(self) -> None:
        line = _Line(self._read_engine, "begin", writing=False)
        while (call := self._reads.get()) is not None:
            line.read(call)
            with self._lock:
                self._pending_reads -= 1
            deliver([call])
            # Else the last result and its traceback live until the next read.
            del call
        line.close()

    def _write_forever(self) -> None:
        line = _Line(self._write_engine, "begin immediate", writing=True)
        ending = False
        while not ending:
            first = self._writes.get()
            group, ending = self._take_group(first)
            if group:
                line.write(group)
                deliver(group)
            del first, group
        line.tidy()
        line.close()

    def _take_group(self, first: Call | None) -> tuple[list[Call], bool]:
        """What waits now, up to a group's size, and whether the end was asked for."""
        group: list[Call] = []
        taken = first
        while taken is not None:
            if not taken.future.cancelled():
                group.append(taken)
            if len(group) == _GROUP:
                return group, False
            try:
                taken = self._writes.get_nowait()
            except queue.Empty:
                return group, False
        return group, True


class _Line:
    """A thread's own connection, opened when first needed and again after it broke."""

    def __init__(self, engine: Engine, begin: str, *, writing: bool) -> None:
        self._engine = engine
        self._begin = begin
        self._writing = writing
        self._connection: Connection | None = None

    def read(self, call: Call) -> None:
        """Runs one call over a snapshot."""
        try:
            connection = self._opened()
            transaction = connection.begin()
            raw(connection).execute(self._begin)
            try:
                call.run(connection)
            finally:
                transaction.rollback()
        except BaseException as error:  # noqa: BLE001 - handed to the caller
            self._settle(call, error)

    def write(self, group: list[Call]) -> None:
        """Runs calls in one transaction, each undone by itself when it fails, and commits once."""
        try:
            connection = self._opened()
            transaction = connection.begin()
            raw(connection).execute(self._begin)
            for call in group:
                self._run_alone(call, connection)
            transaction.commit()
        except BaseException as error:
            reason = translated(error)
            if isinstance(reason, Unavailable):
                log.error("database.group_lost", calls=len(group), reason=reason.detail)  # noqa: TRY400 - known
            else:
                log.exception("database.group_lost", calls=len(group))
                reason = Unavailable("The database could not store the changes.")
                reason.__cause__ = error
            for call in group:
                if call.error is None:
                    call.fail(reason)
            self._drop()

    def tidy(self) -> None:
        """Refreshes the planner's statistics and moves the write-ahead log into the database file."""
        if self._connection is None:
            return
        handle = raw(self._connection)
        try:
            handle.execute("pragma analysis_limit = 400")
            handle.execute("pragma optimize")
            # Another process that reads must not hold up the end of this one.
            handle.execute("pragma busy_timeout = 0")
            handle.execute("pragma wal_checkpoint(truncate)")
        except Exception as error:  # noqa: BLE001 - the next start does the same work
            log.warning("database.tidy_failed", error=str(error))

    def close(self) -> None:
        """Closes the connection."""
        self._drop()

    def _run_alone(self, call: Call, connection: Connection) -> None:
        handle = raw(connection)
        handle.execute("savepoint call")
        try:
            call.run(connection)
        except BaseException as error:
            call.fail(translated(error))
            if not handle.in_transaction:
                # SQLite has undone the whole group, as it may on a full disk.
                raise
            handle.execute("rollback to call")
        handle.execute("release call")

    def _settle(self, call: Call, error: BaseException) -> None:
        reason = translated(error, writing=self._writing)
        call.fail(reason)
        if isinstance(reason, Unavailable):
            self._drop()

    def _opened(self) -> Connection:
        if self._connection is None:
            self._connection = self._engine.connect()
            if not self._writing:
                raw(self._connection).execute("pragma query_only = on")
        return self._connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            connection.close()
        except Exception as error:  # noqa: BLE001 - there is nothing left to save in it
            log.warning("database.close_failed", error=str(error))


def _thread(target: Callable[[], None], name: str) -> threading.Thread:
    thread = threading.Thread(target=target, name=name, daemon=True)
    thread.start()
    return thread
