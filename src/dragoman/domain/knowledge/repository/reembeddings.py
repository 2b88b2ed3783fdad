"""SQL of embedders: whose vectors are where, and collections on their way from one to another."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.db.upsert import upsert
from dragoman.domain.inference.ports import EmbedderProfile
from dragoman.domain.knowledge.model import StoredPassage
from dragoman.domain.knowledge.repository.documents import passage_of
from dragoman.domain.knowledge.tables import (
    collections,
    documents,
    embedders,
    passages,
    reembedded_passages,
    reembeddings,
)

_PASSAGE_COLUMNS = [passages.c[name] for name in StoredPassage.__slots__]


@dataclass(frozen=True, slots=True)
class Under:
    """A collection whose vectors are being made anew. ``state``: running or waiting, ``detail`` says for what."""

    collection_key: int
    fingerprint: str
    state: str
    detail: str | None
    started_at: int


def are_known(connection: Connection) -> bool:
    """Whether the database is new enough to know of embedders; what only looks at it does not bring it up to date."""
    return sa.inspect(connection).has_table(embedders.name)


def space(connection: Connection, fingerprint: str) -> int | None:
    """Where the embedder's vectors are; None when it has made none here."""
    mine = embedders.c.fingerprint == fingerprint
    return connection.execute(sa.select(embedders.c.space).where(mine)).scalar_one_or_none()


def names(connection: Connection) -> dict[str, str]:
    """The names of all embedders that have made vectors here, by fingerprint."""
    return {
        row[0]: row[1] for row in connection.execute(sa.select(embedders.c.fingerprint, embedders.c.name))
    }


def space_for(connection: Connection, profile: EmbedderProfile, *, at: int) -> int:
    """Where the embedder's vectors are to be, a space of its own."""
    known = space(connection, profile.fingerprint)
    if known is not None:
        return known
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("lock table embedders in share row exclusive mode"))
    row = sa.select(
        sa.literal(profile.fingerprint),
        sa.func.coalesce(sa.func.max(embedders.c.space), -1) + 1,
        sa.literal(profile.name[:128]),
        sa.literal(at, sa.BigInteger),
    )
    statement = upsert(connection.dialect.name, embedders).from_select(
        ["fingerprint", "space", "name", "created_at"], row.where(sa.true())
    )
    connection.execute(statement.on_conflict_do_nothing(index_elements=["fingerprint"]))
    made = space(connection, profile.fingerprint)
    assert made is not None
    return made


def lock(connection: Connection, collection_key: int) -> bool:
    """Whether the collection is there; until the transaction ends nobody adds documents or vectors to it."""
    mine = sa.select(collections.c.key).where(collections.c.key == collection_key)
    return connection.execute(mine.with_for_update()).scalar() is not None


def choose(connection: Connection, collection_key: int, name: str | None) -> None:
    """Notes which embedder the collection is to have."""
    mine = collections.c.key == collection_key
    connection.execute(sa.update(collections).where(mine).values(embedder_choice=name))


def claim(connection: Connection, collection_key: int, fingerprint: str) -> bool:
    """Whether this embedder makes the collection's vectors; the first that comes does, until another takes over."""
    mine = collections.c.key == collection_key
    # A row that is right already is not touched: that would wait for everybody who adds documents.
    free = sa.and_(mine, collections.c.embedder.is_(None))
    connection.execute(sa.update(collections).where(free).values(embedder=fingerprint))
    return connection.execute(sa.select(collections.c.embedder).where(mine)).scalar() == fingerprint


def under(connection: Connection, collection_keys: Sequence[int]) -> dict[int, Under]:
    """Which of these collections are on their way, by key."""
    columns = [reembeddings.c[name] for name in Under.__slots__]
    statement = sa.select(*columns).where(reembeddings.c.collection_key.in_(collection_keys))
    return {row[0]: Under(*row) for row in connection.execute(statement)}


def begin(connection: Connection, collection_key: int, fingerprint: str, *, at: int) -> None:
    """Notes that a collection's vectors are to be made by this embedder; what was made by another on the way is void."""
    forget(connection, collection_key)
    connection.execute(
        sa.insert(reembeddings).values(
            collection_key=collection_key, fingerprint=fingerprint, state="running", started_at=at
        )
    )


def note(connection: Connection, collection_key: int, state: str, detail: str | None) -> None:
    """Sets where a collection on its way stands."""
    mine = reembeddings.c.collection_key == collection_key
    connection.execute(sa.update(reembeddings).where(mine).values(state=state, detail=detail))


def forget(connection: Connection, collection_key: int) -> None:
    """Forgets that the collection was on its way, and which passages had arrived."""
    for table in (reembeddings, reembedded_passages):
        connection.execute(sa.delete(table).where(table.c.collection_key == collection_key))


def waiting(connection: Connection, collection_key: int, after: int, *, limit: int) -> list[StoredPassage]:
    """Passages of the collection, after that key, that have no vector of the new embedder yet."""
    statement = (
        sa.select(*_PASSAGE_COLUMNS)
        .outerjoin(reembedded_passages, reembedded_passages.c.passage_key == passages.c.key)
        .where(
            passages.c.collection_key == collection_key,
            passages.c.key > after,
            reembedded_passages.c.passage_key.is_(None),
        )
        .order_by(passages.c.key)
        .limit(limit)
    )
    return [passage_of(row) for row in connection.execute(statement).mappings()]


def arrived(connection: Connection, found: Sequence[StoredPassage]) -> None:
    """Notes that passages have their vectors of the new embedder."""
    rows = [{"passage_key": one.key, "collection_key": one.collection_key} for one in found]
    statement = upsert(connection.dialect.name, reembedded_passages)
    connection.execute(statement.on_conflict_do_nothing(index_elements=["passage_key"]), rows)


def progress(connection: Connection, collection_key: int) -> tuple[int, int]:
    """How many of the collection's passages have arrived, and how many there are."""

    def count(table: sa.Table) -> int:
        statement = sa.select(sa.func.count()).where(table.c.collection_key == collection_key)
        return int(connection.execute(statement.select_from(table)).scalar_one())

    return count(reembedded_passages), count(passages)


def take_over(connection: Connection, collection_key: int, fingerprint: str, *, at: int) -> None:
    """Makes the new embedder the collection's: every passage has a vector of it."""
    mine = collections.c.key == collection_key
    connection.execute(sa.update(collections).where(mine).values(embedder=fingerprint))
    here = documents.c.collection_key == collection_key
    lacking = sa.and_(passages.c.collection_key == collection_key, passages.c.embedded.is_(False))
    connection.execute(sa.update(passages).where(lacking).values(embedded=True))
    behind = sa.and_(here, documents.c.embedded_count < documents.c.passage_count)
    connection.execute(sa.update(documents).where(behind).values(embedded_count=documents.c.passage_count))
    connection.execute(
        sa.update(documents)
        .where(here, documents.c.state == "embedding")
        .values(state="indexed", state_detail=None, indexed_at=at)
    )
    forget(connection, collection_key)


def counts(connection: Connection) -> tuple[int, dict[str, int]]:
    """How many collections are on their way, and how many have vectors of each embedder, by fingerprint."""
    under_way = connection.execute(sa.select(sa.func.count()).select_from(reembeddings)).scalar_one()
    by_embedder = (
        sa.select(collections.c.embedder, sa.func.count())
        .where(collections.c.embedder.is_not(None))
        .group_by(collections.c.embedder)
    )
    return int(under_way), {row[0]: int(row[1]) for row in connection.execute(by_embedder)}


def embedded(connection: Connection) -> list[tuple[int, str, str | None]]:
    """All collections that have vectors: key, the embedder's fingerprint, the name of the one they are to have."""
    statement = sa.select(collections.c.key, collections.c.embedder, collections.c.embedder_choice).where(
        collections.c.embedder.is_not(None)
    )
    return [(row[0], row[1], row[2]) for row in connection.execute(statement)]
