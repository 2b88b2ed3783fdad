"""The jobs of planned messages. Each waits in the queue for its moment."""

from sqlalchemy import Connection

from dragoman.db.jobs import enqueue
from dragoman.domain.schedules.model import RecurringTask, Schedule

ONCE = "schedule.once"
AGAIN = "schedule.again"


def enqueue_once(connection: Connection, schedule: Schedule) -> None:
    """Queues a planned message for its moment."""
    payload = {"client": schedule.client_id, "schedule": schedule.id}
    enqueue(connection, ONCE, schedule.id, payload, run_at=schedule.scheduled_at)


def enqueue_again(connection: Connection, task: RecurringTask) -> None:
    """Queues a recurring task for its next moment."""
    payload = {"client": task.client_id, "task": task.id}
    enqueue(connection, AGAIN, task.id, payload, run_at=task.next_at)
