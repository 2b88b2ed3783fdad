"""What is recorded of changes, and that tampering with it is named."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.db.connect import open_database
from dragoman.db.database import Database
from dragoman.domain.accounts.admin import NewUser
from dragoman.domain.accounts.audit.tables import audit_events, audit_heads
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.service import AccountsService
from dragoman.kit.crypto import RootKey
from dragoman.kit.errors import InvalidInput, NotFound, Unauthenticated
from dragoman.kit.origin import asked_from

KEY = RootKey(bytes(range(32)))
EMAIL = "ana@example.org"


@pytest.fixture
async def sealed(database_url: str | None, data_dir: Path, anyio_backend: str) -> AsyncGenerator[Database]:
    """A fresh database of either kind, opened with the key that seals."""
    opened = open_database(database_url, data_dir, seal=KEY.derive("audit"))
    yield opened
    await opened.close()


@pytest.fixture
async def accounts(sealed: Database) -> AccountsService:
    """Accounts with one user, of which one row is recorded."""
    service = AccountsService(sealed, KEY)
    await service.admin.create_user(NewUser(EMAIL))
    return service


async def _five(accounts: AccountsService) -> Caller:
    """Records four rows more."""
    caller = await accounts.admin.caller(EMAIL)
    for number in range(4):
        await accounts.set_secret(caller, f"name{number}", "worth")
    return caller


async def _problem(accounts: AccountsService) -> tuple[str, int] | None:
    (chain,) = await accounts.audit.verify()
    return None if chain.problem is None else (chain.problem.kind, chain.problem.number)


async def test_a_change_is_recorded_with_who_and_from_where_and_without_what_is_secret(
    accounts: AccountsService,
) -> None:
    caller = await accounts.admin.caller(EMAIL)
    with asked_from({"client": ("192.0.2.7", 5000)}):
        await accounts.set_secret(caller, "token", "not-to-be-written-down")
    event = (await accounts.audit.tail(None, 1))[0]
    told = event.told()
    assert (event.action, event.outcome, event.number) == ("secret.set", "done", 2)
    assert (told["actor"], told["address"], told["target"]) == (EMAIL, "192.0.2.7", "token")
    assert "not-to-be-written-down" not in str(event)


async def test_logins_are_recorded_with_their_outcome(accounts: AccountsService) -> None:
    _, key = await accounts.admin.create_key(EMAIL, "one")
    await accounts.keys.reload()
    await accounts.exchange(EMAIL, key, address="192.0.2.7")
    with pytest.raises(Unauthenticated):
        await accounts.exchange(EMAIL, "wrong" * 8, address="192.0.2.7")
    found = await accounts.audit.tail(EMAIL, 2)
    assert [(event.action, event.outcome) for event in found] == [
        ("token.issued", "done"),
        ("token.issued", "refused"),
    ]


async def test_a_change_that_fails_records_nothing(accounts: AccountsService) -> None:
    caller = await _five(accounts)
    with pytest.raises(NotFound):
        await accounts.delete_secret(caller, "never-set")
    assert len(await accounts.audit.tail(None, 100)) == 5
    assert await _problem(accounts) is None


def _change(**values: object) -> Callable[[Connection], None]:
    def change(connection: Connection) -> None:
        connection.execute(sa.update(audit_events).where(audit_events.c.number == 3).values(**values))

    return change


def _flip_content(connection: Connection) -> None:
    where = audit_events.c.number == 3
    text = connection.execute(sa.select(audit_events.c.content).where(where)).scalar_one()
    assert text is not None
    told = {**json.loads(text), "actor": "somebody-else@example.org"}
    connection.execute(sa.update(audit_events).where(where).values(content=json.dumps(told)))


def _drop(*numbers: int) -> Callable[[Connection], None]:
    return lambda connection: connection.execute(
        sa.delete(audit_events).where(audit_events.c.number.in_(numbers))
    ).close()


def _swap(connection: Connection) -> None:
    for old, new in ((2, 100), (3, 2), (100, 3)):
        connection.execute(sa.update(audit_events).where(audit_events.c.number == old).values(number=new))


def _cut_off(connection: Connection) -> None:
    """Drops the end and sets the head back to what is left, as one would who knows the tables."""
    _drop(4, 5)(connection)
    row = connection.execute(sa.select(audit_events.c.hash).where(audit_events.c.number == 3)).scalar_one()
    connection.execute(sa.update(audit_heads).values(number=3, hash=row))


@pytest.mark.parametrize(
    ("tamper", "named"),
    [
        pytest.param(_flip_content, ("changed", 3), id="content flipped"),
        pytest.param(_change(outcome="refused"), ("changed", 3), id="outcome flipped"),
        pytest.param(_change(at=1), ("changed", 3), id="time flipped"),
        pytest.param(_change(hash="0" * 64), ("changed", 3), id="hash flipped"),
        pytest.param(_change(content=None), ("redacted_unrecorded", 3), id="content removed in silence"),
        pytest.param(_drop(1), ("dropped", 1), id="first dropped"),
        pytest.param(_drop(3), ("dropped", 3), id="middle dropped"),
        pytest.param(_drop(4, 5), ("dropped", 4), id="end dropped"),
        pytest.param(_drop(1, 2, 3, 4, 5), ("dropped", 1), id="all dropped"),
        pytest.param(_swap, ("reordered", 2), id="reordered"),
        pytest.param(_cut_off, ("unsealed", 3), id="end cut off and head set back"),
    ],
)
async def test_tampering_is_named(
    accounts: AccountsService,
    sealed: Database,
    tamper: Callable[[Connection], None],
    named: tuple[str, int],
) -> None:
    await _five(accounts)
    assert await _problem(accounts) is None
    await sealed.write(tamper)
    assert await _problem(accounts) == named


async def test_a_chain_made_anew_with_another_key_is_not_taken_for_the_real_one(
    accounts: AccountsService, database_url: str | None, data_dir: Path
) -> None:
    forger = open_database(database_url, data_dir, seal=RootKey(bytes(32)).derive("audit"))
    try:
        await AccountsService(forger, KEY).set_secret(await accounts.admin.caller(EMAIL), "one", "worth")
    finally:
        await forger.close()
    assert await _problem(accounts) == ("unsealed", 2)


async def test_redaction_takes_the_content_and_keeps_the_chain(accounts: AccountsService) -> None:
    await _five(accounts)
    assert await accounts.audit.redact(EMAIL, [2, 3, 99], "asked to be forgotten") == [2, 3]
    assert await _problem(accounts) is None
    events = [event async for event in accounts.audit.export()]
    assert [event.number for event in events if event.content is None] == [2, 3]
    assert events[-1].told()["details"] == {"numbers": [2, 3], "reason": "asked to be forgotten"}
    with pytest.raises(NotFound):
        await accounts.audit.redact(EMAIL, [2], "again")
    with pytest.raises(InvalidInput):
        await accounts.audit.redact(EMAIL, [4], " ")


async def test_several_processes_add_to_one_chain_without_a_gap(
    accounts: AccountsService, database_url: str | None, data_dir: Path
) -> None:
    caller = await accounts.admin.caller(EMAIL)
    other = open_database(database_url, data_dir, seal=KEY.derive("audit"))
    try:
        writers = [accounts, AccountsService(other, KEY)]
        await asyncio.gather(
            *(writers[number % 2].set_secret(caller, f"name{number}", "worth") for number in range(24))
        )
    finally:
        await other.close()
    (chain,) = await accounts.audit.verify(EMAIL)
    assert chain.problem is None
    assert chain.head is not None
    assert chain.head.number == 25
