"""All SQL of planned messages, for clients that were got for the caller before."""

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.domain.chat.channels import repository as channels
from dragoman.domain.chat.tables import chat_messages, chat_sessions
from dragoman.domain.memories.model import person_of
from dragoman.domain.schedules.model import FAILED, IGNORED, Recipient, RecurringTask, Schedule
from dragoman.domain.schedules.tables import chat_recurring_tasks, chat_schedules

_LISTED = 10_000
_SCHEDULE = [name for name in Schedule.__slots__ if name != "recipient"]
_RECURRING = [name for name in RecurringTask.__slots__ if name != "recipient"]


def _recipient(row: sa.RowMapping) -> Recipient:
    return Recipient(row["external_user_id"], row["target"], row["target_identifier"])


def _schedule(row: sa.RowMapping) -> Schedule:
    return Schedule(recipient=_recipient(row), **{name: row[name] for name in _SCHEDULE})


def _recurring(row: sa.RowMapping) -> RecurringTask:
    return RecurringTask(recipient=_recipient(row), **{name: row[name] for name in _RECURRING})


def _to(recipient: Recipient) -> dict[str, object]:
    return {
        "external_user_id": recipient.external_user_id,
        "person": person_of(recipient.external_user_id) or recipient.external_user_id,
        "target": recipient.target,
        "target_identifier": recipient.address,
    }


def insert_schedule(connection: Connection, schedule: Schedule) -> None:
    """Stores a planned message."""
    values = {name: getattr(schedule, name) for name in _SCHEDULE}
    connection.execute(sa.insert(chat_schedules).values(**values, **_to(schedule.recipient)))


def insert_recurring(connection: Connection, task: RecurringTask) -> None:
    """Stores a recurring task."""
    values = {name: getattr(task, name) for name in _RECURRING}
    connection.execute(sa.insert(chat_recurring_tasks).values(**values, **_to(task.recipient)))


def schedules(connection: Connection, client_id: str, person: str | None) -> list[Schedule]:
    """The client's planned messages, or those for one person, by their time."""
    statement = sa.select(chat_schedules).where(chat_schedules.c.client_id == client_id)
    if person is not None:
        statement = statement.where(chat_schedules.c.person == person)
    statement = statement.order_by(chat_schedules.c.scheduled_at, chat_schedules.c.id).limit(_LISTED)
    return [_schedule(row) for row in connection.execute(statement).mappings()]


def recurring(connection: Connection, client_id: str, person: str | None) -> list[RecurringTask]:
    """The client's recurring tasks, or those for one person, the next one first."""
    table = chat_recurring_tasks
    statement = sa.select(table).where(table.c.client_id == client_id)
    if person is not None:
        statement = statement.where(table.c.person == person)
    statement = statement.order_by(table.c.next_at, table.c.id).limit(_LISTED)
    return [_recurring(row) for row in connection.execute(statement).mappings()]


def schedule(
    connection: Connection, client_id: str, schedule_id: str, *, lock: bool = False
) -> Schedule | None:
    """One of the client's planned messages."""
    statement = sa.select(chat_schedules).where(
        chat_schedules.c.id == schedule_id, chat_schedules.c.client_id == client_id
    )
    if lock:
        statement = statement.with_for_update()
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else _schedule(row)


def recurring_task(connection: Connection, client_id: str, task_id: str) -> RecurringTask | None:
    """One of the client's recurring tasks."""
    table = chat_recurring_tasks
    statement = sa.select(table).where(table.c.id == task_id, table.c.client_id == client_id)
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else _recurring(row)


def change_schedule(connection: Connection, schedule_id: str, values: Mapping[str, object]) -> None:
    """Sets columns of a planned message; one that is gone stays gone."""
    connection.execute(sa.update(chat_schedules).where(chat_schedules.c.id == schedule_id).values(**values))


def change_task(connection: Connection, task_id: str, values: Mapping[str, object]) -> None:
    """Sets columns of a recurring task."""
    table = chat_recurring_tasks
    connection.execute(sa.update(table).where(table.c.id == task_id).values(**values))


def end_activation(connection: Connection, task_id: str) -> None:
    """Notes that an activation has come to its end; a task that came as often as it may is gone then."""
    table = chat_recurring_tasks
    change_task(connection, task_id, {"active_at": None})
    connection.execute(
        sa.delete(table).where(table.c.id == task_id, table.c.executions >= table.c.most_executions)
    )


def delete_schedule(connection: Connection, client_id: str, schedule_id: str) -> None:
    """Removes a planned message."""
    connection.execute(
        sa.delete(chat_schedules).where(
            chat_schedules.c.id == schedule_id, chat_schedules.c.client_id == client_id
        )
    )


def delete_recurring(connection: Connection, client_id: str, task_id: str) -> bool:
    """Whether the recurring task was there and now is not."""
    table = chat_recurring_tasks
    statement = sa.delete(table).where(table.c.id == task_id, table.c.client_id == client_id)
    return connection.execute(statement).rowcount > 0


def last_scheduled(
    connection: Connection, client_id: str, person: str | None
) -> dict[str, tuple[str, int, int]]:
    """By person, or for one: an external id, when the last planned message went out, and when the first was planned.

    What was ignored or could not be sent never reached anybody.
    """
    found: dict[str, tuple[str, int, int]] = {}
    once, result = chat_schedules, chat_schedules.c.activation_result
    missed = sa.or_(result.startswith(IGNORED), result.startswith(FAILED))
    reached = sa.or_(result.is_(None), sa.not_(missed))
    for table, moment, counts in (
        (once, once.c.activated_at, reached),
        (chat_recurring_tasks, chat_recurring_tasks.c.last_at, sa.true()),
    ):
        newest, first = sa.func.max(moment), sa.func.min(table.c.created_at)
        statement = (
            sa.select(table.c.person, sa.func.max(table.c.external_user_id), newest, first)
            .where(table.c.client_id == client_id, moment.is_not(None), counts)
            .group_by(table.c.person)
        )
        if person is not None:
            statement = statement.where(table.c.person == person)
        for name, external_user_id, at, planned in connection.execute(statement):
            _, before, earlier = found.get(name, ("", at, planned))
            found[name] = (external_user_id, max(at, before), min(planned, earlier))
    return found


def last_written(connection: Connection, client_id: str, person: str | None) -> dict[str, int]:
    """By person, or for one: when they last wrote to the client."""
    statement = (
        sa.select(chat_sessions.c.person, sa.func.max(chat_messages.c.created_at))
        .join(chat_messages, chat_messages.c.session_key == chat_sessions.c.key)
        .where(
            chat_sessions.c.client_id == client_id,
            chat_sessions.c.person.is_not(None),
            chat_messages.c.role == "user",
        )
        .group_by(chat_sessions.c.person)
    )
    if person is not None:
        statement = statement.where(chat_sessions.c.person == person)
    written = {row[0]: row[1] for row in connection.execute(statement)}
    # Commands on messaging services leave no message, and others may have been removed.
    for contact in channels.writers(connection, client_id, person):
        name = person_of(contact.tag) or contact.tag
        written[name] = max(contact.last_inbound_at or 0, written.get(name, 0))
    return written
