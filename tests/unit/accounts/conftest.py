"""Accounts over a migrated database of each kind."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from accounts_samples import ROOT, Clock

from dragoman.db.connect import open_database
from dragoman.db.database import Database
from dragoman.domain.accounts.service import AccountsService


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def accounts(database: Database, clock: Clock) -> AccountsService:
    return AccountsService(database, ROOT, clock_ms=clock)


@pytest.fixture
async def elsewhere(
    database: Database, database_url: str | None, data_dir: Path, clock: Clock
) -> AsyncGenerator[AccountsService]:
    """The accounts of the same database, as another process has them."""
    opened = open_database(database_url, data_dir)
    yield AccountsService(opened, ROOT, clock_ms=clock)
    await opened.close()
