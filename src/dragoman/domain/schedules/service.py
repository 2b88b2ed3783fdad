"""Planned messages for callers: kept, listed, called off."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.chat.repository import clients
from dragoman.domain.memories.model import person_of
from dragoman.domain.schedules import repository
from dragoman.domain.schedules.inactive import inactive_users
from dragoman.domain.schedules.jobs import enqueue_again, enqueue_once
from dragoman.domain.schedules.model import (
    ClientSchedules,
    Recipient,
    RecurringTask,
    Schedule,
)
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import Conflict, NotFound
from dragoman.kit.ids import uuid7


@dataclass(frozen=True, slots=True)
class TaskPlan:
    """A recurring task to be kept: when it comes again by ``cron``, first at ``next_at`` (milliseconds).

    ``zone`` names the time zone that the cron expression is meant in; None = UTC.
    """

    cron: str
    job_description: str
    next_at: int
    most_executions: int | None = None
    zone: str | None = None


class SchedulesService:
    """What a caller may do with the messages planned for the users of their chat clients."""

    def __init__(self, database: Database, *, clock_ms: Callable[[], int] = now_ms) -> None:
        self._database = database
        self._clock_ms = clock_ms

    async def plan(
        self, caller: Caller, client_id: str, to: Recipient, *, at: int, reason: str, context: str
    ) -> Schedule:
        """A message kept for a moment, in milliseconds.

        Raises:
            NotFound: the caller has no such client.
        """
        made = Schedule(uuid7(), client_id, to, at, reason, context, self._clock_ms())

        def store(connection: Connection) -> None:
            clients.get(connection, caller, client_id)
            repository.insert_schedule(connection, made)
            enqueue_once(connection, made)

        await self._database.write(store)
        return made

    async def repeat(self, caller: Caller, client_id: str, to: Recipient, task: TaskPlan) -> RecurringTask:
        """A recurring task kept.

        Raises:
            NotFound: the caller has no such client.
        """
        made = RecurringTask(
            uuid7(),
            client_id,
            to,
            task.cron,
            task.job_description,
            task.next_at,
            self._clock_ms(),
            most_executions=task.most_executions,
            zone=task.zone,
        )

        def store(connection: Connection) -> None:
            clients.get(connection, caller, client_id)
            repository.insert_recurring(connection, made)
            enqueue_again(connection, made)

        await self._database.write(store)
        return made

    async def all_of(
        self, caller: Caller, client_id: str, external_user_id: str | None = None
    ) -> ClientSchedules:
        """Everything planned for a client's users, or for one of them.

        Raises:
            NotFound: the caller has no such client.
        """
        person = None if external_user_id is None else person_of(external_user_id) or external_user_id

        def load(connection: Connection) -> ClientSchedules:
            client = clients.get(connection, caller, client_id)
            return ClientSchedules(
                client_id,
                client.draft.name,
                tuple(inactive_users(connection, client, person)),
                tuple(repository.schedules(connection, client_id, person)),
                tuple(repository.recurring(connection, client_id, person)),
            )

        return await self._database.read(load)

    async def schedule(self, caller: Caller, client_id: str, schedule_id: str) -> Schedule:
        """One planned message.

        Raises:
            NotFound: there is none of that id.
        """

        def load(connection: Connection) -> Schedule:
            clients.get(connection, caller, client_id)
            return _found(repository.schedule(connection, client_id, schedule_id))

        return await self._database.read(load)

    async def cancel(self, caller: Caller, client_id: str, schedule_id: str) -> None:
        """Calls a planned message off.

        Raises:
            NotFound: there is none of that id.
            Conflict: its moment has come already.
        """

        def remove(connection: Connection) -> None:
            clients.get(connection, caller, client_id)
            found = _found(repository.schedule(connection, client_id, schedule_id, lock=True))
            if found.activated_at is not None:
                raise Conflict("The schedule was activated already.", code="schedule_activated")
            repository.delete_schedule(connection, client_id, schedule_id)

        await self._database.write(remove)

    async def recurring_task(self, caller: Caller, client_id: str, task_id: str) -> RecurringTask:
        """One recurring task.

        Raises:
            NotFound: there is none of that id.
        """

        def load(connection: Connection) -> RecurringTask:
            clients.get(connection, caller, client_id)
            found = repository.recurring_task(connection, client_id, task_id)
            if found is None:
                raise _no_task()
            return found

        return await self._database.read(load)

    async def cancel_recurring(self, caller: Caller, client_id: str, task_id: str) -> None:
        """Calls a recurring task off.

        Raises:
            NotFound: there is none of that id.
        """

        def remove(connection: Connection) -> None:
            clients.get(connection, caller, client_id)
            if not repository.delete_recurring(connection, client_id, task_id):
                raise _no_task()

        await self._database.write(remove)


def _found(schedule: Schedule | None) -> Schedule:
    if schedule is None:
        raise NotFound("Schedule not found.", code="schedule_not_found")
    return schedule


def _no_task() -> NotFound:
    return NotFound("Recurring task not found.", code="recurring_task_not_found")
