"""Who beside its owner may use a collection."""

from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.db.upsert import upsert
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.tables import users
from dragoman.domain.knowledge.model import Collection, Visibility
from dragoman.domain.knowledge.tables import collection_grants, collections

Permission = Literal["read", "edit", "admin", "owner"]


@dataclass(frozen=True, slots=True)
class Grant:
    """What one user may do with a collection."""

    user_number: int
    email: str
    permission: str


def permissions(connection: Connection, caller: Caller) -> dict[int, str]:
    """What the caller was granted, by collection key."""
    statement = sa.select(collection_grants.c.collection_key, collection_grants.c.permission).where(
        collection_grants.c.user_id == caller.user_id
    )
    return {row.collection_key: row.permission for row in connection.execute(statement)}


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


def set_visibility(connection: Connection, collection: Collection, visibility: Visibility, at: int) -> None:
    """Opens a collection to the organisation, or closes it."""
    connection.execute(
        sa.update(collections)
        .where(collections.c.key == collection.key)
        .values(visibility=visibility, updated_at=at)
    )
