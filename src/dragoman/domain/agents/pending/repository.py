"""All SQL of the turns that callers do not see."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.db.upsert import upsert
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.agents.pending.tables import hidden_turns as table


def put(
    connection: Connection,
    caller: Caller,
    keys: Sequence[str],
    content: Mapping[str, Any],
    *,
    now: int,
    expires_at: int,
) -> None:
    """Keeps a content under each of the keys, and drops what of the caller's has expired."""
    mine = table.c.owner_id == caller.user_id
    connection.execute(sa.delete(table).where(mine, table.c.expires_at <= now))
    owner = {"organisation_id": caller.organisation_id, "owner_id": caller.user_id}
    changed = {"expires_at": expires_at, "content": content}
    for key in keys:
        statement = upsert(connection.dialect.name, table).values(key=key, **changed, **owner)
        connection.execute(statement.on_conflict_do_update(index_elements=["key"], set_=changed))


def select(connection: Connection, caller: Caller, keys: Sequence[str], now: int) -> dict[str, Any]:
    """The contents of the caller's by key."""
    statement = sa.select(table.c.key, table.c.content).where(
        table.c.owner_id == caller.user_id, table.c.key.in_(keys), table.c.expires_at > now
    )
    return {row.key: row.content for row in connection.execute(statement)}
