"""Limits hold whatever comes at once, from however many processes, and whoever is killed. Runs on both databases."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from dragoman.db.database import Database
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.tables import organisations, users
from dragoman.domain.accounts.versions import Versions
from dragoman.domain.messages.events import Usage
from dragoman.domain.usage import repository as usage_repository
from dragoman.domain.usage.budgets import repository
from dragoman.domain.usage.budgets.limiter import Hold, Limiter
from dragoman.domain.usage.budgets.model import Calendar, Measure, Period
from dragoman.domain.usage.budgets.service import TOPIC, BudgetsService, NewLimit
from dragoman.domain.usage.budgets.tables import budget_holds, budget_shares
from dragoman.domain.usage.budgets.words import quantity
from dragoman.domain.usage.journal import Journal
from dragoman.domain.usage.loader import JournalLoader
from dragoman.domain.usage.meter import Meter, UsageContext
from dragoman.domain.usage.repository import UsageFilter
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import DragomanError, Forbidden, NotFound, PaymentRequired, QuotaExceeded

ORG, OTHER = "org-1", "org-2"
ANNA = Caller(ORG, "anna", 1, "anna@example.org", "owner", "key-1")
BEN = Caller(ORG, "ben", 2, "ben@example.org", "viewer", "key-2")
CLEO = Caller(OTHER, "cleo", 3, "cleo@example.org", "owner")


class Process:
    """One process over the database: journal, limiter, meter and loader of its own."""

    def __init__(self, database: Database, folder: Path, calendar: Calendar) -> None:
        self.closed = False
        self.database = database
        self.journal = Journal(folder)
        self.limiter = Limiter(database, self.journal, calendar)
        self.loader = JournalLoader(self.journal, database, limiter=self.limiter)
        self.meter = Meter(
            self.journal, price=lambda model, used: used.total_tokens * 10, limiter=self.limiter
        )
        self.versions = Versions(database)
        self.versions.subscribe(TOPIC, self.limiter.reload)
        self.service = BudgetsService(
            database,
            self.versions,
            self.limiter.calendar,
            refresh=self.loader.load,
            find_gateway=lambda connection, organisation, name: name,
        )

    async def answer(
        self,
        caller: Caller = ANNA,
        *,
        reserved: int = 100,
        used: int | None = None,
        agent_id: str | None = None,
        end_user: str | None = None,
    ) -> None:
        """One answer that reckons with some tokens and uses others."""
        context = _context(caller, agent_id, end_user)
        hold = await self.meter.reserve(context, model="m", usage=Usage(completion_tokens=reserved))
        await asyncio.sleep(0)
        usage = Usage(completion_tokens=reserved if used is None else used)
        self.meter.record(context, model="m", usage=usage, status=200, hold=hold)

    async def hold(self, caller: Caller = ANNA, *, reserved: int = 100) -> Hold | None:
        """An answer under way."""
        return await self.meter.reserve(_context(caller), model="m", usage=Usage(completion_tokens=reserved))

    def close(self) -> None:
        """Leaves the journal as a kill does; may be called twice."""
        if not self.closed:
            self.closed = True
            self.journal.close()


Processes: TypeAlias = Callable[..., Awaitable[Process]]


def _context(caller: Caller, agent_id: str | None = None, end_user: str | None = None) -> UsageContext:
    return UsageContext(
        caller=caller,
        dialect="openai",
        kind="chat",
        started_at=now_ms(),
        agent_id=agent_id,
        end_user=end_user,
    )


@pytest.fixture
async def processes(database: Database, tmp_path: Path) -> AsyncGenerator[Processes]:
    async with AsyncExitStack() as stack:
        await database.write(_people)

        async def made(calendar: Calendar | None = None) -> Process:
            calendar = calendar or Calendar()
            process = await asyncio.to_thread(Process, database, tmp_path / "journal", calendar)
            stack.callback(process.close)
            await process.versions.check()
            await process.limiter.reload()
            return process

        yield made


def _people(connection: sa.Connection) -> None:
    for name in (ORG, OTHER):
        connection.execute(sa.insert(organisations).values(id=name, name=name, created_at=1))
    for caller in (ANNA, BEN, CLEO):
        values: dict[str, Any] = {
            "number": caller.user_number,
            "id": caller.user_id,
            "organisation_id": caller.organisation_id,
            "email": caller.email,
            "role": caller.role,
            "salt": "s",
            "settings": {},
            "created_at": 1,
        }
        connection.execute(sa.insert(users).values(**values))


def tokens(amount: int, *, period: Period = "month", hard: bool = True, **more: Any) -> NewLimit:
    measure: Measure = "tokens"
    return replace(NewLimit("organisation", measure, period, amount, hard), **more)


async def spent(database: Database) -> int:
    totals = await database.read(usage_repository.totals, ANNA, UsageFilter(whole_organisation=True))
    return totals.total_tokens


async def test_without_a_limit_nothing_is_reserved(processes: Processes) -> None:
    process = await processes()
    assert await process.hold() is None
    await process.service.set(CLEO, tokens(1))
    assert await process.hold() is None


async def test_an_answer_is_let_through_while_something_is_left_and_refused_when_nothing_is(
    processes: Processes,
) -> None:
    process = await processes()
    await process.service.set(ANNA, tokens(250))
    for _ in range(3):
        await process.answer(reserved=100)
    with pytest.raises(PaymentRequired) as refused:
        await process.answer(reserved=100)
    assert refused.value.code == "tokens_limit_reached"
    assert "limit of 250 tokens a month is used up: 300 tokens spent. It refills" in refused.value.detail
    assert refused.value.retry_after_seconds is not None
    assert await process.loader.load() == 3
    (level,) = await process.service.own(ANNA)
    assert (level.spent, level.left) == (300, 0)


async def test_what_was_not_used_of_a_reservation_may_be_used_by_others(
    processes: Processes,
) -> None:
    process = await processes()
    await process.service.set(ANNA, tokens(100))
    for _ in range(10):
        await process.answer(reserved=1000, used=10)
    with pytest.raises(PaymentRequired):
        await process.answer(reserved=1000, used=10)


async def test_what_is_only_reserved_is_worth_waiting_for(
    processes: Processes,
) -> None:
    process = await processes()
    await process.service.set(ANNA, tokens(100))
    hold = await process.hold(reserved=100)
    with pytest.raises(QuotaExceeded) as refused:
        await process.hold(reserved=10)
    assert refused.value.code == "limit_reserved"
    process.meter.release(hold)
    assert await process.hold(reserved=10) is not None


async def test_many_clients_of_several_processes_overspend_by_one_reservation_at_most(
    processes: Processes,
) -> None:
    first, second = await processes(), await processes()
    await first.service.set(ANNA, tokens(10_000))
    await second.versions.check()
    refused = 0

    async def client(process: Process, number: int) -> None:
        nonlocal refused
        for turn in range(4):
            try:
                await process.answer(reserved=100, used=(number * 7 + turn * 13) % 101)
            except DragomanError:
                refused += 1

    async with asyncio.TaskGroup() as group:
        for number in range(120):
            group.create_task(client((first, second)[number % 2], number))
    for process in (first, second):
        await process.loader.load()
    used = await spent(first.database)
    assert used <= 10_100
    assert refused > 0
    (level,) = await first.service.own(ANNA)
    assert level.spent == used


async def test_spare_shares_of_one_process_come_back_to_the_others(
    processes: Processes,
) -> None:
    first, second = await processes(), await processes()
    await first.service.set(ANNA, tokens(1000))
    await second.versions.check()
    await first.answer(reserved=10)
    await first.loader.load()
    await first.limiter.tidy()
    await first.limiter.tidy()
    (level,) = await first.service.own(ANNA)
    assert (level.spent, level.reserved) == (10, 0)
    await second.answer(reserved=990)
    with pytest.raises(DragomanError):
        await first.answer(reserved=10)


async def test_a_killed_process_is_charged_what_it_had_reserved(
    processes: Processes,
) -> None:
    process = await processes()
    await process.service.set(ANNA, tokens(1000))
    await process.answer(reserved=50, used=20)
    assert await process.hold(reserved=300) is not None
    await process.loader.load()
    assert await process.hold(reserved=200) is not None
    # As a kill leaves it: the lock is gone, the lines are there.
    process.close()
    heir = await processes()
    assert await heir.loader.load() == 2
    assert await spent(heir.database) == 520
    (level,) = await heir.service.own(ANNA)
    assert (level.spent, level.reserved) == (520, 0)
    left = await heir.database.read(
        lambda connection: [
            connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for table in (budget_holds, budget_shares)
        ]
    )
    assert left == [0, 0]


async def test_what_was_used_before_a_limit_was_set_counts(
    processes: Processes,
) -> None:
    process = await processes()
    await process.answer(used=80)
    await process.loader.load()
    await process.service.set(ANNA, tokens(80))
    with pytest.raises(PaymentRequired):
        await process.answer()


async def test_records_of_another_process_count_with_the_limit_it_has_not_heard_of(
    processes: Processes,
) -> None:
    first, deaf = await processes(), await processes()
    await first.service.set(ANNA, tokens(100))
    await first.answer(reserved=10)
    await deaf.answer(used=95)
    for process in (first, deaf):
        await process.loader.load()
    (level,) = await first.service.own(ANNA)
    assert level.spent == 105


@pytest.mark.parametrize(
    ("wanted", "status", "code"),
    [
        (NewLimit("organisation", "requests", "month", 1), 429, "requests_limit_reached"),
        (NewLimit("organisation", "tokens", "minute", 100), 429, "tokens_limit_reached"),
        (NewLimit("organisation", "tokens", "day", 100), 402, "tokens_limit_reached"),
        (NewLimit("organisation", "usd", "month", 1000), 402, "usd_limit_reached"),
    ],
)
async def test_money_and_quotas_are_a_402_and_rates_a_429(
    processes: Processes, wanted: NewLimit, status: int, code: str
) -> None:
    # Both answers have to be of the same minute.
    process = await processes(_Endless())
    await process.service.set(ANNA, wanted)
    await process.answer(reserved=100)
    await process.loader.load()
    with pytest.raises(DragomanError) as refused:
        await process.answer(reserved=100)
    assert (refused.value.status, refused.value.code) == (status, code)


class _Endless(Calendar):
    """Every moment is in the same period."""

    def window(self, period: Period, at: int) -> tuple[int, int]:
        return 0, 2**45


@pytest.mark.parametrize(
    ("scope", "subject", "who"),
    [
        ("user", "anna@example.org", {}),
        ("user", None, {}),
        ("end_user", "eve", {"end_user": "eve"}),
        ("end_user", None, {"end_user": "eve"}),
        ("gateway", "agent-1", {"agent_id": "agent-1"}),
    ],
)
async def test_a_limit_counts_for_whom_it_is_set_and_for_nobody_else(
    processes: Processes, scope: Any, subject: str | None, who: dict[str, Any]
) -> None:
    process = await processes()
    await process.service.set(ANNA, NewLimit(scope, "tokens", "day", 100, subject=subject))
    await process.answer(ANNA, **who)
    with pytest.raises(DragomanError):
        await process.answer(ANNA, **who)
    other = {"user": {}, "end_user": {"end_user": "bob"}, "gateway": {"agent_id": "agent-2"}}[scope]
    await process.answer(BEN, **other)


async def test_a_soft_limit_warns_and_is_written_down_once(
    processes: Processes,
) -> None:
    process = await processes()
    await process.service.set(ANNA, tokens(100, hard=False))
    await process.answer(reserved=100)
    await process.loader.load()
    for _ in range(2):
        hold = await process.hold(reserved=100)
        assert hold is not None
        assert hold.warnings == ("The organisation's limit of 100 tokens a month is used up.",)
        process.meter.release(hold)

    def events(connection: sa.Connection) -> list[str]:
        return list(
            connection.execute(
                sa.text("select action from audit_events where action = 'limits.reached'")
            ).scalars()
        )

    assert await process.database.read(events) == ["limits.reached"]


async def test_only_administrators_set_limits_and_not_those_of_the_operator(
    processes: Processes,
) -> None:
    process = await processes()
    with pytest.raises(Forbidden):
        await process.service.set(BEN, tokens(1))
    with pytest.raises(NotFound):
        await process.service.set(ANNA, NewLimit("user", "tokens", "day", 1, subject="cleo@example.org"))
    limit = await process.service.set_for(ORG, tokens(5))
    with pytest.raises(Forbidden):
        await process.service.remove(ANNA, limit.id)
    with pytest.raises(NotFound):
        await process.service.remove(CLEO, limit.id)
    own = await process.service.set(ANNA, tokens(7))
    assert own.id != limit.id
    changed = await process.service.set(ANNA, tokens(9))
    assert (changed.id, changed.amount) == (own.id, 9)
    assert {limit.amount for limit in await process.service.select(ANNA)} == {5, 9}
    await process.service.remove(ANNA, own.id)
    await process.service.remove_for(limit.id)
    assert await process.service.select_for(None) == []
    await process.answer(used=10)


async def test_raising_a_limit_lets_answers_through_at_once(
    processes: Processes,
) -> None:
    process = await processes()
    await process.service.set(ANNA, tokens(0))
    with pytest.raises(PaymentRequired):
        await process.answer()
    await process.service.set(ANNA, tokens(1000))
    await process.answer()


async def test_old_counters_are_forgotten(processes: Processes) -> None:
    process = await processes()
    await process.service.set(ANNA, tokens(100))
    await process.answer()
    assert await process.service.forget_old() == 0
    assert await process.database.write(repository.forget, now_ms() + 1) == 2


@given(
    at=st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1)),  # noqa: DTZ001 - the zone is put on below
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kolkata", "Pacific/Apia"]),
    period=st.sampled_from(["minute", "day", "month"]),
)
def test_periods_follow_each_other_without_a_gap_in_every_time_zone(
    at: datetime, zone: str, period: Period
) -> None:
    calendar = Calendar(ZoneInfo(zone))
    moment = int(at.replace(tzinfo=UTC).timestamp() * 1000)
    since, until = calendar.window(period, moment)
    assert since <= moment < until
    assert calendar.window(period, until)[0] == until
    assert calendar.window(period, since - 1)[1] == since
    if period != "minute":
        begin = datetime.fromtimestamp(since / 1000, ZoneInfo(zone))
        assert (begin.hour, begin.minute) == (0, 0)


def test_amounts_are_written_for_the_eye() -> None:
    assert quantity("usd", 12_345_600) == "US$ 12.3456"
    assert quantity("usd", 5_000_000) == "US$ 5.00"
    assert quantity("tokens", 1) == "1 token"
    assert quantity("requests", 2_000) == "2,000 requests"
