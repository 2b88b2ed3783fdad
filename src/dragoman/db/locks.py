"""Locks that last as long as a transaction, for what rows alone cannot guard.

SQLite lets one transaction write at a time, so there is nothing to do.
"""

import zlib

import sqlalchemy as sa
from sqlalchemy import Connection


def lock_shared(connection: Connection, name: str) -> None:
    """Waits for whoever holds the lock alone; others may share it."""
    _lock(connection, name, "pg_advisory_xact_lock_shared")


def lock_alone(connection: Connection, name: str) -> None:
    """Waits for whoever holds the lock in any way."""
    _lock(connection, name, "pg_advisory_xact_lock")


def _lock(connection: Connection, name: str, function: str) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text(f"select {function}(:key)"), {"key": zlib.crc32(name.encode())})
