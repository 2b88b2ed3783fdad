"""All SQL of groups."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.db.upsert import upsert
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.groups.tables import group_members, groups
from dragoman.domain.accounts.tables import users


@dataclass(frozen=True, slots=True)
class Group:
    """Users of one organisation under a name. ``members`` are e-mails, sorted; ``created_at`` milliseconds."""

    id: str
    organisation_id: str
    name: str
    created_at: int
    members: tuple[str, ...] = ()


def of_user(caller: Caller) -> sa.Select[tuple[str]]:
    """The ids of the groups that the caller is in now, as a part of another statement."""
    return sa.select(group_members.c.group_id).where(group_members.c.user_id == caller.user_id)


def select(connection: Connection, organisation_id: str) -> list[Group]:
    """The organisation's groups with their members, by name."""
    statement = (
        sa.select(groups, users.c.email)
        .outerjoin(group_members, group_members.c.group_id == groups.c.id)
        .outerjoin(users, users.c.id == group_members.c.user_id)
        .where(groups.c.organisation_id == organisation_id)
        .order_by(groups.c.name, users.c.email)
    )
    found: dict[str, Group] = {}
    for row in connection.execute(statement):
        group = found.get(row.id) or Group(row.id, row.organisation_id, row.name, row.created_at)
        members = group.members if row.email is None else (*group.members, row.email)
        found[row.id] = Group(group.id, group.organisation_id, group.name, group.created_at, members)
    return list(found.values())


def id_of(connection: Connection, organisation_id: str, name: str) -> str | None:
    """The id of the organisation's group of that name or id."""
    statement = sa.select(groups.c.id).where(
        groups.c.organisation_id == organisation_id, sa.or_(groups.c.name == name, groups.c.id == name)
    )
    return connection.execute(statement.order_by(groups.c.name != name).limit(1)).scalar()


def insert(connection: Connection, group: Group) -> None:
    """Stores a new group without members."""
    connection.execute(
        sa.insert(groups).values(
            id=group.id,
            organisation_id=group.organisation_id,
            name=group.name,
            created_at=group.created_at,
        )
    )


def delete(connection: Connection, group_id: str) -> None:
    """Removes a group; what was shared with it is so no longer."""
    connection.execute(sa.delete(groups).where(groups.c.id == group_id))


def add(connection: Connection, group_id: str, user_id: str) -> None:
    """Puts a user into a group; harmless when they are."""
    statement = upsert(connection.dialect.name, group_members).values(group_id=group_id, user_id=user_id)
    connection.execute(statement.on_conflict_do_nothing())


def remove(connection: Connection, group_id: str, user_id: str) -> bool:
    """Whether the user was in the group, and is no longer."""
    statement = sa.delete(group_members).where(
        group_members.c.group_id == group_id, group_members.c.user_id == user_id
    )
    return connection.execute(statement).rowcount > 0
