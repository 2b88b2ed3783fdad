"""Durable jobs, on both databases."""

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.db.connect import open_database
from dragoman.db.database import Database
from dragoman.db.jobs import (
    Counts,
    FailedHook,
    JobHandler,
    JobRequest,
    JobRunner,
    JobTiming,
    counts,
    enqueue,
    enqueue_many,
    process_owner,
)
from dragoman.db.jobs import queue as statements
from dragoman.db.jobs.tables import jobs
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import InvalidInput, Unavailable
from dragoman.kit.jsontypes import JsonObject

QUICK = JobTiming(poll_seconds=0.02, backoff_seconds=0.02)


@asynccontextmanager
async def running(
    database: Database,
    handlers: Mapping[str, JobHandler],
    *,
    concurrency: int = 4,
    limits: Mapping[str, int] | None = None,
    on_failed: FailedHook | None = None,
    timing: JobTiming = QUICK,
) -> AsyncGenerator[JobRunner]:
    owner = await asyncio.to_thread(process_owner)
    runner = JobRunner(
        database, handlers, owner=owner, concurrency=concurrency, limits=limits, on_failed=on_failed,
        timing=timing,
    )  # fmt: skip
    await runner.start()
    try:
        yield runner
    finally:
        await runner.stop()


def rows(connection: Connection) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(sa.select(jobs).order_by(jobs.c.id)).mappings()]


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await condition():  # noqa: ASYNC110 - the database has no event
            await asyncio.sleep(0.01)


async def ended(database: Database, count: int) -> list[dict[str, Any]]:
    async def all_ended() -> bool:
        found = await database.read(rows)
        return sum(row["finished_at"] is not None for row in found) >= count

    await until(all_ended)
    return await database.read(rows)


class Recorder:
    """A handler that notes what it was given, and does what it is told."""

    def __init__(self, work: Callable[[JsonObject], Awaitable[None]] | None = None) -> None:
        self.seen: list[JsonObject] = []
        self._work = work

    async def __call__(self, payload: JsonObject) -> None:
        self.seen.append(payload)
        if self._work is not None:
            await self._work(payload)


async def test_a_job_put_in_is_run_once_with_its_payload(database: Database) -> None:
    handler = Recorder()
    async with running(database, {"mail": handler}):
        job_id = await database.write(enqueue, "mail", "a", {"to": ["x", 1, None]})
        (row,) = await ended(database, 1)
    assert handler.seen == [{"to": ["x", 1, None]}]
    assert (row["id"], row["state"], row["attempts"], row["owner"], row["error"]) == (
        job_id,
        "done",
        1,
        None,
        None,
    )


async def test_a_job_whose_transaction_fails_is_not_there(database: Database) -> None:
    def put_in_and_fail(connection: Connection) -> None:
        enqueue(connection, "mail", "a", {})
        raise InvalidInput("no")

    with pytest.raises(InvalidInput):
        await database.write(put_in_and_fail)
    assert await database.read(rows) == []


async def test_the_same_work_asked_for_twice_waits_once(database: Database) -> None:
    first = await database.write(enqueue, "mail", "a", {"n": 1})
    assert await database.write(enqueue, "mail", "a", {"n": 1}) == first
    assert await database.write(enqueue, "mail", "b", {"n": 1}) != first
    assert await database.write(enqueue, "post", "a", {"n": 1}) != first
    assert len(await database.read(rows)) == 3


async def test_many_are_put_in_at_once_and_their_ids_come_in_order(database: Database) -> None:
    wanted = [JobRequest("mail", str(n % 1500), {"n": n % 1500}) for n in range(2000)]
    ids = await database.write(enqueue_many, wanted)
    assert ids[:500] == ids[1500:]
    keys = {row["id"]: row["key"] for row in await database.read(rows)}
    assert [keys[job_id] for job_id in ids] == [request.key for request in wanted]
    assert await database.write(enqueue_many, []) == []


async def test_finished_work_can_be_asked_for_again(database: Database) -> None:
    handler = Recorder()
    async with running(database, {"mail": handler}) as runner:
        for count in (1, 2):
            await database.write(enqueue, "mail", "a", {})
            runner.wake()
            await ended(database, count)
    assert len(handler.seen) == 2


async def test_work_asked_for_while_it_runs_is_run_once_more_afterwards(database: Database) -> None:
    began, go_on = asyncio.Event(), asyncio.Event()
    at_once = 0

    async def wait(_payload: JsonObject) -> None:
        nonlocal at_once
        at_once += 1
        assert at_once == 1
        began.set()
        await go_on.wait()
        at_once -= 1

    handler = Recorder(wait)
    async with running(database, {"mail": handler}) as runner:
        first = await database.write(enqueue, "mail", "a", {})
        await asyncio.wait_for(began.wait(), 5)
        assert await database.write(enqueue, "mail", "a", {}) == first
        runner.wake()
        await asyncio.sleep(0.1)
        assert len(handler.seen) == 1
        go_on.set()
        (row,) = await ended(database, 1)
    assert len(handler.seen) == 2
    assert row["state"] == "done"


async def test_waking_starts_a_job_without_waiting_for_the_poll(database: Database) -> None:
    handler = Recorder()
    async with running(database, {"mail": handler}, timing=JobTiming(poll_seconds=3600)) as runner:
        await asyncio.sleep(0.05)
        await database.write(enqueue, "mail", "a", {})
        runner.wake()
        await ended(database, 1)


async def test_a_job_for_later_waits_until_then(database: Database) -> None:
    handler = Recorder()
    now = 1_000_000

    def clock() -> int:
        return now

    async with running(database, {"mail": handler}, timing=JobTiming(poll_seconds=0.01, clock=clock)):
        await database.write(enqueue, "mail", "a", {}, run_at=now + 1)
        await asyncio.sleep(0.1)
        assert handler.seen == []
        now += 1
        await ended(database, 1)


async def test_a_failing_job_is_tried_again_with_growing_pauses_and_then_given_up(database: Database) -> None:
    told: list[tuple[str, JsonObject, str]] = []
    times: list[int] = []

    async def fail(_payload: JsonObject) -> None:
        times.append(now_ms())
        raise Unavailable("The provider sleeps.")

    async def on_failed(kind: str, payload: JsonObject, error: str) -> None:
        told.append((kind, payload, error))

    async with running(database, {"mail": fail}, on_failed=on_failed):
        await database.write(enqueue, "mail", "a", {"n": 1}, max_attempts=4)
        (row,) = await ended(database, 1)
    assert (row["state"], row["attempts"], row["error"]) == ("failed", 4, "Unavailable: The provider sleeps.")
    assert told == [("mail", {"n": 1}, "Unavailable: The provider sleeps.")]
    pauses = [after - before for before, after in pairwise(times)]
    assert [pause >= least for pause, least in zip(pauses, (20, 40, 80), strict=True)] == [True] * 3


async def test_a_job_that_succeeds_at_a_later_try_is_done(database: Database) -> None:
    async def fail_first(_payload: JsonObject) -> None:
        if len(handler.seen) == 1:
            raise ValueError("only once")

    handler = Recorder(fail_first)
    async with running(database, {"mail": handler}):
        await database.write(enqueue, "mail", "a", {})
        (row,) = await ended(database, 1)
    assert (row["state"], row["attempts"], row["error"]) == ("done", 2, None)


async def test_an_error_of_the_callers_making_fails_at_once(database: Database) -> None:
    async def refuse(_payload: JsonObject) -> None:
        raise InvalidInput("The file is encrypted.")

    handler = Recorder(refuse)
    async with running(database, {"mail": handler}):
        await database.write(enqueue, "mail", "a", {})
        (row,) = await ended(database, 1)
    assert (row["state"], row["error"], len(handler.seen)) == (
        "failed",
        "InvalidInput: The file is encrypted.",
        1,
    )


async def test_a_hook_that_fails_does_not_keep_the_job_from_ending(database: Database) -> None:
    async def refuse(_payload: JsonObject) -> None:
        raise InvalidInput("no")

    async def on_failed(kind: str, payload: JsonObject, error: str) -> None:
        raise ValueError("the hook's own fault")

    async with running(database, {"mail": refuse}, on_failed=on_failed):
        await database.write(enqueue, "mail", "a", {})
        (row,) = await ended(database, 1)
    assert row["state"] == "failed"


async def test_kinds_without_a_handler_are_left_for_others(database: Database) -> None:
    async with running(database, {"mail": Recorder()}):
        await database.write(enqueue, "post", "a", {})
        await database.write(enqueue, "mail", "a", {})
        found = await ended(database, 1)
    assert {row["kind"]: row["state"] for row in found} == {"post": "queued", "mail": "done"}


async def test_no_more_run_at_once_than_allowed_in_all_and_of_a_kind(database: Database) -> None:
    now_running: Counter[str] = Counter()
    most: Counter[str] = Counter()

    def counted(kind: str) -> JobHandler:
        async def work(_payload: JsonObject) -> None:
            now_running.update([kind, "all"])
            most["all"] = max(most["all"], now_running["all"])
            most[kind] = max(most[kind], now_running[kind])
            await asyncio.sleep(0.01)
            now_running.subtract([kind, "all"])

        return work

    handlers = {"read": counted("read"), "embed": counted("embed")}
    async with running(database, handlers, concurrency=5, limits={"embed": 1}):
        wanted = [JobRequest(kind, str(n), {}) for n in range(20) for kind in handlers]
        await database.write(enqueue_many, wanted)
        await ended(database, 40)
    assert most == {"all": 5, "read": most["read"], "embed": 1}


async def test_jobs_are_never_run_by_two_runners_at_once(
    database: Database, database_url: str | None, data_dir: Path
) -> None:
    now_running: set[object] = set()
    runs: Counter[object] = Counter()

    async def work(payload: JsonObject) -> None:
        number = payload["n"]
        assert number not in now_running
        now_running.add(number)
        runs[number] += 1
        await asyncio.sleep(0.002)
        now_running.discard(number)

    others = [open_database(database_url, data_dir) for _ in range(2)]
    await database.write(enqueue_many, [JobRequest("mail", str(n), {"n": n}) for n in range(300)])
    async with AsyncExitStack() as stack:
        for each in (database, *others):
            await stack.enter_async_context(running(each, {"mail": work}, concurrency=6))
        found = await ended(database, 300)
    for each in others:
        await each.close()
    assert set(runs.values()) == {1}
    assert len(runs) == 300
    assert {row["state"] for row in found} == {"done"}


async def test_stopping_gives_a_job_back_without_counting_the_attempt(database: Database) -> None:
    began = asyncio.Event()

    async def for_ever(_payload: JsonObject) -> None:
        began.set()
        await asyncio.Event().wait()

    async with running(database, {"mail": for_ever}):
        await database.write(enqueue, "mail", "a", {})
        await asyncio.wait_for(began.wait(), 5)
    (row,) = await database.read(rows)
    assert (row["state"], row["attempts"], row["owner"], row["lease_until"]) == ("queued", 0, None, None)


async def test_a_lease_is_renewed_while_the_job_runs(database: Database) -> None:
    async def slow(_payload: JsonObject) -> None:
        await asyncio.sleep(1.2)

    handler = Recorder(slow)
    timing = JobTiming(lease_seconds=0.6, poll_seconds=0.02)
    async with (
        running(database, {"mail": handler}, timing=timing),
        running(database, {"mail": handler}, timing=timing),
    ):
        await database.write(enqueue, "mail", "a", {})
        (row,) = await ended(database, 1)
    assert (len(handler.seen), row["attempts"], row["state"]) == (1, 1, "done")


async def test_a_job_whose_lease_ran_out_is_run_by_another_and_the_first_may_not_end_it(
    database: Database,
) -> None:
    await database.write(enqueue, "mail", "a", {})
    now = now_ms()
    (held,) = await database.write(
        statements.claim, {"mail": 1}, owner="somebody elsewhere", now=now, lease_until=now + 50
    )
    handler = Recorder()
    async with running(database, {"mail": handler}, timing=JobTiming(lease_seconds=0.6, poll_seconds=0.02)):
        (row,) = await ended(database, 1)
    assert (row["state"], row["attempts"], len(handler.seen)) == ("done", 2, 1)
    assert not await database.write(statements.finish, held, now=now, error="late")
    assert not await database.write(statements.retry, held, run_at=now, error="late")
    assert (await database.read(rows))[0]["state"] == "done"


async def test_a_job_that_was_taken_over_is_cancelled_where_it_ran(database: Database) -> None:
    began, cancelled = asyncio.Event(), asyncio.Event()

    async def hang(_payload: JsonObject) -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    def steal(connection: Connection) -> None:
        connection.execute(sa.update(jobs).values(owner="somebody elsewhere", attempts=9))

    async with running(database, {"mail": hang}, timing=JobTiming(lease_seconds=0.6, poll_seconds=0.02)):
        await database.write(enqueue, "mail", "a", {})
        await asyncio.wait_for(began.wait(), 5)
        await database.write(steal)
        await asyncio.wait_for(cancelled.wait(), 5)


async def test_a_job_that_kills_its_process_every_time_is_given_up(database: Database) -> None:
    reasons: list[str] = []

    async def on_failed(_kind: str, _payload: JsonObject, error: str) -> None:
        reasons.append(error)

    await database.write(enqueue, "mail", "a", {}, max_attempts=2)
    for _ in range(2):
        now = now_ms()
        await database.write(statements.claim, {"mail": 1}, owner="gone", now=now, lease_until=now + 1000)
        await database.write(statements.take_from, ["gone"], now)
    handler = Recorder()
    async with running(database, {"mail": handler}, on_failed=on_failed):
        (row,) = await ended(database, 1)
    assert handler.seen == []
    assert row["state"] == "failed"
    assert "ended unexpectedly 2 times" in reasons[0]


async def test_ended_jobs_are_swept_after_a_day_and_counted_until_then(database: Database) -> None:
    async with running(database, {"mail": Recorder()}):
        await database.write(enqueue_many, [JobRequest("mail", str(n), {}) for n in range(3)])
        await ended(database, 3)
    await database.write(enqueue, "mail", "waiting", {})

    def age(connection: Connection) -> None:
        old = now_ms() - 86_400_000 - 1000
        connection.execute(sa.update(jobs).where(jobs.c.key.in_(["0", "1"])).values(finished_at=old))

    await database.write(age)
    before = await database.read(counts, now_ms())
    assert (before.queued, before.done) == (1, 3)
    assert before.oldest_due_at is not None
    async with running(database, {"other": Recorder()}):

        async def swept() -> bool:
            return (await database.read(counts, now_ms())).done == 1

        await until(swept)
    assert {row["key"] for row in await database.read(rows)} == {"2", "waiting"}


_WORKER = """
import asyncio, sys
from itertools import pairwise
from pathlib import Path
from dragoman.db.connect import open_database
from dragoman.db.jobs import JobRunner, JobTiming, process_owner

async def main():
    database = open_database(sys.argv[1] or None, Path(sys.argv[2]))
    async def work(payload):
        print("began", payload["n"], flush=True)
        await asyncio.sleep(0.005)
        print("ended", payload["n"], flush=True)
    timing = JobTiming(poll_seconds=0.02)
    runner = JobRunner(database, {"mail": work}, owner=process_owner(), concurrency=8, timing=timing)
    await runner.start()
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def settled_counts(database: Database) -> Counts:
    """Counts once they stay the same: a server finishes the statements of a client that has gone."""
    before = None
    while before != (now := await database.read(counts, now_ms())):
        before = now
        await asyncio.sleep(0.15)
    return now


async def test_every_job_survives_kill_9_and_is_taken_over_at_once(
    database: Database, database_url: str | None, data_dir: Path
) -> None:
    await database.write(enqueue_many, [JobRequest("mail", str(n), {"n": n}) for n in range(200)])
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _WORKER, database_url or "", str(data_dir), stdout=subprocess.PIPE
    )
    assert worker.stdout is not None
    async with asyncio.timeout(20):
        for _ in range(60):
            assert await worker.stdout.readline()
        os.kill(worker.pid, signal.SIGKILL)
        rest = await worker.stdout.read()
        await worker.wait()
    assert rest is not None
    left = await settled_counts(database)
    assert left.running > 0
    assert left.done < 200
    handler = Recorder()
    async with running(database, {"mail": handler}, concurrency=8):
        found = await ended(database, 200)
    assert {row["state"] for row in found} == {"done"}
    assert len(handler.seen) == 200 - left.done
    assert Counter(row["attempts"] for row in found) == {1: 200 - left.running, 2: left.running}
