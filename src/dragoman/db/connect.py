"""Which database an address means, and the way to it."""

import importlib
from pathlib import Path
from types import ModuleType
from typing import cast

from dragoman.db.database import Database
from dragoman.db.sqlite import SqliteDatabase
from dragoman.kit.errors import InvalidInput, Unavailable

_FILE = "dragoman.db"
_SCHEMES = ("postgresql://", "postgresql+psycopg://", "postgres://")


def open_database(url: str | None, data_dir: Path, *, seal: bytes | None = None) -> Database:
    """The database at the address, or the data folder's SQLite file when there is none; not yet connected.

    ``migrate`` comes first: it makes the folder and the schema.

    Args:
        seal: the key that what is recorded for audits is sealed with.

    Raises:
        InvalidInput: the address is of another kind.
        Unavailable: PostgreSQL's driver is not installed.
    """
    if url is None:
        return SqliteDatabase(sqlite_path(data_dir), seal=seal)
    return cast("Database", postgres().PostgresDatabase(postgres_url(url), seal=seal))


def sqlite_path(data_dir: Path) -> Path:
    """The database file of a data folder."""
    return data_dir / _FILE


def postgres_url(url: str) -> str:
    """The address in the form SQLAlchemy wants.

    Raises:
        InvalidInput: not an address of PostgreSQL.
    """
    for scheme in _SCHEMES:
        if url.startswith(scheme):
            return "postgresql+psycopg://" + url.removeprefix(scheme)
    raise InvalidInput("The database's address must begin with postgresql://.", param="database.url")


def postgres() -> ModuleType:
    """The module ``db.postgres``, whose driver is an extra.

    Raises:
        Unavailable: the extra is not installed.
    """
    try:
        return importlib.import_module("dragoman.db.postgres")
    except ImportError as error:
        if error.name is not None and error.name.startswith("dragoman"):
            raise
        raise Unavailable("PostgreSQL needs the extra packages: install dragoman[postgres].") from error
