"""All SQL of what was told of answers under way. Who may follow has been decided by the session's access key."""

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.domain.chat.following.tables import chat_events


def tell(connection: Connection, turn_id: str, bodies: Mapping[int, str], now: int) -> None:
    """Keeps events by their numbers."""
    rows = [
        {"turn_id": turn_id, "number": number, "body": body, "at": now} for number, body in bodies.items()
    ]
    connection.execute(sa.insert(chat_events), rows)


def told(connection: Connection, turn_id: str, after: int, *, limit: int) -> list[tuple[int, str]]:
    """Events of an answer behind that number, in order."""
    statement = (
        sa.select(chat_events.c.number, chat_events.c.body)
        .where(chat_events.c.turn_id == turn_id, chat_events.c.number > after)
        .order_by(chat_events.c.number)
        .limit(limit)
    )
    return [(number, body) for number, body in connection.execute(statement)]


def forget(connection: Connection, before: int) -> int:
    """Removes what was told before that time; gives how much."""
    return connection.execute(sa.delete(chat_events).where(chat_events.c.at < before)).rowcount
