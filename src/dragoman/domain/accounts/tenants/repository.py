"""SQL of organisations as a whole. For the operator and for who looks after one."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.domain.accounts.groups.tables import groups
from dragoman.domain.accounts.model import User
from dragoman.domain.accounts.tables import organisations, users


@dataclass(frozen=True, slots=True)
class Organisation:
    """A tenant of the server; ``created_at`` in milliseconds."""

    id: str
    name: str
    created_at: int
    users: int = 0
    groups: int = 0


def select(connection: Connection) -> list[Organisation]:
    """Every organisation, oldest first."""
    user_count = (
        sa.select(sa.func.count()).where(users.c.organisation_id == organisations.c.id).scalar_subquery()
    )
    group_count = (
        sa.select(sa.func.count()).where(groups.c.organisation_id == organisations.c.id).scalar_subquery()
    )
    statement = sa.select(
        organisations.c.id, organisations.c.name, organisations.c.created_at, user_count, group_count
    ).order_by(organisations.c.created_at, organisations.c.id)
    return [Organisation(*row) for row in connection.execute(statement)]


def members(connection: Connection, organisation_id: str) -> list[User]:
    """The organisation's users, oldest first."""
    statement = (
        sa.select(
            users.c.number,
            users.c.id,
            users.c.organisation_id,
            organisations.c.name.label("organisation"),
            users.c.email,
            users.c.name,
            users.c.role,
            users.c.disabled,
            users.c.created_at,
        )
        .join(organisations, organisations.c.id == users.c.organisation_id)
        .where(users.c.organisation_id == organisation_id)
        .order_by(users.c.number)
    )
    return [User(**row) for row in connection.execute(statement).mappings()]


def set_role(connection: Connection, user_id: str, role: str) -> None:
    """Gives a user another role."""
    connection.execute(sa.update(users).where(users.c.id == user_id).values(role=role))


def owners(connection: Connection, organisation_id: str) -> list[str]:
    """The ids of the organisation's owners who are not locked out; held until the transaction ends."""
    statement = sa.select(users.c.id).where(
        users.c.organisation_id == organisation_id, users.c.role == "owner", users.c.disabled.is_(False)
    )
    return list(connection.execute(statement.with_for_update()).scalars())
