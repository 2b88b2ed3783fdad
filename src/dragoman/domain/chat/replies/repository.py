"""All SQL of kept replies."""

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.chat.replies.model import Reply
from dragoman.domain.chat.replies.tables import replies

_COLUMNS = [replies.c[name] for name in Reply.__slots__]


def insert(connection: Connection, caller: Caller, reply: Reply, *, expires_at: int, kept: int) -> None:
    """Stores a reply; drops what has expired and the caller's oldest beyond ``kept``."""
    connection.execute(sa.delete(replies).where(replies.c.expires_at <= reply.created_at))
    mine = replies.c.user_id == caller.user_id
    newest_dropped = (
        sa.select(replies.c.created_at)
        .where(mine)
        .order_by(replies.c.created_at.desc())
        .limit(1)
        .offset(kept - 1)
        .scalar_subquery()
    )
    connection.execute(sa.delete(replies).where(mine, replies.c.created_at <= newest_dropped))
    values = {name: getattr(reply, name) for name in Reply.__slots__}
    connection.execute(sa.insert(replies).values(user_id=caller.user_id, expires_at=expires_at, **values))


def get(connection: Connection, caller: Caller, reply_id: str, *, now: int) -> Reply | None:
    """The caller's reply of that id."""
    statement = sa.select(*_COLUMNS).where(
        replies.c.id == reply_id, replies.c.user_id == caller.user_id, replies.c.expires_at > now
    )
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else Reply(**row)


def delete(connection: Connection, caller: Caller, reply_id: str) -> bool:
    """Whether the caller had such a reply, which is now gone."""
    statement = sa.delete(replies).where(replies.c.id == reply_id, replies.c.user_id == caller.user_id)
    return connection.execute(statement).rowcount > 0
