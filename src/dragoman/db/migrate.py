"""Brings the schema up to date at start: one query when it is, else under a lock with a snapshot kept."""

import fcntl
import importlib
import time
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Protocol, cast

import sqlalchemy as sa
import structlog
from sqlalchemy import Connection, exc

from dragoman.db import snapshot
from dragoman.db.connect import postgres, postgres_url, sqlite_path
from dragoman.db.migrations import HEAD
from dragoman.db.sqlite_driver import DriverError, make_engine, open_plain, raw, translated
from dragoman.kit.errors import Unavailable

log = structlog.get_logger(__name__)

_KEPT_SNAPSHOTS = 3
_WAIT_SECONDS = 120
_TRY_SECONDS = 0.1
# Any constant will do; all servers of a database must have the same.
_ADVISORY_LOCK = 0x647261676F


class _Alembic(Protocol):
    def upgrade(self, connection: Connection, revision: str = "head") -> None: ...


def migrate(url: str | None, data_dir: Path) -> None:
    """Makes the data folder and brings the schema to this version. Blocks, also while another does so.

    Raises:
        Unavailable: the database cannot be reached or is of a newer version, or the lock is held too long.
    """
    if url is None:
        data_dir.mkdir(parents=True, exist_ok=True)
        _migrate_sqlite(sqlite_path(data_dir))
    else:
        _migrate_postgres(postgres_url(url))


def _alembic() -> _Alembic:
    # Alembic costs a good part of a second and 10 MB, which a start with nothing to do must not pay.
    return cast("_Alembic", importlib.import_module("dragoman.db.upgrade"))


def _wait_for(taken: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    while not taken():
        if time.monotonic() > deadline:
            raise Unavailable("Another process has been changing the database's schema for too long.")
        time.sleep(_TRY_SECONDS)


# SQLite


def _migrate_sqlite(path: Path) -> None:
    try:
        if _sqlite_revision(path) == HEAD:
            return
        with _file_lock(path.with_suffix(".lock")):
            before = _sqlite_revision(path)
            if before != HEAD:
                _change_sqlite(path, before)
    except (DriverError, exc.DBAPIError) as error:
        raise translated(error) from error


def _sqlite_revision(path: Path) -> str | None:
    """None when there is no schema yet."""
    if not path.exists():
        return None
    with closing(open_plain(path)) as connection:
        if (
            connection.execute("select 1 from sqlite_schema where name = 'alembic_version'").fetchone()
            is None
        ):
            return None
        row = connection.execute("select version_num from alembic_version").fetchone()
        return None if row is None else str(row[0])


@contextmanager
def _file_lock(path: Path) -> Generator[None]:
    with path.open("a") as file:
        _wait_for(lambda: _try_lock(file))
        yield


def _try_lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _change_sqlite(path: Path, before: str | None) -> None:
    copy = path.parent / "backups" / f"before-{HEAD}.db"
    try:
        _upgrade_sqlite(path, copy if before is not None else None)
    except BaseException:
        # The transaction has undone the changes, unless a migration committed by itself.
        if before is not None and copy.exists() and _sqlite_revision(path) != before:
            snapshot.put_back(copy, path)
            log.exception("database.restored", snapshot=str(copy), revision=before)
        raise
    log.info("database.migrated", before=before, after=HEAD)


def _upgrade_sqlite(path: Path, copy: Path | None) -> None:
    engine = make_engine(path)
    try:
        with engine.connect() as connection:
            handle = raw(connection)
            # Rebuilding a table drops it, which would take the rows that refer to it along.
            handle.execute("pragma foreign_keys = off")
            with connection.begin():
                handle.execute("begin immediate")
                if copy is not None:
                    # No other process can write from here on, so the copy is the state to come back to.
                    snapshot.take(path, copy)
                    snapshot.keep_newest(copy.parent, "before-*.db", _KEPT_SNAPSHOTS)
                _alembic().upgrade(connection)
                if (broken := handle.execute("pragma foreign_key_check").fetchone()) is not None:
                    raise Unavailable(f"The migration left rows of {broken[0]!r} that refer to nothing.")
    finally:
        engine.dispose()


# PostgreSQL


def _migrate_postgres(url: str) -> None:
    module = postgres()
    engine: sa.Engine = module.make_engine(url, connections=1)
    try:
        with engine.connect() as connection:
            if _postgres_revision(connection) == HEAD:
                return
            _wait_for(lambda: bool(_scalar(connection, f"select pg_try_advisory_lock({_ADVISORY_LOCK})")))
            # Locks of the session outlive transactions and end with the connection at the latest.
            before = _postgres_revision(connection)
            if before != HEAD:
                with connection.begin():
                    connection.execute(sa.text("set local lock_timeout = '10s'"))
                    _alembic().upgrade(connection)
                log.info("database.migrated", before=before, after=HEAD)
            _scalar(connection, f"select pg_advisory_unlock({_ADVISORY_LOCK})")
    except (exc.OperationalError, exc.InterfaceError) as error:
        raise module.unavailable(error) from error
    finally:
        engine.dispose()


def _postgres_revision(connection: Connection) -> str | None:
    if _scalar(connection, "select to_regclass('alembic_version')") is None:
        return None
    return cast("str | None", _scalar(connection, "select version_num from alembic_version"))


def _scalar(connection: Connection, statement: str) -> object:
    with connection.begin():
        return connection.execute(sa.text(statement)).scalar()
