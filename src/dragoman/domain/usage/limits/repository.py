"""All SQL of users' limits and of what an organisation's users have used."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.db.upsert import upsert
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.tables import users
from dragoman.domain.usage.limits.tables import user_limits
from dragoman.domain.usage.tables import usage_records

LimitKind = Literal["monthly_tokens", "monthly_teach_tokens"]
SortKey = Literal["id", "email", "name", "tokens", "teach_tokens"]

INFERENCE = ("chat", "speech", "transcription")
TEACHING = ("ingest",)


@dataclass(frozen=True, slots=True)
class Limits:
    """A user's bounds for a calendar month; None = without bound."""

    monthly_tokens: int | None = None
    monthly_teach_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """A user of an organisation with limits and use of one month."""

    number: int
    email: str
    name: str | None
    role: str
    disabled: bool
    monthly_tokens: int | None
    monthly_teach_tokens: int | None
    tokens: int
    teach_tokens: int


def all_limits(connection: Connection) -> dict[str, Limits]:
    """Every limit by user id. For the server itself."""
    return {
        row.user_id: Limits(row.monthly_tokens, row.monthly_teach_tokens)
        for row in connection.execute(sa.select(user_limits))
    }


def member_id(connection: Connection, caller: Caller, number: int) -> str | None:
    """The user of that number in the caller's organisation."""
    statement = sa.select(users.c.id).where(
        users.c.number == number, users.c.organisation_id == caller.organisation_id
    )
    return connection.execute(statement).scalar()


def put(connection: Connection, user_id: str, kind: LimitKind, tokens: int | None) -> None:
    """Sets one of a user's limits."""
    statement = upsert(connection.dialect.name, user_limits).values(user_id=user_id, **{kind: tokens})
    connection.execute(
        statement.on_conflict_do_update(index_elements=[user_limits.c.user_id], set_={kind: tokens})
    )


def members(
    connection: Connection,
    caller: Caller,
    *,
    since: int,
    until: int,
    email: str,
    sort_by: SortKey,
    descending: bool,
    start: int,
    limit: int,
) -> list[Member]:
    """Users of the caller's organisation whose e-mail contains the text."""
    used = _used(since, until, INFERENCE), _used(since, until, TEACHING)
    columns: Mapping[str, sa.ColumnElement[Any]] = {
        "id": users.c.number,
        "email": users.c.email,
        "name": users.c.name,
        "tokens": used[0],
        "teach_tokens": used[1],
    }
    order = columns[sort_by]
    statement = (
        sa.select(
            users.c.number,
            users.c.email,
            users.c.name,
            users.c.role,
            users.c.disabled,
            user_limits.c.monthly_tokens,
            user_limits.c.monthly_teach_tokens,
            used[0].label("tokens"),
            used[1].label("teach_tokens"),
        )
        .outerjoin(user_limits, user_limits.c.user_id == users.c.id)
        .where(users.c.organisation_id == caller.organisation_id)
        .order_by(order.desc() if descending else order.asc(), users.c.number)
        .offset(start)
        .limit(limit)
    )
    if email:
        statement = statement.where(users.c.email.icontains(email, autoescape=True))
    return [Member(**row) for row in connection.execute(statement).mappings()]


def _used(since: int, until: int, kinds: tuple[str, ...]) -> sa.ColumnElement[int]:
    records = usage_records.c
    total = sa.func.coalesce(sa.func.sum(records.prompt_tokens + records.completion_tokens), 0)
    return (
        sa.select(total)
        .where(
            records.user_id == users.c.id,
            records.at >= since,
            records.at < until,
            records.kind.in_(kinds),
        )
        .correlate(users)
        .scalar_subquery()
    )
