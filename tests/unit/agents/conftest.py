"""Two callers on either database."""

import pytest

from dragoman.db.database import Database
from dragoman.domain.accounts.admin import NewUser
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.service import AccountsService
from dragoman.kit.crypto import RootKey


@pytest.fixture
async def callers(database: Database) -> tuple[Caller, Caller]:
    admin = AccountsService(database, RootKey(bytes(32))).admin
    for email in ("ana@example.org", "bob@example.com"):
        await admin.create_user(NewUser(email))
    return await admin.caller("ana@example.org"), await admin.caller("bob@example.com")
