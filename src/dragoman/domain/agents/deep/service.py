"""Researches for callers: begin one, go on with it, follow it, stop it. The work itself is done by jobs."""

import asyncio
from collections.abc import AsyncGenerator, Callable

from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.agents.deep import repository
from dragoman.domain.agents.deep.jobs import enqueue_step
from dragoman.domain.agents.deep.model import DeepProgress, DeepRun, DeepSettings, DeepUpdate, Told
from dragoman.kit.errors import Conflict, InvalidInput, NotFound, QuotaExceeded

_MOST_WORKING = 10
_MOST_TURNS = 50
_LONGEST_QUESTION = 100_000
_BATCH = 200
_PAUSE_SECONDS = 0.25
_RETRY_SECONDS = 30.0


class DeepResearch:
    """What a dialect may do with researches. Another's are as if they did not exist.

    Args:
        wake: tells the runner of jobs that there is work.
    """

    def __init__(self, database: Database, *, wake: Callable[[], None]) -> None:
        self._database = database
        self._wake = wake

    async def begin(self, caller: Caller, question: str, settings: DeepSettings) -> DeepRun:
        """A new research, queued durably; it goes on by itself from here.

        Raises:
            InvalidInput: the question is too long.
            QuotaExceeded: too many of the caller's are at work.
        """
        _check(question)

        def store(connection: Connection) -> DeepRun:
            _check_room(connection, caller)
            run = repository.insert(connection, caller, question, settings)
            told = (Told("question", {"message": question, "turn": 1}), Told("status", {"message": "Begun."}))
            repository.save(connection, run, state=repository.WORKING, progress=run.progress, told=told)
            enqueue_step(connection, run.number)
            return run

        run = await self._database.write(store)
        self._wake()
        return run

    async def resume(self, caller: Caller, number: int, question: str, settings: DeepSettings) -> DeepRun:
        """The caller's research with a further question, which may build on what was found before.

        Raises:
            NotFound: the caller has no such research.
            Conflict: it is still at work.
            QuotaExceeded: too many of the caller's are at work, or it has had too many questions.
        """
        _check(question)

        def store(connection: Connection) -> DeepRun:
            run = _held(connection, caller, number)
            if run.state == repository.WORKING:
                raise Conflict(
                    "This research is still at work; wait for its end or stop it.", code="deep_run_working"
                )
            if run.turn >= _MOST_TURNS:
                raise QuotaExceeded(f"A research takes at most {_MOST_TURNS} questions; begin a new one.")
            _check_room(connection, caller)
            before = run.progress
            progress = DeepProgress(sources=before.sources, notes=before.notes, history=before.history)
            told = (
                Told("question", {"message": question, "turn": run.turn + 1}),
                Told("status", {"message": "Going on."}),
            )
            repository.save(
                connection,
                run,
                state=repository.WORKING,
                progress=progress,
                told=told,
                question=question,
                turn=run.turn + 1,
                settings=settings,
            )
            enqueue_step(connection, number)
            return run

        run = await self._database.write(store)
        self._wake()
        return run

    async def get(self, caller: Caller, number: int) -> DeepRun:
        """One of the caller's researches.

        Raises:
            NotFound: the caller has no such research.
        """
        run = await self._database.read(repository.get, caller, number)
        if run is None:
            raise _no_run(number)
        return run

    async def latest(self, caller: Caller, limit: int) -> list[DeepRun]:
        """The caller's researches, newest first."""
        return await self._database.read(repository.latest, caller, limit)

    async def cancel(self, caller: Caller, number: int) -> bool:
        """Stops the caller's research where it is; False when it had ended already.

        Raises:
            NotFound: the caller has no such research.
        """

        def stop(connection: Connection) -> bool:
            run = _held(connection, caller, number)
            if run.state != repository.WORKING:
                return False
            told = (Told("error", {"message": "The research was stopped.", "code": "cancelled"}),)
            repository.save(connection, run, state="cancelled", progress=run.progress, told=told)
            return True

        return await self._database.write(stop)

    async def follow(self, caller: Caller, number: int) -> AsyncGenerator[DeepUpdate | None]:
        """Everything the research has told from its beginning, then what it tells, up to its end.

        None comes now and then while nothing happens.

        Raises:
            NotFound: the caller has no such research; raised before the first update.
        """
        after, idle = 0, 0
        while True:
            state, told = await self._database.read(
                repository.updates_after, caller, number, after, limit=_BATCH
            )
            if state is None:
                raise _no_run(number)
            for update in told:
                after = update.sequence
                yield update
                if update.last:
                    return
            if not told:
                if state != repository.WORKING:
                    return
                idle += 1
                if idle % int(10 / _PAUSE_SECONDS) == 0:
                    yield None
                await asyncio.sleep(_PAUSE_SECONDS)


def _check(question: str) -> None:
    if len(question) > _LONGEST_QUESTION:
        raise InvalidInput(f"The question is longer than {_LONGEST_QUESTION} characters.", param="message")


def _check_room(connection: Connection, caller: Caller) -> None:
    if repository.working(connection, caller) >= _MOST_WORKING:
        raise QuotaExceeded(
            f"At most {_MOST_WORKING} researches are at work at a time.",
            code="too_many_deep_runs",
            retry_after_seconds=_RETRY_SECONDS,
        )


def _held(connection: Connection, caller: Caller, number: int) -> DeepRun:
    run = repository.of_job(connection, number, hold=True)
    if run is None or run.user_id != caller.user_id:
        raise _no_run(number)
    return run


def _no_run(number: int) -> NotFound:
    return NotFound(f"There is no research {number}.", code="deep_run_not_found", param="id")
