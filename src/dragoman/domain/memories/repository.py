"""All SQL of memories. What has expired is not there for anybody."""

from dataclasses import asdict

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.memories.model import Memory, MemoryFilter, MemoryFormat
from dragoman.domain.memories.tables import memories

_COLUMNS = [memories.c[name] for name in Memory.__slots__]


def _mine(caller: Caller, now: int) -> sa.ColumnElement[bool]:
    return sa.and_(
        memories.c.owner_id == caller.user_id,
        sa.or_(memories.c.expires_at.is_(None), memories.c.expires_at > now),
    )


def _memory(row: sa.RowMapping) -> Memory:
    values = dict(row)
    values["labels"] = tuple(values["labels"] or ())
    return Memory(**values)


def insert(connection: Connection, caller: Caller, memory: Memory) -> None:
    """Stores a new memory."""
    scope = {"organisation_id": caller.organisation_id, "owner_id": caller.user_id}
    values = {**asdict(memory), **scope, "labels": list(memory.labels) or None}
    connection.execute(sa.insert(memories).values(**values))


def get(connection: Connection, caller: Caller, memory_id: str, now: int) -> Memory | None:
    """One of the caller's memories."""
    statement = sa.select(*_COLUMNS).where(memories.c.id == memory_id, _mine(caller, now))
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else _memory(row)


def select(connection: Connection, caller: Caller, wanted: MemoryFilter, now: int) -> list[Memory]:
    """The caller's memories that match, newest first."""
    statement = sa.select(*_COLUMNS).where(_mine(caller, now))
    if wanted.text:
        statement = statement.where(
            sa.or_(
                memories.c.content.icontains(wanted.text, autoescape=True),
                memories.c.external_user_id.icontains(wanted.text, autoescape=True),
                memories.c.id == wanted.text.lower(),
            )
        )
    for column, value in (
        (memories.c.format, wanted.format),
        (memories.c.person, wanted.person),
        (memories.c.agent_id, wanted.agent_id),
    ):
        if value is not None:
            statement = statement.where(column == value)
    statement = statement.order_by(memories.c.created_at.desc(), memories.c.key.desc())
    rows = connection.execute(statement.limit(wanted.limit).offset(wanted.offset)).mappings()
    return [_memory(row) for row in rows]


def update(connection: Connection, caller: Caller, memory: Memory, now: int) -> bool:
    """Whether the memory was there and now has this content and end."""
    statement = sa.update(memories).where(memories.c.id == memory.id, _mine(caller, now))
    values = {
        "content": memory.content,
        "expires_at": memory.expires_at,
        "updated_at": memory.updated_at,
        "labels": list(memory.labels) or None,
    }
    return connection.execute(statement.values(**values)).rowcount > 0


def delete(connection: Connection, caller: Caller, memory_id: str, now: int) -> bool:
    """Whether the memory was there and now is not."""
    statement = sa.delete(memories).where(memories.c.id == memory_id, _mine(caller, now))
    return connection.execute(statement).rowcount > 0


def delete_of_person(
    connection: Connection, caller: Caller, person: str, kind: MemoryFormat, now: int
) -> int:
    """Removes a person's memories of one format; gives how many there were."""
    statement = sa.delete(memories).where(
        memories.c.person == person, memories.c.format == kind, _mine(caller, now)
    )
    return connection.execute(statement).rowcount


def delete_expired(connection: Connection, caller: Caller, now: int) -> None:
    """Removes what has expired of the caller's."""
    statement = sa.delete(memories).where(memories.c.owner_id == caller.user_id, memories.c.expires_at <= now)
    connection.execute(statement)
