"""All SQL of kept conversations."""

from collections.abc import Mapping
from dataclasses import fields

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.db.upsert import upsert
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.usage.conversations.model import (
    Conversation,
    ConversationFilter,
    ConversationSummary,
)
from dragoman.domain.usage.conversations.tables import conversations

_SUMMARY = [conversations.c[one.name] for one in fields(ConversationSummary)]
_WHOLE = [conversations.c[one.name] for one in fields(Conversation)]


def put(connection: Connection, caller: Caller, values: Mapping[str, object], *, most: int) -> str:
    """Stores a conversation, in place of the caller's one of the same key; gives its id.

    The caller's oldest beyond ``most`` go.
    """
    statement = upsert(connection.dialect.name, conversations).values(
        user_id=caller.user_id, calls=1, **values
    )
    fixed = {"id", "key", "created_at"}
    changed = {name: statement.excluded[name] for name in values if name not in fixed}
    statement = statement.on_conflict_do_update(
        index_elements=["user_id", "key"], set_={**changed, "calls": conversations.c.calls + 1}
    ).returning(conversations.c.id)
    stored = connection.execute(statement).scalar_one()
    mine = conversations.c.user_id == caller.user_id
    last_kept = (
        sa.select(conversations.c.updated_at)
        .where(mine)
        .order_by(conversations.c.updated_at.desc())
        .limit(1)
        .offset(most)
        .scalar_subquery()
    )
    connection.execute(sa.delete(conversations).where(mine, conversations.c.updated_at <= last_kept))
    return str(stored)


def select(connection: Connection, caller: Caller, wanted: ConversationFilter) -> list[ConversationSummary]:
    """The caller's conversations, the one changed last first."""
    statement = (
        sa.select(*_SUMMARY)
        .where(*_conditions(caller, wanted))
        .order_by(conversations.c.updated_at.desc(), conversations.c.number.desc())
        .limit(wanted.limit)
        .offset(wanted.offset)
    )
    return [ConversationSummary(*row) for row in connection.execute(statement)]


def get(connection: Connection, caller: Caller, conversation_id: str) -> Conversation | None:
    """One of the caller's conversations."""
    statement = sa.select(*_WHOLE).where(
        conversations.c.user_id == caller.user_id, conversations.c.id == conversation_id
    )
    row = connection.execute(statement).one_or_none()
    return None if row is None else _whole(row)


def after(
    connection: Connection, caller: Caller, *, since: int, number: int, count: int
) -> list[tuple[int, Conversation]]:
    """The caller's conversations changed since then, in the order they were begun, beyond that number."""
    statement = (
        sa.select(conversations.c.number, *_WHOLE)
        .where(
            conversations.c.user_id == caller.user_id,
            conversations.c.updated_at >= since,
            conversations.c.number > number,
        )
        .order_by(conversations.c.number)
        .limit(count)
    )
    return [(row[0], _whole(row[1:])) for row in connection.execute(statement)]


def delete(connection: Connection, caller: Caller, conversation_id: str) -> bool:
    """Whether the caller had the conversation, which is gone."""
    statement = sa.delete(conversations).where(
        conversations.c.user_id == caller.user_id, conversations.c.id == conversation_id
    )
    return connection.execute(statement).rowcount > 0


def forget(connection: Connection, *, before: int, count: int) -> int:
    """Removes at most so many conversations that nobody has gone on with since; gives how many. For housekeeping."""
    old = (
        sa.select(conversations.c.number)
        .where(conversations.c.updated_at < before)
        .order_by(conversations.c.updated_at)
        .limit(count)
    )
    return connection.execute(sa.delete(conversations).where(conversations.c.number.in_(old))).rowcount


def _conditions(caller: Caller, wanted: ConversationFilter) -> list[sa.ColumnElement[bool]]:
    columns = conversations.c
    conditions: list[sa.ColumnElement[bool]] = [columns.user_id == caller.user_id]
    if wanted.since is not None:
        conditions.append(columns.updated_at >= wanted.since)
    for column, value in (
        (columns.agent_id, wanted.agent_id),
        (columns.model, wanted.model),
        (columns.end_user, wanted.end_user),
        (columns.api_key_id, wanted.api_key_id),
    ):
        if value is not None:
            conditions.append(column == value)
    if wanted.text:
        texts = (columns.preview, columns.model, columns.end_user, columns.id)
        conditions.append(sa.or_(*(text.icontains(wanted.text, autoescape=True) for text in texts)))
    return conditions


def _whole(row: sa.Row[tuple[object, ...]] | tuple[object, ...]) -> Conversation:
    values = dict(zip((one.name for one in fields(Conversation)), row, strict=True))
    values["collections"] = tuple(values["collections"])  # type: ignore[arg-type]
    values["messages"] = tuple(values["messages"])  # type: ignore[arg-type]
    return Conversation(**values)  # type: ignore[arg-type]
