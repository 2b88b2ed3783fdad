"""Who beside its owner may use a collection."""

from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.db.upsert import upsert
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.groups.repository import of_user
from dragoman.domain.accounts.groups.tables import groups
from dragoman.domain.accounts.tables import users
from dragoman.domain.knowledge.model import Collection, Visibility
from dragoman.domain.knowledge.tables import collection_grants, collection_group_grants, collections

Permission = Literal["read", "edit", "admin", "owner"]
_RANKS = {"read": 1, "edit": 2, "admin": 3}


@dataclass(frozen=True, slots=True)
class Grant:
    """What one user may do with a collection."""

    user_number: int
    email: str
    permission: str


@dataclass(frozen=True, slots=True)
class GroupGrant:
    """What the users in a group may do with a collection."""

    group_id: str
    name: str
    permission: str


def granted(caller: Caller, permissions: tuple[str, ...] | None = None) -> sa.Select[tuple[int]]:
    """The keys of collections that the caller was granted, alone or in a group, as a part of another statement."""
    alone = sa.select(collection_grants.c.collection_key).where(collection_grants.c.user_id == caller.user_id)
    grouped = sa.select(collection_group_grants.c.collection_key).where(
        collection_group_grants.c.group_id.in_(of_user(caller))
    )
    if permissions is not None:
        alone = alone.where(collection_grants.c.permission.in_(permissions))
        grouped = grouped.where(collection_group_grants.c.permission.in_(permissions))
    either = sa.union_all(alone, grouped).subquery()
    return sa.select(either.c.collection_key)


def permissions(connection: Connection, caller: Caller) -> dict[int, str]:
    """The most the caller was granted, alone or in a group, by collection key."""
    alone = sa.select(collection_grants.c.collection_key, collection_grants.c.permission).where(
        collection_grants.c.user_id == caller.user_id
    )
    grouped = sa.select(collection_group_grants.c.collection_key, collection_group_grants.c.permission).where(
        collection_group_grants.c.group_id.in_(of_user(caller))
    )
    most: dict[int, str] = {}
    for key, permission in connection.execute(sa.union_all(alone, grouped)):
        if _RANKS.get(permission, 0) > _RANKS.get(most.get(key, ""), 0):
            most[key] = permission
    return most


def of_collection(connection: Connection, collection: Collection) -> list[Grant]:
    """Everybody whom the collection was shared with, in the order of their numbers."""
    statement = (
        sa.select(users.c.number, users.c.email, collection_grants.c.permission)
        .join(users, users.c.id == collection_grants.c.user_id)
        .where(collection_grants.c.collection_key == collection.key)
        .order_by(users.c.number)
    )
    return [Grant(row.number, row.email, row.permission) for row in connection.execute(statement)]


def colleague(connection: Connection, caller: Caller, email: str) -> str | None:
    """The id of the user of that e-mail in the caller's organisation."""
    statement = sa.select(users.c.id).where(
        users.c.email == email,
        users.c.organisation_id == caller.organisation_id,
        users.c.disabled.is_(False),
    )
    return connection.execute(statement).scalar()


def put(connection: Connection, collection: Collection, user_id: str, permission: Permission) -> None:
    """Grants a permission in the place of an earlier one."""
    values = {"collection_key": collection.key, "user_id": user_id, "permission": permission}
    statement = upsert(connection.dialect.name, collection_grants).values(**values)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[collection_grants.c.collection_key, collection_grants.c.user_id],
            set_={"permission": permission},
        )
    )


def remove(connection: Connection, collection: Collection, user_id: str) -> bool:
    """Whether the user had a grant, which is now gone."""
    statement = sa.delete(collection_grants).where(
        collection_grants.c.collection_key == collection.key, collection_grants.c.user_id == user_id
    )
    return connection.execute(statement).rowcount > 0


def put_group(connection: Connection, collection: Collection, group_id: str, permission: Permission) -> None:
    """Grants a group a permission in the place of an earlier one."""
    values = {"collection_key": collection.key, "group_id": group_id, "permission": permission}
    statement = upsert(connection.dialect.name, collection_group_grants).values(**values)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[collection_group_grants.c.collection_key, collection_group_grants.c.group_id],
            set_={"permission": permission},
        )
    )


def remove_group(connection: Connection, collection: Collection, group_id: str) -> bool:
    """Whether the group had a grant, which is now gone."""
    statement = sa.delete(collection_group_grants).where(
        collection_group_grants.c.collection_key == collection.key,
        collection_group_grants.c.group_id == group_id,
    )
    return connection.execute(statement).rowcount > 0


def groups_of_collection(connection: Connection, collection: Collection) -> list[GroupGrant]:
    """Every group that the collection was shared with, by name."""
    statement = (
        sa.select(groups.c.id, groups.c.name, collection_group_grants.c.permission)
        .join(groups, groups.c.id == collection_group_grants.c.group_id)
        .where(collection_group_grants.c.collection_key == collection.key)
        .order_by(groups.c.name)
    )
    return [GroupGrant(*row) for row in connection.execute(statement)]


def set_visibility(connection: Connection, collection: Collection, visibility: Visibility, at: int) -> None:
    """Opens a collection to the organisation, or closes it."""
    connection.execute(
        sa.update(collections)
        .where(collections.c.key == collection.key)
        .values(visibility=visibility, updated_at=at)
    )
