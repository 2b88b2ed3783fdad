"""The jobs of conversations on messaging services: one contact's messages are answered, and sent, one after the other."""

from sqlalchemy import Connection

from dragoman.db.jobs import enqueue

ANSWER = "channel.answer"
SEND = "channel.send"


def enqueue_answer(connection: Connection, contact_key: int, run_at: int | None = None) -> None:
    """Queues the answering of what a contact wrote."""
    enqueue(connection, ANSWER, str(contact_key), {"contact": contact_key}, run_at=run_at)


def enqueue_send(connection: Connection, contact_key: int) -> None:
    """Queues the sending of what waits for a contact."""
    enqueue(connection, SEND, str(contact_key), {"contact": contact_key}, max_attempts=1_000_000)
