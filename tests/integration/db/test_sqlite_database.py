"""SQLite: group commit, failures of the disk and of others, what survives a kill."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from dragoman.db.sqlite import SqliteDatabase
from dragoman.db.sqlite_driver import driver, raw
from dragoman.kit.errors import NotFound, Unavailable


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "test.db"


@pytest.fixture
async def notes(path: Path, anyio_backend: str) -> AsyncGenerator[SqliteDatabase]:
    database = SqliteDatabase(path, busy_seconds=0.2)
    await database.write(create)
    yield database
    await database.close()


def create(connection: Connection) -> None:
    connection.exec_driver_sql("create table notes(n integer primary key, t text)")
    connection.exec_driver_sql("create table links(n integer references notes(n))")


def add(connection: Connection, n: int, text: str = "") -> int:
    connection.exec_driver_sql("insert into notes values(?, ?)", (n, text))
    return n


def numbers(connection: Connection) -> list[int]:
    return list(connection.exec_driver_sql("select n from notes order by n").scalars())


def seen_from_outside(path: Path) -> int:
    connection = driver.connect(path)
    try:
        return connection.execute("select count(*) from notes").fetchone()[0]
    finally:
        connection.close()


async def as_one_group(database: SqliteDatabase, work: list[Callable[[Connection], Any]]) -> list[Any]:
    """Results of functions that all waited while the writer was busy."""
    began, go_on = threading.Event(), threading.Event()

    def occupy(_connection: Connection) -> None:
        began.set()
        assert go_on.wait(5)

    occupied = asyncio.ensure_future(database.write(occupy))  # noqa: TID251
    await asyncio.to_thread(began.wait, 5)
    waiting = [asyncio.ensure_future(database.write(fn)) for fn in work]  # noqa: TID251
    await asyncio.sleep(0)
    go_on.set()
    await occupied
    return await asyncio.gather(*waiting, return_exceptions=True)


async def test_writes_that_wait_share_one_commit(notes: SqliteDatabase, path: Path) -> None:
    outside: list[int] = []

    def add_and_look(connection: Connection, n: int) -> None:
        add(connection, n)
        outside.append(seen_from_outside(path))

    await as_one_group(notes, [lambda c, n=n: add_and_look(c, n) for n in range(10)])
    assert outside == [0] * 10
    assert await asyncio.to_thread(seen_from_outside, path) == 10


async def test_a_failing_function_in_a_group_undoes_only_itself(notes: SqliteDatabase) -> None:
    def fail(connection: Connection) -> None:
        add(connection, 99)
        raise NotFound("no")

    results = await as_one_group(notes, [lambda c: add(c, 1), fail, lambda c: add(c, 1), lambda c: add(c, 2)])
    assert results[0] == 1
    assert isinstance(results[1], NotFound)
    assert "UNIQUE" in str(results[2])
    assert results[3] == 2
    assert await notes.read(numbers) == [1, 2]


async def test_when_the_commit_fails_every_caller_is_told_and_nothing_changed(notes: SqliteDatabase) -> None:
    def break_at_commit(connection: Connection) -> None:
        connection.exec_driver_sql("pragma defer_foreign_keys = on")
        connection.exec_driver_sql("insert into links values(12345)")

    results = await as_one_group(notes, [lambda c: add(c, 1), break_at_commit, lambda c: add(c, 2)])
    assert [type(result) for result in results] == [Unavailable] * 3
    assert await notes.read(numbers) == []
    assert await notes.write(add, 3) == 3
    assert await notes.read(numbers) == [3]


async def test_when_sqlite_undoes_the_whole_group_no_caller_is_told_it_succeeded(
    notes: SqliteDatabase,
) -> None:
    def undo_all(connection: Connection) -> None:
        raw(connection).execute("rollback")
        raise OSError("the disk went away")

    results = await as_one_group(notes, [lambda c: add(c, 1), undo_all, lambda c: add(c, 2)])
    assert isinstance(results[0], Unavailable)
    assert isinstance(results[1], OSError)
    assert isinstance(results[2], Unavailable)
    assert await notes.read(numbers) == []
    assert await notes.write(add, 3) == 3


async def test_a_full_disk_is_unavailable_and_service_continues_when_there_is_room(
    notes: SqliteDatabase,
) -> None:
    def limit(connection: Connection, pages: int) -> None:
        connection.exec_driver_sql(f"pragma max_page_count = {pages}")

    await notes.write(limit, 1)
    with pytest.raises(Unavailable, match="full"):
        await notes.write(add, 1, "x" * 200_000)
    assert await notes.write(add, 2) == 2
    await notes.write(limit, 1_000_000)
    assert await notes.write(add, 1, "x" * 200_000) == 1
    assert await notes.read(numbers) == [1, 2]


async def test_a_write_locked_out_by_another_process_is_unavailable_and_the_next_goes_through(
    notes: SqliteDatabase, path: Path
) -> None:
    locker = await asyncio.create_subprocess_exec(
        sys.executable, "-c",
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('begin immediate');"
        "print('locked', flush=True); sys.stdin.read(); c.execute('rollback')",
        str(path), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert locker.stdout is not None
    assert locker.stdin is not None
    assert await locker.stdout.readline() == b"locked\n"
    with pytest.raises(Unavailable, match="locked") as refused:
        await notes.write(add, 1)
    assert refused.value.retry_after_seconds == 1
    assert await notes.read(numbers) == []
    locker.stdin.close()
    await locker.wait()
    assert await notes.write(add, 2) == 2


async def test_a_damaged_file_is_unavailable(path: Path) -> None:
    path.write_bytes(b"this is no database" * 100)  # noqa: ASYNC240
    database = SqliteDatabase(path)
    with pytest.raises(Unavailable, match="not a SQLite database"):
        await database.read(numbers)
    with pytest.raises(Unavailable, match="not a SQLite database"):
        await database.write(add, 1)
    await database.close()


async def test_a_missing_folder_is_unavailable(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "missing" / "x.db")
    with pytest.raises(Unavailable, match="opened"):
        await database.write(add, 1)
    await database.close()


async def test_a_write_whose_caller_has_gone_before_its_turn_is_not_done(notes: SqliteDatabase) -> None:
    began, go_on = threading.Event(), threading.Event()

    def occupy(_connection: Connection) -> None:
        began.set()
        assert go_on.wait(5)

    occupied = asyncio.ensure_future(notes.write(occupy))  # noqa: TID251
    await asyncio.to_thread(began.wait, 5)
    unwanted = asyncio.ensure_future(notes.write(add, 1))  # noqa: TID251
    await asyncio.sleep(0)
    unwanted.cancel()
    await asyncio.sleep(0)
    go_on.set()
    await occupied
    await notes.write(add, 2)
    assert await notes.read(numbers) == [2]


async def test_every_connection_is_durable_and_knows_vectors(notes: SqliteDatabase) -> None:
    def settings(connection: Connection) -> tuple[Any, ...]:
        asked = ("journal_mode", "synchronous", "foreign_keys", "query_only", "wal_autocheckpoint")
        found = [connection.exec_driver_sql(f"pragma {name}").scalar() for name in asked]
        return (*found, connection.exec_driver_sql("select vec_version()").scalar())

    assert (await notes.write(settings))[:5] == ("wal", 2, 1, 0, 4000)
    assert (await notes.read(settings))[:5] == ("wal", 2, 1, 1, 4000)


async def test_reads_go_on_while_a_write_is_under_way_and_no_more_threads_than_allowed(path: Path) -> None:
    database = SqliteDatabase(path, readers=3)
    await database.write(create)
    go_on = threading.Event()
    seen: set[str] = set()

    def slow(connection: Connection) -> list[int]:
        seen.add(threading.current_thread().name)
        assert go_on.wait(5)
        return numbers(connection)

    writing = asyncio.ensure_future(database.write(slow))  # noqa: TID251
    reading = [asyncio.ensure_future(database.read(slow)) for _ in range(10)]  # noqa: TID251
    async with asyncio.timeout(5):
        while len(seen) < 4:  # noqa: ASYNC110 - other threads' work
            await asyncio.sleep(0.01)
    go_on.set()
    await asyncio.gather(writing, *reading)
    assert len(seen) == 4
    await database.close()


async def test_closing_moves_the_log_into_the_file(path: Path) -> None:
    database = SqliteDatabase(path)
    await database.write(create)
    await database.write(add, 1)
    await database.close()
    await database.close()
    assert not path.with_name("test.db-wal").exists()
    assert seen_from_outside(path) == 1


def test_one_database_serves_several_event_loops_in_turn(path: Path) -> None:
    database = SqliteDatabase(path)
    asyncio.run(database.write(create))
    asyncio.run(database.write(add, 1))
    assert asyncio.run(database.read(numbers)) == [1]
    asyncio.run(database.close())


_WRITER = """
import asyncio, sys
from pathlib import Path
from dragoman.db.sqlite import SqliteDatabase

def add(connection, n):
    connection.exec_driver_sql("insert into notes values(?, 'x')", (n,))

async def main():
    database = SqliteDatabase(Path(sys.argv[1]))
    await database.write(lambda c: c.exec_driver_sql("create table notes(n integer primary key, t text)"))
    async def caller(k):
        for n in range(k, 10**9, 16):
            await database.write(add, n)
            print(n, flush=True)
    await asyncio.gather(*(caller(k) for k in range(16)))

asyncio.run(main())
"""


def test_every_acknowledged_write_is_there_after_kill_9(path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    acknowledged = [int(child.stdout.readline()) for _ in range(500)]
    os.kill(child.pid, signal.SIGKILL)
    acknowledged += [int(line) for line in child.stdout if line.endswith("\n")]
    child.wait()
    child.stdout.close()
    connection = driver.connect(path)
    stored = {row[0] for row in connection.execute("select n from notes")}
    assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
    connection.close()
    assert len(acknowledged) >= 500
    assert set(acknowledged) <= stored


_FULL = """
import asyncio, resource, signal, sys
from pathlib import Path
from dragoman.db.sqlite import SqliteDatabase
from dragoman.kit.errors import Unavailable

async def main():
    database = SqliteDatabase(Path(sys.argv[1]))
    await database.write(lambda c: c.exec_driver_sql("create table notes(n integer primary key, t text)"))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    wal = Path(sys.argv[1] + "-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (wal, resource.RLIM_INFINITY))
    def add(connection, n):
        connection.exec_driver_sql("insert into notes values(?, 'x')", (n,))
    results = await asyncio.gather(*(database.write(add, n) for n in range(5)), return_exceptions=True)
    assert all(isinstance(result, Unavailable) for result in results), results
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    count = lambda c: c.exec_driver_sql("select count(*) from notes").scalar()
    assert await database.read(count) == 0
    await database.write(add, 1)
    assert await database.read(count) == 1
    await database.close()

asyncio.run(main())
"""


def test_when_the_log_cannot_grow_at_the_commit_nothing_changed_and_service_continues(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_FULL), str(path)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
