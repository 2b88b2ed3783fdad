"""Runs durable jobs: claims what is due, keeps leases, tries again, takes over what dead processes left."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias

import structlog
from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.db.jobs import queue
from dragoman.db.jobs.owner import is_dead
from dragoman.db.jobs.queue import ClaimedJob
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import DragomanError, ProviderError, Unavailable
from dragoman.kit.jsontypes import JsonObject
from dragoman.kit.tasks import TaskOwner

JobHandler: TypeAlias = Callable[[JsonObject], Awaitable[None]]
FailedHook: TypeAlias = Callable[[str, JsonObject, str], Awaitable[None]]

log = structlog.get_logger(__name__)


class RunLater(Exception):
    """Raised by a handler whose work is not due yet: the job waits until then, and this was no attempt.

    Args:
        run_at: the moment, in milliseconds.
    """

    def __init__(self, run_at: int) -> None:
        super().__init__(f"not before {run_at}")
        self.run_at = run_at


_ERROR_CHARACTERS = 500
_SWEEP_MS = 600_000
_SWEEP_ROWS = 1000
_LONGEST_BACKOFF_SECONDS = 300


@dataclass(frozen=True, slots=True)
class JobTiming:
    """A lost lease is found within ``lease_seconds`` and a third; pauses begin at ``backoff_seconds``."""

    lease_seconds: float = 60
    poll_seconds: float = 0.5
    backoff_seconds: float = 2
    keep_seconds: float = 86_400
    clock: Callable[[], int] = now_ms


@dataclass(slots=True)
class _Held:
    """A job under way here. ``lost`` says that it is no longer ours, so that its end is not ours to note."""

    job: ClaimedJob
    lease_until: int
    task: "asyncio.Task[None] | None" = None
    lost: bool = False


class JobRunner:
    """Runs jobs of the kinds it has handlers for; any number of runners may share a database.

    A job runs at least once: its handler must bear being run again after a crash. An error of the caller's
    making (status below 500, not saying when to try again) or a provider's final one fails the job at once;
    others are tried again with growing pauses.

    Args:
        handlers: what to await for each kind, with the job's payload.
        owner: from ``process_owner``; different for every runner.
        concurrency: the most jobs at the same time; ``limits`` narrows it for single kinds.
        on_failed: awaited with kind, payload and reason before a job is given up; twice after a crash.
    """

    def __init__(
        self,
        database: Database,
        handlers: Mapping[str, JobHandler],
        *,
        owner: str,
        concurrency: int,
        limits: Mapping[str, int] | None = None,
        on_failed: FailedHook | None = None,
        timing: JobTiming | None = None,
    ) -> None:
        self._database = database
        self._handlers = dict(handlers)
        self._owner = owner
        self._concurrency = concurrency
        self._limits = dict(limits or {})
        self._on_failed = on_failed
        self._timing = timing or JobTiming()
        self._held: dict[str, _Held] = {}
        self._work = TaskOwner()
        self._loops = TaskOwner()
        self._due = asyncio.Event()
        self._stopping = False
        self._claiming: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Takes back what dead processes of this machine left, then begins to run jobs."""
        await self._take_over()
        self._claiming = self._loops.start(self._claim_forever(), name="jobs.claim")
        self._loops.start(self._keep_forever(), name="jobs.keep")

    async def stop(self) -> None:
        """Cancels what runs and returns it to the queue; a job ended here was not an attempt."""
        self._stopping = True
        self._due.set()
        if self._claiming is not None:
            # Not cancelled: a claim under way would come through after the jobs have been given back.
            await asyncio.wait([self._claiming])
        await self._loops.close()
        await self._work.close()
        try:
            returned = await self._database.write(queue.give_back, self._owner, self._timing.clock())
        except Unavailable as error:
            log.warning("jobs.not_returned", reason=error.detail)
        else:
            log.info("jobs.stopped", returned=returned)

    def wake(self) -> None:
        """Looks for jobs now; called from the event loop after a job was put in."""
        self._due.set()

    # Claiming

    async def _claim_forever(self) -> None:
        while not self._stopping:
            self._due.clear()
            claimed = 0
            try:
                claimed = await self._claim()
            except Exception:
                # The loop must outlive a bad moment of the database.
                log.exception("jobs.claim_failed")
            if not claimed and not self._stopping:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._due.wait(), self._timing.poll_seconds)

    async def _claim(self) -> int:
        rooms = self._rooms()
        if not rooms:
            return 0
        now = self._timing.clock()
        due = await self._database.read(queue.due_kinds, list(rooms), now)
        shares = share(self._concurrency - len(self._held), {kind: rooms[kind] for kind in due})
        if not shares:
            return 0
        lease_until = now + self._lease_ms()
        claimed = await self._database.write(
            queue.claim, shares, owner=self._owner, now=now, lease_until=lease_until
        )
        for job in claimed:
            self._begin(job, lease_until)
        return len(claimed)

    def _rooms(self) -> dict[str, int]:
        """How many more jobs of each kind may run here."""
        free = self._concurrency - len(self._held)
        if free <= 0:
            return {}
        running = [held.job.kind for held in self._held.values()]
        rooms = {
            kind: min(free, self._limits.get(kind, free) - running.count(kind)) for kind in self._handlers
        }
        return {kind: room for kind, room in rooms.items() if room > 0}

    def _begin(self, job: ClaimedJob, lease_until: int) -> None:
        before = self._held.get(job.id)
        if before is not None:
            # Our own lease ran out and the claim gave us the job again: the old run must have ended first.
            self._lose(before)
        held = self._held[job.id] = _Held(job, lease_until)
        held.task = self._work.start(self._run(held, before), name=f"job:{job.kind}")

    # Running

    async def _run(self, held: _Held, before: _Held | None) -> None:
        job = held.job
        try:
            if before is not None and before.task is not None:
                await asyncio.wait([before.task])
            error = await self._attempt(job)
            if not held.lost:
                await self._note(job, error)
        except Unavailable as error:
            # The lease runs out and the job is run again.
            log.warning("jobs.end_not_noted", kind=job.kind, job=job.id, reason=error.detail)
        finally:
            if self._held.get(job.id) is held:
                del self._held[job.id]
            self._due.set()

    async def _attempt(self, job: ClaimedJob) -> Exception | None:
        if job.attempt > job.max_attempts:
            return Unavailable(
                f"The process that ran it ended unexpectedly {job.max_attempts} times.", code=_GIVEN_UP
            )
        try:
            await self._handlers[job.kind](job.payload)
        except RunLater as later:
            return later
        except DragomanError as error:
            log.warning("jobs.attempt_failed", kind=job.kind, job=job.id, reason=sentence(error))
            return error
        except Exception as error:
            log.exception("jobs.attempt_failed", kind=job.kind, job=job.id)
            return error
        return None

    async def _note(self, job: ClaimedJob, error: Exception | None) -> None:
        now = self._timing.clock()
        if error is None:
            await self._database.write(queue.finish, job, now=now, error=None)
        elif isinstance(error, RunLater):
            await self._database.write(queue.put_off, job, run_at=error.run_at)
        elif job.attempt >= job.max_attempts or is_final(error):
            await self._give_up(job, sentence(error))
        else:
            run_at = now + int(1000 * self._pause_seconds(job, error))
            await self._database.write(queue.retry, job, run_at=run_at, error=sentence(error))

    async def _give_up(self, job: ClaimedJob, reason: str) -> None:
        log.error("jobs.failed", kind=job.kind, job=job.id, reason=reason)
        if self._on_failed is not None:
            try:
                await self._on_failed(job.kind, job.payload, reason)
            except Exception:
                # The job has failed, whatever the hook does.
                log.exception("jobs.hook_failed", kind=job.kind, job=job.id)
        await self._database.write(queue.finish, job, now=self._timing.clock(), error=reason)

    def _pause_seconds(self, job: ClaimedJob, error: Exception) -> float:
        asked = error.retry_after_seconds if isinstance(error, DragomanError) else None
        doubled = self._timing.backoff_seconds * 2 ** min(job.attempt - 1, 20)
        # The id's random end spreads jobs that failed together.
        spread = 1 + int(job.id[-4:], 16) / 0xFFFF / 4
        return max(min(doubled, _LONGEST_BACKOFF_SECONDS) * spread, asked or 0)

    # Leases

    async def _keep_forever(self) -> None:
        """Renews leases, takes over what others lost, deletes what ended long ago."""
        pause = self._timing.lease_seconds / 3
        swept_at = 0
        while True:
            try:
                async with asyncio.timeout(pause):
                    await self._renew()
                    await self._take_over()
                    if self._timing.clock() - swept_at >= _SWEEP_MS:
                        await self._sweep()
                        swept_at = self._timing.clock()
            except Exception:
                # As above.
                log.exception("jobs.upkeep_failed")
            self._drop_overdue(int(1000 * pause))
            await asyncio.sleep(pause)

    async def _renew(self) -> None:
        mine = {id: held for id, held in self._held.items() if not held.lost}
        if not mine:
            return
        lease_until = self._timing.clock() + self._lease_ms()
        kept = await self._database.write(queue.renew, list(mine), owner=self._owner, lease_until=lease_until)
        for id, held in mine.items():
            if id in kept:
                held.lease_until = lease_until
            elif self._held.get(id) is held:
                self._lose(held)

    def _drop_overdue(self, pause_ms: int) -> None:
        """Stops jobs whose lease will be over before the next look: somebody else would run them then."""
        latest = self._timing.clock() + pause_ms
        for held in list(self._held.values()):
            if held.lease_until <= latest:
                self._lose(held)

    def _lose(self, held: _Held) -> None:
        if not held.lost and held.task is not None:
            log.warning("jobs.lease_lost", kind=held.job.kind, job=held.job.id)
            held.lost = True
            held.task.cancel()

    async def _take_over(self) -> None:
        now = self._timing.clock()
        one_machine = self._database.dialect == "sqlite"

        def dead(connection: Connection) -> list[str]:
            return [owner for owner in queue.owners(connection) if is_dead(owner, one_machine=one_machine)]

        gone = await self._database.read(dead)
        if gone or await self._database.read(queue.expired, now):
            taken = await self._database.write(queue.take_from, gone, now)
            log.info("jobs.taken_over", jobs=taken, dead_owners=len(gone))
            self._due.set()

    async def _sweep(self) -> None:
        before = self._timing.clock() - int(1000 * self._timing.keep_seconds)
        while await self._database.write(queue.sweep, before, limit=_SWEEP_ROWS) == _SWEEP_ROWS:
            pass

    def _lease_ms(self) -> int:
        return int(1000 * self._timing.lease_seconds)


_GIVEN_UP = "given_up"


def share(free: int, rooms: Mapping[str, int]) -> dict[str, int]:
    """Free places dealt out one by one to kinds, none getting more than its room."""
    dealt = dict.fromkeys(rooms, 0)
    while free > 0 and (open_kinds := [kind for kind in rooms if dealt[kind] < rooms[kind]]):
        for kind in open_kinds[:free]:
            dealt[kind] += 1
        free -= len(open_kinds)
    return {kind: count for kind, count in dealt.items() if count}


def is_final(error: Exception) -> bool:
    """Whether trying again cannot help."""
    if isinstance(error, ProviderError):
        return not error.retryable
    return isinstance(error, DragomanError) and error.status < 500 and error.retry_after_seconds is None


def sentence(error: Exception) -> str:
    """The error's type and what it says, in one line that may be shown to an operator."""
    said = error.detail if isinstance(error, DragomanError) else str(error)
    first = said.strip().partition("\n")[0][:_ERROR_CHARACTERS]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
