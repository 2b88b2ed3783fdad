"""PostgreSQL: lost servers, collisions, vectors."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from sqlalchemy import Connection, exc

from dragoman.db.connect import postgres_url
from dragoman.db.postgres import PostgresDatabase
from dragoman.kit.errors import Unavailable
from postgres_server import PostgresServer

pytestmark = pytest.mark.postgres


@pytest.fixture
def url(postgres_server: PostgresServer, migrated_postgres: str) -> Generator[str]:
    name = postgres_server.create(template=migrated_postgres)
    yield postgres_url(postgres_server.url(name))
    postgres_server.drop(name)


@pytest.fixture
async def postgres(url: str, anyio_backend: str) -> AsyncGenerator[PostgresDatabase]:
    database = PostgresDatabase(url, connections=4)
    await database.write(lambda c: c.execute(sa.text("create table notes(n integer primary key)")))
    await database.write(lambda c: c.execute(sa.text("insert into notes values(1), (2)")))
    yield database
    await database.close()


def one(connection: Connection) -> int | None:
    return connection.execute(sa.text("select 1")).scalar()


def end_all_others(connection: Connection) -> None:
    connection.execute(
        sa.text(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid()"
        )
    )


async def test_connections_that_died_while_idle_are_replaced_unseen(
    postgres: PostgresDatabase, url: str
) -> None:
    await asyncio.gather(*(postgres.read(one) for _ in range(4)))
    other = PostgresDatabase(url, connections=1)
    await other.write(end_all_others)
    await other.close()
    assert await asyncio.gather(*(postgres.read(one) for _ in range(8))) == [1] * 8


async def test_a_connection_lost_in_the_middle_is_unavailable_and_the_next_call_works(
    postgres: PostgresDatabase, url: str
) -> None:
    began = threading.Event()

    def wait(connection: Connection) -> None:
        began.set()
        connection.execute(sa.text("select pg_sleep(10)"))

    waiting = asyncio.ensure_future(postgres.write(wait))  # noqa: TID251
    await asyncio.to_thread(began.wait, 5)
    other = PostgresDatabase(url, connections=1)
    async with asyncio.timeout(5):
        while not waiting.done():
            await other.write(end_all_others)
            await asyncio.sleep(0.02)
    await other.close()
    with pytest.raises(Unavailable, match="cannot be reached"):
        await waiting
    assert await postgres.write(one) == 1


async def test_a_write_that_collided_with_another_is_done_again(postgres: PostgresDatabase) -> None:
    both = threading.Barrier(2)
    tries: list[int] = []

    def update(connection: Connection, first: int, second: int) -> None:
        tries.append(first)
        connection.execute(sa.text("update notes set n = n where n = :n"), {"n": first})
        if tries.count(first) == 1:
            both.wait(5)
        connection.execute(sa.text("update notes set n = n where n = :n"), {"n": second})

    await asyncio.gather(postgres.write(update, 1, 2), postgres.write(update, 2, 1))
    assert len(tries) == 3


async def test_a_write_that_collides_again_and_again_is_refused_with_the_time_to_try_again(
    postgres: PostgresDatabase,
) -> None:
    tries: list[int] = []

    def collide(connection: Connection) -> None:
        tries.append(1)
        connection.execute(sa.text("do $$ begin raise exception using errcode = '40P01'; end $$"))

    with pytest.raises(Unavailable, match="collided") as refused:
        await postgres.write(collide)
    assert refused.value.retry_after_seconds == 1
    assert len(tries) == 4


async def test_a_faulty_statement_is_the_programs_error(postgres: PostgresDatabase) -> None:
    with pytest.raises(exc.ProgrammingError):
        await postgres.read(lambda c: c.execute(sa.text("select * from missing")))


async def test_no_more_calls_run_at_once_than_there_are_connections(postgres: PostgresDatabase) -> None:
    lock = threading.Lock()
    running = most = 0

    def count(connection: Connection) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        connection.execute(sa.text("select pg_sleep(0.02)"))
        with lock:
            running -= 1

    await asyncio.gather(*(postgres.read(count) for _ in range(12)))
    assert most == 4


async def test_vectors_go_in_and_come_out_as_arrays(postgres: PostgresDatabase) -> None:
    vector = np.array([0.5, -1.0, 2.0], dtype=np.float32)

    def round_trip(connection: Connection) -> object:
        return connection.exec_driver_sql("select %s::vector", (vector,)).scalar()

    found = await postgres.read(round_trip)
    assert np.array_equal(np.asarray(getattr(found, "to_numpy", lambda: found)()), vector)


async def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    database = PostgresDatabase("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    with pytest.raises(Unavailable, match="cannot be reached"):
        await database.read(one)
    await database.close()
