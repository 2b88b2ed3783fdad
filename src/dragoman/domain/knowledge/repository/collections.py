"""Collections and who may see or change them."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.tables import users
from dragoman.domain.knowledge.model import Collection, DocumentCounts
from dragoman.domain.knowledge.repository.access import readable
from dragoman.domain.knowledge.repository.grants import granted
from dragoman.domain.knowledge.tables import collections, documents
from dragoman.kit.errors import NotFound

_WAITING = ("queued", "parsing", "embedding")
_EDITING = ("edit", "admin")
_SELECT = sa.select(collections, users.c.number.label("owner_number")).join(
    users, users.c.id == collections.c.owner_id
)


def _visible(caller: Caller) -> sa.ColumnElement[bool]:
    return sa.or_(
        collections.c.owner_id == caller.user_id,
        sa.and_(
            collections.c.organisation_id == caller.organisation_id,
            collections.c.visibility == "organisation",
        ),
        collections.c.visibility == "public",
        collections.c.key.in_(granted(caller)),
    )


def _editable(caller: Caller) -> sa.ColumnElement[bool]:
    return sa.or_(collections.c.owner_id == caller.user_id, collections.c.key.in_(granted(caller, _EDITING)))


def _row(row: sa.RowMapping) -> Collection:
    values = dict(row)
    values["tags"] = tuple(values["tags"])
    return Collection(**values)


def insert(connection: Connection, collection: Collection) -> Collection:
    """Stores a new collection and gives it its key."""
    values = {
        name: getattr(collection, name)
        for name in Collection.__slots__
        if name not in ("key", "owner_number")
    }
    values["tags"] = list(collection.tags)
    result = connection.execute(sa.insert(collections).values(**values).returning(collections.c.key))
    key = result.scalar_one()
    return _row(connection.execute(_SELECT.where(collections.c.key == key)).mappings().one())


def visible(connection: Connection, caller: Caller) -> list[Collection]:
    """Every collection the caller may search, oldest first."""
    statement = _SELECT.where(_visible(caller)).order_by(collections.c.key)
    return [_row(row) for row in connection.execute(statement).mappings()]


def among(connection: Connection, caller: Caller, ids: Sequence[str]) -> list[Collection]:
    """Those of these collections that the caller may search, in the order of the ids, each once."""
    rows = connection.execute(_SELECT.where(collections.c.id.in_(ids), _visible(caller))).mappings()
    found = {collection.id: collection for collection in map(_row, rows)}
    return [found[one] for one in dict.fromkeys(ids) if one in found]


def get(connection: Connection, caller: Caller, collection_id: str, *, edit: bool = False) -> Collection:
    """One collection that the caller may see, or change.

    Raises:
        NotFound: no such collection for this caller.
    """
    rule = _editable(caller) if edit else _visible(caller)
    row = connection.execute(_SELECT.where(collections.c.id == collection_id, rule)).mappings().one_or_none()
    if row is None:
        raise NotFound("There is no collection with this id.", code="collection_not_found")
    return _row(row)


def get_owned(connection: Connection, caller: Caller, collection_id: str) -> Collection:
    """One collection of the caller's own.

    Raises:
        NotFound: the caller owns no such collection.
    """
    collection = get(connection, caller, collection_id)
    if collection.owner_id != caller.user_id:
        raise NotFound("There is no collection with this id.", code="collection_not_found")
    return collection


def named(connection: Connection, caller: Caller, name: str) -> list[Collection]:
    """The visible collections of that name, the caller's own first."""
    statement = _SELECT.where(collections.c.name == name, _visible(caller)).order_by(
        sa.case((collections.c.owner_id == caller.user_id, 0), else_=1), collections.c.key
    )
    return [_row(row) for row in connection.execute(statement).mappings()]


def owns(connection: Connection, caller: Caller, name: str) -> bool:
    """Whether the caller has a collection of that very name."""
    statement = sa.select(collections.c.key).where(
        collections.c.owner_id == caller.user_id, collections.c.name == name
    )
    return connection.execute(statement.limit(1)).first() is not None


def update(
    connection: Connection,
    collection: Collection,
    *,
    name: str,
    context: str | None,
    tags: tuple[str, ...],
    at: int,
) -> None:
    """Changes what people wrote about a collection."""
    connection.execute(
        sa.update(collections)
        .where(collections.c.key == collection.key)
        .values(name=name, context=context, tags=list(tags), updated_at=at)
    )


def set_label(connection: Connection, collection_key: int, label: str | None, *, at: int) -> None:
    """Puts a collection under a label, or under none."""
    connection.execute(
        sa.update(collections).where(collections.c.key == collection_key).values(label=label, updated_at=at)
    )


def labelled(connection: Connection) -> set[str]:
    """The organisations that have a collection under a label."""
    statement = sa.select(collections.c.organisation_id).where(collections.c.label.is_not(None)).distinct()
    return set(connection.execute(statement).scalars())


def labels_of(connection: Connection, collection_keys: Sequence[int]) -> dict[int, str]:
    """The labels of those of these collections that bear one, by key."""
    statement = sa.select(collections.c.key, collections.c.label).where(
        collections.c.key.in_(collection_keys), collections.c.label.is_not(None)
    )
    return {row.key: row.label for row in connection.execute(statement)}


def set_embedder(connection: Connection, collection_key: int, fingerprint: str | None) -> None:
    """Remembers what makes the collection's vectors."""
    # A row that is right already is not touched: that would wait for everybody who adds documents.
    other = collections.c.embedder.is_distinct_from(fingerprint)
    connection.execute(
        sa.update(collections).where(collections.c.key == collection_key, other).values(embedder=fingerprint)
    )


def hold(connection: Connection, collection_key: int) -> bool:
    """Whether the collection is there; until the transaction ends nobody else adds documents to it or deletes it."""
    mine = sa.select(collections.c.key).where(collections.c.key == collection_key)
    return connection.execute(mine.with_for_update(key_share=True)).scalar() is not None


def delete(connection: Connection, collection_key: int) -> None:
    """Removes the row; documents and passages must be gone from the index before."""
    connection.execute(sa.delete(collections).where(collections.c.key == collection_key))


def counts(connection: Connection, reader: Caller, collection_keys: list[int]) -> dict[int, DocumentCounts]:
    """How many documents the reader may see in many collections, in one statement."""
    waiting = sa.case((documents.c.state.in_(_WAITING), 1), else_=0)
    indexed = sa.case((documents.c.state == "indexed", 1), else_=0)
    statement = (
        sa.select(documents.c.collection_key, sa.func.count(), sa.func.sum(indexed), sa.func.sum(waiting))
        .where(documents.c.collection_key.in_(collection_keys), readable(reader))
        .group_by(documents.c.collection_key)
    )
    found = {
        row[0]: DocumentCounts(int(row[1]), int(row[2]), int(row[3]), int(row[1]) - int(row[2]) - int(row[3]))
        for row in connection.execute(statement)
    }
    return {key: found.get(key, DocumentCounts()) for key in collection_keys}


def stored_bytes(connection: Connection, caller: Caller) -> int:
    """The size of all documents in the caller's own collections."""
    statement = (
        sa.select(sa.func.coalesce(sa.func.sum(documents.c.size), 0))
        .join(collections, collections.c.key == documents.c.collection_key)
        .where(collections.c.owner_id == caller.user_id)
    )
    return int(connection.execute(statement).scalar_one())


def by_key(connection: Connection, key: int) -> Collection | None:
    """A collection by its internal key, for background work that has no caller."""
    row = connection.execute(_SELECT.where(collections.c.key == key)).mappings().one_or_none()
    return None if row is None else _row(row)
