"""Database, root key and accounts, opened over a data folder; and what they are, for a check-up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.db.connect import open_database
from dragoman.db.database import Database
from dragoman.db.migrate import migrate
from dragoman.db.sqlite_driver import DriverError, open_connection, translated
from dragoman.domain.accounts.service import AccountsService
from dragoman.domain.accounts.signin.model import SignInBounds
from dragoman.kit.crypto import RootKey, load_or_create_key
from dragoman.settings import Settings


def signin_bounds(settings: Settings) -> SignInBounds:
    """How long sessions of people and links for them hold."""
    console, hour = settings.console, 3_600_000
    return SignInBounds(
        console.session_hours * hour, console.unused_hours * hour, console.setup_link_minutes * 60_000
    )


@asynccontextmanager
async def open_database_and_key(settings: Settings) -> AsyncIterator[tuple[Database, RootKey]]:
    """The migrated database and the root key, closed at the end.

    Raises:
        Unavailable: the data folder, the key file or the database cannot be used.
    """
    root_key = await asyncio.to_thread(load_or_create_key, settings.key_file)
    await asyncio.to_thread(migrate, settings.database_url, settings.data_dir)
    database = open_database(settings.database_url, settings.data_dir, seal=root_key.derive("audit"))
    try:
        yield database, root_key
    finally:
        await database.close()


@asynccontextmanager
async def open_accounts(settings: Settings) -> AsyncIterator[AccountsService]:
    """The accounts of the data folder, for a command; also while a server uses them.

    Raises:
        Unavailable: the data folder, the key file or the database cannot be used.
    """
    async with open_database_and_key(settings) as (database, root_key):
        yield AccountsService(database, root_key, signin=signin_bounds(settings))


def sqlite_report() -> str:
    """The versions of SQLite and its extensions, once they were seen to work.

    Raises:
        Unavailable: extensions or full-text search are missing.
    """
    try:
        with closing(open_connection(Path(":memory:"))) as connection:
            connection.execute("create virtual table words using fts5(text, tokenize = 'porter unicode61')")
            connection.execute("create virtual table points using vec0(point float[2])")
            row = connection.execute("select sqlite_version(), vec_version()").fetchone()
    except DriverError as error:
        raise translated(error) from error
    return f"SQLite {row[0]} with FTS5 and sqlite-vec {row[1]}"


def has_database(settings: Settings) -> bool:
    """Whether there is a database to look into without making one."""
    return settings.database_url is not None or (settings.data_dir / "dragoman.db").is_file()


async def database_report(settings: Settings) -> str:
    """What the database is, once it answered.

    Raises:
        Unavailable: it cannot be reached or read.
    """
    database = open_database(settings.database_url, settings.data_dir)
    try:
        return await database.read(_describe)
    finally:
        await database.close()


def _describe(connection: Connection) -> str:
    if connection.dialect.name != "sqlite":
        return str(connection.execute(sa.text("select version()")).scalar())
    revision = connection.execute(sa.text("select version_num from alembic_version")).scalar()
    return f"SQLite file, schema {revision}"
