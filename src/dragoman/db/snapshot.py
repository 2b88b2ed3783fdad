"""Whole copies of a SQLite database while it is in use, and the way back."""

import os
from contextlib import closing
from pathlib import Path

from dragoman.db.sqlite_driver import DriverError, open_connection, translated


def take(database: Path, target: Path) -> None:
    """Writes a consistent, compact copy of the database to ``target``, which is whole or not there.

    Raises:
        Unavailable: the disk is full or a file cannot be read or written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(target.name + ".part")
    unfinished.unlink(missing_ok=True)
    try:
        with closing(open_connection(database)) as connection:
            connection.execute("vacuum into ?", (str(unfinished),))
    except DriverError as error:
        unfinished.unlink(missing_ok=True)
        raise translated(error) from error
    _sync(unfinished)
    unfinished.replace(target)
    _sync(target.parent)


def put_back(source: Path, database: Path) -> None:
    """Makes the database's content that of the copy, in one transaction that other processes see whole.

    Raises:
        Unavailable: the database is locked, or the disk is full.
    """
    try:
        with closing(open_connection(source)) as copy, closing(open_connection(database)) as connection:
            copy.backup(connection)
    except DriverError as error:
        raise translated(error) from error


def keep_newest(folder: Path, pattern: str, count: int) -> None:
    """Deletes all but the newest files of that pattern."""
    found = sorted(folder.glob(pattern), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for path in found[count:]:
        path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
