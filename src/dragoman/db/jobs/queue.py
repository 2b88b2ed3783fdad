"""All SQL of jobs: putting them in, and what a runner does with them, inside the caller's transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.db.jobs.tables import jobs
from dragoman.db.upsert import upsert
from dragoman.kit.clock import now_ms
from dragoman.kit.ids import uuid7
from dragoman.kit.jsontypes import JsonObject

MAX_ATTEMPTS = 5
_NAMED_AT_ONCE = 500
_FREE: Mapping[str, Any] = {"owner": None, "lease_until": None}


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A job to put in the queue; the same kind and key mean the same work."""

    kind: str
    key: str
    payload: JsonObject
    run_at: int | None = None
    max_attempts: int = MAX_ATTEMPTS


@dataclass(frozen=True, slots=True)
class ClaimedJob:
    """A job that a runner holds. ``attempt`` counts from 1 and proves the hold together with the owner."""

    id: str
    kind: str
    payload: JsonObject
    attempt: int
    max_attempts: int
    owner: str


@dataclass(frozen=True, slots=True)
class Counts:
    """How many jobs there are in each state; ``oldest_due_at``: since when the longest waiting one is due."""

    queued: int
    running: int
    done: int
    failed: int
    oldest_due_at: int | None


def enqueue(
    connection: Connection,
    kind: str,
    key: str,
    payload: JsonObject,
    *,
    run_at: int | None = None,
    max_attempts: int = MAX_ATTEMPTS,
) -> str:
    """The job's id. It becomes visible to runners with the caller's transaction.

    When the same kind and key wait already, that job is it. When it is running it will run once more
    afterwards, so that a change made meanwhile is not missed. ``run_at`` (milliseconds) None means at once.
    """
    return enqueue_many(connection, [JobRequest(kind, key, payload, run_at, max_attempts)])[0]


def enqueue_many(connection: Connection, wanted: Sequence[JobRequest]) -> list[str]:
    """The jobs' ids in the order asked for, as ``enqueue`` gives them."""
    # One statement may not meet the same row twice.
    rows = {(request.kind, request.key): _row(request) for request in reversed(wanted)}
    if not rows:
        return []
    stored = connection.execute(_enqueueing(connection.dialect.name), list(rows.values()))
    ids = {(kind, key): job_id for job_id, kind, key in stored}
    return [ids[request.kind, request.key] for request in wanted]


def _row(request: JobRequest) -> dict[str, Any]:
    now = now_ms()
    return {
        "id": uuid7(),
        "kind": request.kind,
        "key": request.key,
        "payload": request.payload,
        "state": "queued",
        "again": False,
        "attempts": 0,
        "max_attempts": request.max_attempts,
        "run_at": now if request.run_at is None else request.run_at,
        "created_at": now,
    }


@cache
def _enqueueing(dialect_name: str) -> sa.Executable:
    return (
        upsert(dialect_name, jobs)
        .on_conflict_do_update(
            index_elements=["kind", "key"],
            index_where=sa.text("finished_at IS NULL"),
            set_={"again": jobs.c.state == "running"},
        )
        .returning(jobs.c.id, jobs.c.kind, jobs.c.key)
    )


def due_kinds(connection: Connection, kinds: Sequence[str], now: int) -> list[str]:
    """Which of these kinds have a job to run now."""
    questions = [
        sa.exists()
        .where(jobs.c.state == "queued", jobs.c.kind == kind, jobs.c.run_at <= now)
        .label(f"kind_{number}")
        for number, kind in enumerate(kinds)
    ]
    row = connection.execute(sa.select(*questions)).one()
    return [kind for kind, due in zip(kinds, row, strict=True) if due]


def claim(
    connection: Connection, limits: Mapping[str, int], *, owner: str, now: int, lease_until: int
) -> list[ClaimedJob]:
    """Takes due jobs, at most so many of each kind, those that have waited longest first."""
    claimed: list[ClaimedJob] = []
    for kind, limit in limits.items():
        due = (
            sa.select(jobs.c.id)
            .where(jobs.c.state == "queued", jobs.c.kind == kind, jobs.c.run_at <= now)
            .order_by(jobs.c.run_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
            .cte("due")
        )
        statement = (
            sa.update(jobs)
            .where(jobs.c.id.in_(sa.select(due.c.id)))
            .values(state="running", owner=owner, lease_until=lease_until, attempts=jobs.c.attempts + 1)
            .returning(
                jobs.c.id, jobs.c.kind, jobs.c.payload, jobs.c.attempts, jobs.c.max_attempts, jobs.c.owner
            )
        )
        claimed += [ClaimedJob(*row) for row in connection.execute(statement)]
    return sorted(claimed, key=lambda job: job.id)


def renew(connection: Connection, ids: Sequence[str], *, owner: str, lease_until: int) -> set[str]:
    """Which of the jobs the owner still holds, now until ``lease_until``."""
    statement = (
        sa.update(jobs)
        .where(jobs.c.id.in_(ids), jobs.c.owner == owner, jobs.c.state == "running")
        .values(lease_until=lease_until)
        .returning(jobs.c.id)
    )
    return set(connection.execute(statement).scalars())


def _held(job: ClaimedJob) -> sa.ColumnElement[bool]:
    return sa.and_(
        jobs.c.id == job.id,
        jobs.c.owner == job.owner,
        jobs.c.attempts == job.attempt,
        jobs.c.state == "running",
    )


def finish(connection: Connection, job: ClaimedJob, *, now: int, error: str | None) -> bool:
    """Ends a job as done, or as failed when there is an error; False when the owner no longer held it.

    A job that was asked for again meanwhile goes back to the queue as new.
    """
    anew = {"state": "queued", "again": False, "attempts": 0, "run_at": now, "error": error, **_FREE}
    repeated = connection.execute(sa.update(jobs).where(_held(job), jobs.c.again.is_(True)).values(**anew))
    if repeated.rowcount:
        return True
    state = "done" if error is None else "failed"
    ended = {"state": state, "finished_at": now, "error": error, **_FREE}
    return bool(connection.execute(sa.update(jobs).where(_held(job)).values(**ended)).rowcount)


def retry(connection: Connection, job: ClaimedJob, *, run_at: int, error: str) -> bool:
    """Puts a failed attempt back into the queue; False when the owner no longer held it."""
    values = {"state": "queued", "again": False, "run_at": run_at, "error": error, **_FREE}
    return bool(connection.execute(sa.update(jobs).where(_held(job)).values(**values)).rowcount)


def put_off(connection: Connection, job: ClaimedJob, *, run_at: int) -> bool:
    """Lets a job wait for its moment without counting the attempt; False when the owner no longer held it."""
    values = {"state": "queued", "again": False, "attempts": jobs.c.attempts - 1, "run_at": run_at, **_FREE}
    return bool(connection.execute(sa.update(jobs).where(_held(job)).values(**values)).rowcount)


def give_back(connection: Connection, owner: str, now: int) -> int:
    """Returns all jobs of a runner that stops, without counting the attempt; gives how many."""
    statement = (
        sa.update(jobs)
        .where(jobs.c.owner == owner, jobs.c.state == "running")
        .values(state="queued", again=False, attempts=jobs.c.attempts - 1, run_at=now, **_FREE)
    )
    return connection.execute(statement).rowcount


def owners(connection: Connection) -> list[str]:
    """Who holds running jobs."""
    return list(
        connection.execute(sa.select(jobs.c.owner).where(jobs.c.state == "running").distinct()).scalars()
    )


def expired(connection: Connection, now: int) -> bool:
    """Whether a running job's lease is over."""
    lapsed = sa.exists().where(jobs.c.state == "running", jobs.c.lease_until < now)
    return bool(connection.execute(sa.select(lapsed)).scalar())


def take_from(connection: Connection, gone: Sequence[str], now: int) -> int:
    """Puts back what owners that are gone, or whose leases are over, were running; gives how many."""
    statement = (
        sa.update(jobs)
        .where(jobs.c.state == "running", sa.or_(jobs.c.lease_until < now, jobs.c.owner.in_(gone)))
        .values(state="queued", again=False, run_at=now, **_FREE)
    )
    return connection.execute(statement).rowcount


def sweep(connection: Connection, finished_before: int, *, limit: int) -> int:
    """Deletes jobs that ended before that time; gives how many."""
    old = sa.select(jobs.c.id).where(jobs.c.finished_at < finished_before).limit(limit)
    return connection.execute(sa.delete(jobs).where(jobs.c.id.in_(old))).rowcount


def forget(connection: Connection, kind: str, keys: Sequence[str]) -> int:
    """Deletes the jobs of that kind and these keys, whatever their state; gives how many."""
    gone = 0
    for start in range(0, len(keys), _NAMED_AT_ONCE):
        named = jobs.c.key.in_(keys[start : start + _NAMED_AT_ONCE])
        gone += connection.execute(sa.delete(jobs).where(jobs.c.kind == kind, named)).rowcount
    return gone


def counts(connection: Connection, now: int) -> Counts:
    """How many jobs wait, run and have ended; for operators."""
    by_state = sa.select(jobs.c.state, sa.func.count()).group_by(jobs.c.state)
    found: dict[str, int] = dict(connection.execute(by_state).all())
    waiting = jobs.c.state == "queued"
    oldest = connection.execute(
        sa.select(sa.func.min(jobs.c.run_at)).where(waiting, jobs.c.run_at <= now)
    ).scalar()
    return Counts(
        found.get("queued", 0), found.get("running", 0), found.get("done", 0), found.get("failed", 0), oldest
    )


@dataclass(frozen=True, slots=True)
class KindCounts:
    """How many jobs of a kind are in each state; ``oldest_due_at`` is when the longest waiting one was due."""

    kind: str
    states: Mapping[str, int]
    oldest_due_at: int | None


def counts_by_kind(connection: Connection, now: int) -> list[KindCounts]:
    """How many jobs of each kind there are, by name of the kind; for operators."""
    found: dict[str, dict[str, int]] = {}
    statement = sa.select(jobs.c.kind, jobs.c.state, sa.func.count()).group_by(jobs.c.kind, jobs.c.state)
    for kind, state, number in connection.execute(statement):
        found.setdefault(kind, {})[state] = number
    due = sa.select(jobs.c.kind, sa.func.min(jobs.c.run_at)).where(
        jobs.c.state == "queued", jobs.c.run_at <= now
    )
    oldest: dict[str, int] = dict(connection.execute(due.group_by(jobs.c.kind)).all())
    return [KindCounts(kind, states, oldest.get(kind)) for kind, states in sorted(found.items())]


def holders(connection: Connection) -> list[tuple[str, int]]:
    """Every runner that has jobs in hand, with how many."""
    statement = sa.select(jobs.c.owner, sa.func.count()).where(jobs.c.state == "running")
    grouped = statement.group_by(jobs.c.owner).order_by(jobs.c.owner)
    return [(str(owner), number) for owner, number in connection.execute(grouped)]
