"""What both databases promise."""

import asyncio
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection, exc

from dragoman.db.connect import open_database
from dragoman.db.database import Database
from dragoman.domain.accounts.tables import organisations
from dragoman.kit.errors import InvalidInput, NotFound, Unavailable


def add(connection: Connection, name: str) -> str:
    connection.execute(sa.insert(organisations).values(id=name, name=name, created_at=1))
    return name


def add_then_fail(connection: Connection, name: str) -> None:
    add(connection, name)
    raise NotFound("after the insert")


def names(connection: Connection) -> set[str]:
    return set(connection.execute(sa.select(organisations.c.name)).scalars())


async def test_a_write_gives_what_the_function_returns_and_is_there_for_reads(database: Database) -> None:
    assert await database.write(add, "a") == "a"
    assert await database.read(names) == {"a"}


async def test_a_function_that_raises_leaves_nothing_behind(database: Database) -> None:
    with pytest.raises(NotFound, match="after the insert"):
        await database.write(add_then_fail, "a")
    assert await database.read(names) == set()


async def test_of_many_writes_at_once_only_the_failing_ones_are_undone(database: Database) -> None:
    work = [database.write(add_then_fail if n % 5 == 0 else add, f"n{n}") for n in range(100)]
    results = await asyncio.gather(*work, return_exceptions=True)
    assert [n for n, result in enumerate(results) if isinstance(result, NotFound)] == list(range(0, 100, 5))
    assert await database.read(names) == {f"n{n}" for n in range(100) if n % 5}


async def test_a_broken_constraint_reaches_the_caller_and_harms_no_other_write(database: Database) -> None:
    await database.write(add, "a")
    results = await asyncio.gather(
        database.write(add, "b"), database.write(add, "a"), database.write(add, "c"), return_exceptions=True
    )
    assert isinstance(results[1], exc.IntegrityError)
    assert await database.read(names) == {"a", "b", "c"}


async def test_foreign_keys_are_enforced(database: Database) -> None:
    def orphan(connection: Connection) -> None:
        connection.execute(
            sa.text(
                "insert into users(id, organisation_id, email, role, salt, settings, disabled, created_at) "
                "values('u', 'nobody', 'e', 'r', 's', '{}', false, 1)"
            )
        )

    with pytest.raises(exc.IntegrityError):
        await database.write(orphan)


async def test_a_read_cannot_write(database: Database) -> None:
    with pytest.raises(exc.DBAPIError):
        await database.read(add, "a")
    assert await database.read(names) == set()
    assert await database.write(add, "b") == "b"


async def test_a_read_sees_one_moment_although_others_write(database: Database) -> None:
    began, go_on = threading.Event(), threading.Event()

    def twice(connection: Connection) -> tuple[set[str], set[str]]:
        before = names(connection)
        began.set()
        assert go_on.wait(5)
        return before, names(connection)

    reading = asyncio.ensure_future(database.read(twice))  # noqa: TID251
    await asyncio.to_thread(began.wait, 5)
    await database.write(add, "a")
    go_on.set()
    assert await reading == (set(), set())
    assert await database.read(names) == {"a"}


async def test_a_nested_transaction_can_be_undone_alone(database: Database) -> None:
    def partly(connection: Connection) -> None:
        add(connection, "kept")
        try:
            with connection.begin_nested():
                add(connection, "undone")
                raise NotFound("inner")
        except NotFound:
            add(connection, "after")

    await database.write(partly)
    assert await database.read(names) == {"kept", "after"}


async def test_stop_iteration_reaches_the_caller_as_an_error(database: Database) -> None:
    def empty(_connection: Connection) -> int:
        return next(iter(()))

    with pytest.raises(RuntimeError, match="StopIteration"):
        async with asyncio.timeout(5):
            await database.write(empty)
    with pytest.raises(RuntimeError, match="StopIteration"):
        async with asyncio.timeout(5):
            await database.read(empty)


async def test_cancelling_the_caller_does_not_undo_a_write_under_way(database: Database) -> None:
    began, go_on = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        add(connection, "slow")
        began.set()
        assert go_on.wait(5)

    writing = asyncio.ensure_future(database.write(slow))  # noqa: TID251
    await asyncio.to_thread(began.wait, 5)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    go_on.set()
    await database.write(add, "next")
    async with asyncio.timeout(5):
        while await database.read(names) != {"slow", "next"}:  # noqa: ASYNC110 - another thread's work
            await asyncio.sleep(0.01)


async def test_closing_waits_for_accepted_writes_and_refuses_later_ones(
    database: Database, database_url: str | None, data_dir: Path
) -> None:
    began = threading.Event()

    def slow(connection: Connection) -> str:
        began.set()
        return add(connection, "slow")

    writing = asyncio.ensure_future(database.write(slow))  # noqa: TID251
    await asyncio.to_thread(began.wait, 5)
    await database.close()
    assert await writing == "slow"
    with pytest.raises(Unavailable, match="closed"):
        await database.write(add, "late")
    with pytest.raises(Unavailable, match="closed"):
        await database.read(names)
    again = open_database(database_url, data_dir)
    assert await again.read(names) == {"slow"}
    await again.close()


def test_an_address_of_another_kind_is_refused(data_dir: Path) -> None:
    with pytest.raises(InvalidInput, match="postgresql://"):
        open_database("mysql://localhost/x", data_dir)


def test_a_missing_driver_names_the_extra(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "psycopg", None)
    monkeypatch.delitem(__import__("sys").modules, "dragoman.db.postgres", raising=False)
    with pytest.raises(Unavailable, match=r"dragoman\[postgres\]"):
        open_database("postgresql://localhost/x", data_dir)
