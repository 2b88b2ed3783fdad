"""From journal segments to rows: each record once, whatever happens in between. Runs on both databases."""

import asyncio
import fcntl
import os
import shutil
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import orjson
import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs
from usage_samples import ANNA, BEN, CLEO, record

from dragoman.db.database import Database
from dragoman.domain.usage import repository
from dragoman.domain.usage.budgets.model import Calendar
from dragoman.domain.usage.journal import Journal, JournalLimits, UsageRecord
from dragoman.domain.usage.loader import JournalLoader
from dragoman.domain.usage.reports import UsageReports, month_of
from dragoman.domain.usage.repository import UsageFilter
from dragoman.domain.usage.tables import journal_offsets, usage_records
from dragoman.kit.clock import iso
from dragoman.kit.errors import Conflict, Forbidden, Unavailable
from dragoman.kit.tasks import TaskOwner

ALL = UsageFilter()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def journal(folder: Path) -> Generator[Journal]:
    made = Journal(folder)
    yield made
    made.close()


@pytest.fixture
def loader(journal: Journal, database: Database) -> JournalLoader:
    return JournalLoader(journal, database)


async def loaded(database: Database) -> list[str]:
    def read(connection: sa.Connection) -> list[str]:
        return list(connection.execute(sa.select(usage_records.c.id).order_by("number")).scalars())

    return await database.read(read)


async def offsets(database: Database) -> dict[str, int]:
    def read(connection: sa.Connection) -> dict[str, int]:
        return {row.segment: row.offset for row in connection.execute(sa.select(journal_offsets))}

    return await database.read(read)


def leave(folder: Path, name: str, *records: UsageRecord, tail: bytes = b"") -> Path:
    """A segment as a dead process leaves it."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.jsonl"
    path.write_bytes(b"".join(orjson.dumps(each) + b"\n" for each in records) + tail)
    return path


class FlakyDatabase:
    """A database that can be taken away."""

    dialect = "sqlite"

    def __init__(self, inner: Database) -> None:
        self.inner = inner
        self.down = False

    async def read(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return await self.inner.read(fn, *args, **kwargs)

    async def write(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if self.down:
            raise Unavailable("The database is away.")
        return await self.inner.write(fn, *args, **kwargs)

    async def close(self) -> None:
        await self.inner.close()


async def test_records_arrive_once_and_in_order(
    journal: Journal, loader: JournalLoader, database: Database
) -> None:
    given = [record() for _ in range(5)]
    for each in given[:3]:
        journal.append(each)
    assert await loader.load() == 3
    for each in given[3:]:
        journal.append(each)
    assert await loader.load() == 2
    assert await loader.load() == 0
    assert await loaded(database) == [each.id for each in given]
    assert await offsets(database) == {journal.segment.name: journal.segment.stat().st_size}


async def test_every_field_survives(journal: Journal, loader: JournalLoader, database: Database) -> None:
    given = record(agent_id="a", application="app", end_user="ü", estimated=True, status=499)
    journal.append(given)
    assert await UsageReports(database, loader).latest(ANNA, ALL, 10) == [given]


async def test_a_second_loader_goes_on_where_the_first_ended(
    journal: Journal, loader: JournalLoader, database: Database
) -> None:
    journal.append(record())
    await loader.load()
    journal.append(record())
    assert await JournalLoader(journal, database).load() == 1
    assert len(await loaded(database)) == 2


async def test_a_segment_loaded_twice_under_another_name_adds_nothing(
    folder: Path, loader: JournalLoader, database: Database
) -> None:
    first = leave(folder, "0-dead", record(), record())
    shutil.copy(first, folder / "1-copy.jsonl")
    await loader.load()
    assert len(await loaded(database)) == 2


async def test_segments_of_the_dead_are_loaded_and_removed(
    folder: Path, loader: JournalLoader, journal: Journal, database: Database
) -> None:
    given = record()
    dead = leave(folder, "0-dead", given)
    assert await loader.load() == 1
    assert await loaded(database) == [given.id]
    assert not dead.exists()
    assert await offsets(database) == {}
    assert journal.segment.exists()


async def test_segments_of_the_living_are_left_alone(
    folder: Path, loader: JournalLoader, database: Database
) -> None:
    alive = leave(folder, "0-alive", record())
    held = os.open(alive, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    assert await loader.load() == 0
    assert alive.exists()
    os.close(held)
    assert await loader.load() == 1
    assert not alive.exists()


async def test_a_line_torn_by_death_is_left_out_and_the_rest_is_loaded(
    folder: Path, loader: JournalLoader, database: Database
) -> None:
    given = record()
    leave(folder, "0-dead", given, tail=b'{"id":"torn')
    assert await loader.load() == 1
    assert await loaded(database) == [given.id]


async def test_an_unreadable_line_is_reported_and_passed_over(
    folder: Path, loader: JournalLoader, database: Database
) -> None:
    before, after = record(), record()
    leave(folder, "0-dead", before, tail=b'{"id":"ha\n' + orjson.dumps(after) + b'\n{"id":"only"}\n')
    with capture_logs() as logs:
        assert await loader.load() == 2
    assert await loaded(database) == [before.id, after.id]
    assert [log["event"] for log in logs] == ["usage.journal_unreadable"] * 2


async def test_a_half_written_line_waits_for_its_rest(
    journal: Journal, loader: JournalLoader, database: Database
) -> None:
    line = orjson.dumps(record()) + b"\n"
    with journal.segment.open("ab") as file:
        file.write(line[:20])
        file.flush()
        assert await loader.load() == 0
        file.write(line[20:])
    assert await loader.load() == 1


async def test_more_than_one_batch_is_loaded(folder: Path, loader: JournalLoader, database: Database) -> None:
    count = 4000
    path = leave(folder, "0-dead", *(record() for _ in range(count)))
    assert path.stat().st_size > 1 << 20
    assert await loader.load() == count
    assert len(await loaded(database)) == count


async def test_own_segments_are_removed_once_they_are_complete(folder: Path, database: Database) -> None:
    journal = Journal(folder, JournalLimits(sync_seconds=0.01, segment_bytes=100))
    loader = JournalLoader(journal, database)
    first = journal.segment
    journal.append(record())
    async with asyncio.timeout(5):
        while journal.segment == first:  # noqa: ASYNC110 - a thread changes it
            await asyncio.sleep(0.005)
    journal.append(record())
    assert await loader.load() == 2
    assert not first.exists()
    journal.close()


async def test_nothing_is_lost_while_the_database_is_away(
    journal: Journal, database: Database, folder: Path
) -> None:
    flaky = FlakyDatabase(database)
    loader = JournalLoader(journal, flaky, every_seconds=0.01)
    flaky.down = True
    dead = leave(folder, "0-dead", record())
    journal.append(record())
    with pytest.raises(Unavailable):
        await loader.load()
    assert dead.exists()
    tasks = TaskOwner()
    with capture_logs() as logs:
        tasks.start(loader.run(), name="loader")
        await asyncio.sleep(0.1)
        flaky.down = False
        async with asyncio.timeout(5):
            while len(await loaded(database)) < 2:  # noqa: ASYNC110 - a row cannot signal
                await asyncio.sleep(0.01)
        await tasks.close()
    assert [log["event"] for log in logs] == ["usage.load_failed"]


async def test_an_offset_that_moved_elsewhere_stops_the_load(database: Database) -> None:
    lines = repository.Lines([record()])
    await database.write(
        repository.load, "segment", lines, loaded=0, end=100, writer="w", calendar=Calendar()
    )
    with pytest.raises(Conflict):
        await database.write(
            repository.load, "segment", lines, loaded=0, end=120, writer="w", calendar=Calendar()
        )
    assert len(await loaded(database)) == 1


async def test_sums_follow_the_filter_and_stay_inside_the_caller(
    journal: Journal, loader: JournalLoader, database: Database
) -> None:
    for each in (
        record(at=100),
        record(at=200, application="asksage"),
        record(at=300, kind="ingest", model="embedder"),
        record(BEN, at=200),
        record(CLEO, at=200),
    ):
        journal.append(each)
    reports = UsageReports(database, loader)
    mine = await reports.totals(ANNA, ALL)
    assert (mine.answers, mine.prompt_tokens, mine.completion_tokens) == (3, 30, 15)
    assert (mine.total_tokens, mine.cached_tokens, mine.cost_micro_usd) == (45, 6, 21)
    counts = [
        (await reports.totals(ANNA, wanted)).answers
        for wanted in (
            UsageFilter(kind="ingest"),
            UsageFilter(application="asksage"),
            UsageFilter(model="embedder"),
            UsageFilter(since=200),
            UsageFilter(until=200),
            UsageFilter(whole_organisation=True),
            UsageFilter(application="other"),
        )
    ]
    assert counts == [1, 1, 1, 2, 1, 4, 0]
    assert (await reports.totals(CLEO, UsageFilter(whole_organisation=True))).answers == 1


async def test_sums_by_day_kind_model_user_and_key(
    journal: Journal, loader: JournalLoader, database: Database
) -> None:
    day = 86_400_000
    for each in (
        record(at=day),
        record(at=2 * day - 1, status=502),
        record(at=2 * day, model="other"),
        record(BEN, at=day),
        record(CLEO, at=day),
    ):
        journal.append(each)
    reports = UsageReports(database, loader)
    mine = [
        (one.day // day, one.model, one.key_id, one.answers, one.failed, one.prompt_tokens)
        for one in await reports.breakdown(ANNA, ALL)
    ]
    assert mine == [(1, "model", "key-1", 2, 1, 20), (2, "other", "key-1", 1, 0, 10)]
    whole = UsageFilter(whole_organisation=True)
    assert {one.user_id for one in await reports.breakdown(ANNA, whole)} == {"anna", "ben"}
    with pytest.raises(Forbidden):
        await reports.breakdown(BEN, whole)


async def test_the_latest_come_first(journal: Journal, loader: JournalLoader, database: Database) -> None:
    given = [record(at=at) for at in (300, 100, 200)]
    for each in given:
        journal.append(each)
    journal.append(record(BEN, at=400))
    found = await UsageReports(database, loader).latest(ANNA, ALL, 2)
    assert [each.at for each in found] == [300, 200]


@pytest.mark.parametrize(
    ("day", "first", "following"),
    [
        ("2025-05-17T10:00:00", "2025-05-01", "2025-06-01"),
        ("2025-12-31T23:59:59", "2025-12-01", "2026-01-01"),
    ],
)
def test_a_month_is_the_calendars_in_utc(day: str, first: str, following: str) -> None:
    from datetime import UTC, datetime

    moment = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000)
    since, until = month_of(moment)
    assert (iso(since)[:10], iso(until)[:10]) == (first, following)
    assert iso(since).endswith("T00:00:00.000Z")


def test_a_record_has_the_tables_columns_in_their_order() -> None:
    from dataclasses import fields

    assert [field.name for field in fields(UsageRecord)] == [column.name for column in usage_records.columns][
        1:
    ]
