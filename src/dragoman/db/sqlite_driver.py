"""SQLite connections as Dragoman uses them: which driver, which settings, sqlite-vec in every one."""

import importlib
import sqlite3
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import cast

import sqlalchemy as sa
import sqlite_vec  # pyright: ignore[reportMissingTypeStubs]
from sqlalchemy import Connection, Engine, exc
from sqlalchemy.pool import NullPool

from dragoman.kit.errors import Unavailable

BUSY_SECONDS = 5
# The log goes into the file in bigger and rarer pieces than the 1000 pages that are usual: each piece holds up one write.
_CHECKPOINT_PAGES = 4000
_SETTINGS = (
    "pragma journal_mode = wal",
    "pragma synchronous = full",
    "pragma foreign_keys = on",
    "pragma temp_store = memory",
    "pragma mmap_size = 268435456",
    "pragma journal_size_limit = 67108864",
    f"pragma wal_autocheckpoint = {_CHECKPOINT_PAGES}",
)
_BUSY = {5, 6}
_READ_ONLY = 8
_REASONS = {
    5: "The database was locked by another process for too long.",
    6: "The database is locked.",
    7: "There is not enough memory for the database.",
    _READ_ONLY: "The database file may only be read.",
    10: "The database file could not be read or written.",
    11: "The database file is damaged; restore a backup.",
    13: "The disk is full, or the database has reached its greatest size.",
    14: "The database file could not be opened.",
    15: "The database is locked.",
    26: "The database file is not a SQLite database.",
}


def _find_driver() -> ModuleType:
    """A sqlite3 module whose connections load extensions; many Pythons' own is built without."""
    try:
        return importlib.import_module("pysqlite3")
    except ModuleNotFoundError:
        return sqlite3


# Nothing else in the process may open the database file, not even to read it: when another library, or plain
# ``open``, closes the file, the system drops the locks of this one.
driver = _find_driver()
DriverError = cast("type[sqlite3.Error]", driver.Error)


def open_connection(
    path: Path, *, cache_kib: int = 4096, busy_seconds: float = BUSY_SECONDS
) -> sqlite3.Connection:
    """A connection that leaves beginning and committing to its user.

    Raises:
        Unavailable: this Python's SQLite cannot load extensions.
        DriverError: the file cannot be opened.
    """
    connection = cast(
        "sqlite3.Connection", driver.connect(str(path), isolation_level=None, check_same_thread=False)
    )
    try:
        if not hasattr(connection, "enable_load_extension"):
            raise Unavailable("This Python's sqlite3 cannot load extensions: install the package pysqlite3.")
        connection.enable_load_extension(True)
        sqlite_vec.load(connection)
        connection.enable_load_extension(False)
        connection.execute(f"pragma busy_timeout = {int(busy_seconds * 1000)}")
        for setting in _SETTINGS:
            connection.execute(setting)
        connection.execute(f"pragma cache_size = -{cache_kib}")
    except BaseException:
        connection.close()
        raise
    return connection


def open_plain(path: Path) -> sqlite3.Connection:
    """A connection for a look at a file that another process may be making: it changes no mode of the file, which would
    need the file for itself and fail at once while it is in use.
    """
    connection = driver.connect(str(path), isolation_level=None, timeout=BUSY_SECONDS)
    return cast("sqlite3.Connection", connection)


def make_engine(path: Path, *, cache_kib: int = 4096, busy_seconds: float = BUSY_SECONDS) -> Engine:
    """An engine that opens a new connection each time; its users hold on to what they open."""
    creator = partial(open_connection, path, cache_kib=cache_kib, busy_seconds=busy_seconds)
    return sa.create_engine("sqlite://", module=driver, creator=creator, poolclass=NullPool)


def raw(connection: Connection) -> sqlite3.Connection:
    """The driver's own connection below SQLAlchemy's."""
    return cast("sqlite3.Connection", connection.connection.driver_connection)


def translated(error: BaseException, *, writing: bool = True) -> BaseException:
    """``Unavailable`` in place of an error that is the database's state and not the statement's fault."""
    origin = error.orig if isinstance(error, exc.DBAPIError) else error
    if not isinstance(origin, DriverError):
        return error
    code = cast("int", getattr(origin, "sqlite_errorcode", 0) or 0) & 0xFF
    reason = _REASONS.get(code)
    if reason is None or (code == _READ_ONLY and not writing):
        return error
    unavailable = Unavailable(reason, retry_after_seconds=1 if code in _BUSY else None)
    unavailable.__cause__ = error
    return unavailable
