"""SQL of moving an organisation: its rows out, and into another database under numbers that are free there."""

import itertools
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from dragoman.domain.accounts.external.tables import identities
from dragoman.domain.accounts.tables import api_keys, organisations, users
from dragoman.domain.chat.tables import chat_clients
from dragoman.domain.knowledge.model import Document
from dragoman.domain.knowledge.repository.documents import by_keys
from dragoman.domain.knowledge.tables import collections, documents, embedders, passages
from dragoman.domain.moving.plan import BLOB_COLUMNS, MOVED, Moved
from dragoman.domain.moving.rows import Row
from dragoman.kit.errors import Conflict

_AT_ONCE = 500
_NAMED = 5


def rows_of(connection: Connection, moved: Moved, organisation_id: str) -> Iterator[Row]:
    """The organisation's rows of a table, by number where they have one, without holding them all."""
    table = moved.table
    order = [table.c[moved.number]] if moved.number else list(table.primary_key.columns)
    statement = sa.select(table).where(moved.mine(organisation_id)).order_by(*order)
    found = connection.execute(statement.execution_options(stream_results=True, yield_per=_AT_ONCE))
    for row in found.mappings():
        yield dict(row)


def people(connection: Connection, organisation_id: str) -> dict[str, str]:
    """The e-mails of the organisation's users by id."""
    mine = users.c.organisation_id == organisation_id
    return {row.id: row.email for row in connection.execute(sa.select(users.c.id, users.c.email).where(mine))}


def clients(connection: Connection, organisation_id: str) -> dict[str, str]:
    """The names of the organisation's chat clients by id."""
    mine = chat_clients.c.organisation_id == organisation_id
    columns = sa.select(chat_clients.c.id, chat_clients.c.name)
    return {row.id: row.name for row in connection.execute(columns.where(mine))}


def stored_files(connection: Connection, organisation_id: str) -> list[str]:
    """The keys of the files that the organisation's rows name."""
    found: set[str] = set()
    for column in BLOB_COLUMNS:
        mine = MOVED[column.table.name].mine(organisation_id)
        found |= {str(key) for key in connection.execute(sa.select(column).where(mine)).scalars() if key}
    return sorted(found)


def spaces(connection: Connection, organisation_id: str) -> list[tuple[str, str, int, list[int]]]:
    """Of each embedder that made vectors of the organisation's: fingerprint, name, space, and the keys of its collections."""
    statement = (
        sa.select(embedders.c.fingerprint, embedders.c.name, embedders.c.space, collections.c.key)
        .join(collections, collections.c.embedder == embedders.c.fingerprint)
        .where(collections.c.organisation_id == organisation_id)
        .order_by(embedders.c.space, collections.c.key)
    )
    found: dict[str, tuple[str, str, int, list[int]]] = {}
    for row in connection.execute(statement):
        found.setdefault(row.fingerprint, (row.fingerprint, row.name, row.space, []))[3].append(row.key)
    return list(found.values())


def embedded_keys(
    connection: Connection, collection_key: int, after: int, *, limit: int = _AT_ONCE
) -> list[int]:
    """The next passages of a collection that have a vector."""
    columns = passages.c
    mine = sa.and_(columns.collection_key == collection_key, columns.embedded, columns.key > after)
    return list(
        connection.execute(sa.select(columns.key).where(mine).order_by(columns.key).limit(limit)).scalars()
    )


# Into a database.


def taken(connection: Connection, found: Mapping[str, Iterable[Row]]) -> list[str]:
    """What of an archive's organisations, users and keys is here already, in words."""
    told: list[str] = []
    for row in found["organisations"]:
        if has_organisation(connection, row["id"]):
            return [f"the organisation itself ({row['id']})"]
        if _any(connection, organisations.c.name, [row["name"]]):
            told.append(f"another organisation called {row['name']!r} (import with --name)")
    for what, column, table in (
        ("the user", users.c.email, "users"),
        ("the user of id", users.c.id, "users"),
        ("the API key", api_keys.c.id, "api_keys"),
        ("the API key of digest", api_keys.c.digest, "api_keys"),
    ):
        values = [row[column.name] for row in found[table]]
        told += [f"{what} {_shown(one)}" for one in _any(connection, column, values)]
    pairs = [(row["issuer"], row["subject"]) for row in found["identities"]]
    for issuer, subject in pairs:
        mine = sa.and_(identities.c.issuer == issuer, identities.c.subject == subject)
        if connection.execute(sa.select(identities.c.user_id).where(mine)).first():
            told.append(f"the account {subject} of {issuer}")
    return told


def has_organisation(connection: Connection, organisation_id: str) -> bool:
    """Whether there is an organisation of that id."""
    return bool(_any(connection, organisations.c.id, [organisation_id]))


def _any(connection: Connection, column: sa.Column[Any], values: Sequence[Any]) -> list[Any]:
    found: list[Any] = []
    for start in range(0, len(values), _AT_ONCE):
        chosen = sa.select(column).where(column.in_(values[start : start + _AT_ONCE]))
        found += connection.execute(chosen.limit(_NAMED)).scalars()
        if len(found) >= _NAMED:
            break
    return found


def _shown(value: Any) -> str:
    return value.hex()[:12] if isinstance(value, bytes) else str(value)


def files_of_others(connection: Connection, keys: Sequence[str]) -> bool:
    """Whether any of these files is named by a row that is here."""
    return any(_any(connection, column, keys) for column in BLOB_COLUMNS)


class Numbers:
    """Which number here stands for which of the archive's; those of a table come in rising order."""

    def __init__(self) -> None:
        self._old, self._new = array("q"), array("q")

    def add(self, old: int, new: int) -> None:
        """Notes one more."""
        self._old.append(old)
        self._new.append(new)

    def of(self, old: int) -> int:
        """The number here.

        Raises:
            KeyError: it was not in the archive.
        """
        place = bisect_left(self._old, old)
        if place == len(self._old) or self._old[place] != old:
            raise KeyError(old)
        return self._new[place]

    @property
    def moved(self) -> bool:
        """Whether any number is another here."""
        return self._old != self._new


def free_numbers(connection: Connection, moved: Moved, told: Mapping[str, int]) -> Iterator[int] | None:
    """Rising numbers that are free here; None when the archive's own are above all that there ever were here, and stay."""
    assert moved.number is not None
    if "first" not in told:
        return None
    if connection.dialect.name == "postgresql":
        return _free_in_sequence(connection, moved.table, moved.number, told)
    highest = int(
        connection.execute(
            sa.select(sa.func.coalesce(sa.func.max(moved.table.c[moved.number]), 0))
        ).scalar_one()
    )
    if moved.table.dialect_options["sqlite"]["autoincrement"]:
        ever = connection.exec_driver_sql(
            "select seq from sqlite_sequence where name = ?", (moved.table.name,)
        )
        highest = max(highest, int(ever.scalar() or 0))
    return None if told["first"] > highest else itertools.count(highest + 1)


def _free_in_sequence(
    connection: Connection, table: sa.Table, column: str, told: Mapping[str, int]
) -> Iterator[int] | None:
    asked = {"table": table.name, "column": column}
    sequence = connection.execute(
        sa.text("select pg_get_serial_sequence(:table, :column)"), asked
    ).scalar_one()
    used = sa.text(f"select case when is_called then last_value else last_value - 1 end from {sequence}")  # noqa: S608 - a name out of the catalogue
    if told["first"] > int(connection.execute(used).scalar_one()):
        # At once and whatever becomes of this transaction, so that nobody else is given one of them meanwhile.
        connection.execute(
            sa.text("select setval(cast(:sequence as regclass), :last)"),
            {"sequence": sequence, "last": told["last"]},
        )
        return None
    return _drawn(connection, sequence)


def _drawn(connection: Connection, sequence: str) -> Iterator[int]:
    statement = sa.text("select nextval(cast(:sequence as regclass)) from generate_series(1, :count)")
    while True:
        drawn = connection.execute(statement, {"sequence": sequence, "count": _AT_ONCE}).scalars().all()
        yield from sorted(int(one) for one in drawn)


def insert(connection: Connection, table: sa.Table, rows: Iterable[Row]) -> int:
    """Stores rows; gives how many.

    Raises:
        Conflict: something with the same id is here.
    """
    count = 0
    for batch in _batches(rows):
        try:
            connection.execute(sa.insert(table), batch)
        except IntegrityError as error:
            raise Conflict(
                f"Some of the archive's {table.name} are here already, or refer to what is not in the archive; nothing was"
                " changed.",
                code="already_here",
            ) from error
        count += len(batch)
    return count


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    source = iter(rows)
    while batch := list(itertools.islice(source, _AT_ONCE)):
        yield batch


def places_of(connection: Connection, keys: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Collection and document of passages."""
    columns = passages.c
    statement = sa.select(columns.key, columns.collection_key, columns.document_key).where(
        columns.key.in_(keys)
    )
    return {row.key: (row.collection_key, row.document_key) for row in connection.execute(statement)}


def unfinished_documents(connection: Connection, organisation_id: str) -> list[Document]:
    """The organisation's documents that are still to be read or embedded, in the order they came."""
    states = documents.c.state.in_(("queued", "parsing", "embedding"))
    chosen = sa.select(documents.c.key).where(MOVED["documents"].mine(organisation_id), states)
    found = by_keys(connection, connection.execute(chosen).scalars().all())
    return [found[key] for key in sorted(found)]
