"""Who may read single documents of a collection: the part of a statement that says so, and what it goes by."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.groups.repository import of_user
from dragoman.domain.accounts.groups.tables import groups
from dragoman.domain.accounts.tables import users
from dragoman.domain.knowledge.repository.grants import granted
from dragoman.domain.knowledge.tables import (
    collections,
    document_groups,
    document_roles,
    document_users,
    documents,
)

_BOUND = 500
_LISTS = ((document_users, "user_id"), (document_groups, "group_id"), (document_roles, "role"))


@dataclass(frozen=True, slots=True)
class DocumentAccess:
    """Who may read a document of those who may read its collection; everybody, unless it is restricted.

    ``users`` are e-mails, ``groups`` names, each sorted.
    """

    restricted: bool
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Readers:
    """The ids and roles of who may read a restricted document."""

    user_ids: tuple[str, ...] = ()
    group_ids: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()


def readable(caller: Caller) -> sa.ColumnElement[bool]:
    """The documents that the caller may read, of collections that they may.

    Who owns or administers the collection reads all; visitors and public keys, which are nobody of the organisation, only
    what is not restricted.
    """
    open_to_all = documents.c.restricted.is_(False)
    if caller.visitor or caller.key_kind == "public":
        return open_to_all
    owned = sa.select(collections.c.key).where(collections.c.owner_id == caller.user_id)
    named = sa.select(document_users.c.document_key).where(document_users.c.user_id == caller.user_id)
    grouped = sa.select(document_groups.c.document_key).where(document_groups.c.group_id.in_(of_user(caller)))
    of_role = (
        sa.select(document_roles.c.document_key)
        .join(documents_alias := documents.alias(), documents_alias.c.key == document_roles.c.document_key)
        .join(collections, collections.c.key == documents_alias.c.collection_key)
        .where(document_roles.c.role == caller.role, collections.c.organisation_id == caller.organisation_id)
    )
    return sa.or_(
        open_to_all,
        documents.c.collection_key.in_(owned),
        documents.c.collection_key.in_(granted(caller, ("admin",))),
        documents.c.key.in_(named),
        documents.c.key.in_(grouped),
        documents.c.key.in_(of_role),
    )


def withheld(connection: Connection, caller: Caller, collection_keys: Sequence[int]) -> tuple[int, ...]:
    """The keys of the documents in these collections that the caller may not read."""
    found: list[int] = []
    for start in range(0, len(collection_keys), _BOUND):
        among = documents.c.collection_key.in_(collection_keys[start : start + _BOUND])
        statement = sa.select(documents.c.key).where(
            among, documents.c.restricted.is_(True), sa.not_(readable(caller))
        )
        found += connection.execute(statement).scalars()
    return tuple(found)


def of_document(connection: Connection, document_key: int) -> DocumentAccess:
    """Who may read the document."""
    restricted = connection.execute(
        sa.select(documents.c.restricted).where(documents.c.key == document_key)
    ).scalar_one()
    emails = sa.select(users.c.email).join(document_users, document_users.c.user_id == users.c.id)
    names = sa.select(groups.c.name).join(document_groups, document_groups.c.group_id == groups.c.id)
    roles = sa.select(document_roles.c.role).where(document_roles.c.document_key == document_key)

    def listed(statement: sa.Select[tuple[str]]) -> tuple[str, ...]:
        return tuple(sorted(str(one) for one in connection.execute(statement).scalars()))

    return DocumentAccess(
        bool(restricted),
        listed(emails.where(document_users.c.document_key == document_key)),
        listed(names.where(document_groups.c.document_key == document_key)),
        listed(roles),
    )


def put(connection: Connection, document_key: int, readers: Readers | None) -> None:
    """Restricts the document to these readers, in the place of earlier ones; None opens it."""
    connection.execute(
        sa.update(documents).where(documents.c.key == document_key).values(restricted=readers is not None)
    )
    given = ((), (), ()) if readers is None else (readers.user_ids, readers.group_ids, readers.roles)
    for (table, column), values in zip(_LISTS, given, strict=True):
        connection.execute(sa.delete(table).where(table.c.document_key == document_key))
        if values:
            rows = [{"document_key": document_key, column: value} for value in dict.fromkeys(values)]
            connection.execute(sa.insert(table), rows)


def copy(connection: Connection, source_key: int, target_key: int) -> None:
    """Gives a copy the readers of what it was copied from."""
    restricted = connection.execute(
        sa.select(documents.c.restricted).where(documents.c.key == source_key)
    ).scalar()
    if not restricted:
        return
    values = [
        tuple(
            connection.execute(sa.select(table.c[column]).where(table.c.document_key == source_key)).scalars()
        )
        for table, column in _LISTS
    ]
    put(connection, target_key, Readers(*values))


def taken(connection: Connection, caller: Caller, collection_key: int, external_ids: Sequence[str]) -> bool:
    """Whether a document that the caller may not read has one of these ids."""
    mine = sa.and_(documents.c.collection_key == collection_key, sa.not_(readable(caller)))
    for start in range(0, len(external_ids), _BOUND):
        some = documents.c.external_id.in_(external_ids[start : start + _BOUND])
        if connection.execute(sa.select(documents.c.key).where(mine, some).limit(1)).first() is not None:
            return True
    return False
