"""An organisation that was written down elsewhere, put into this database in one transaction."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
from sqlalchemy import Connection

from dragoman.domain.accounts import repository as accounts
from dragoman.domain.accounts.audit.chain import seal_of
from dragoman.domain.accounts.audit.record import record_by_operator
from dragoman.domain.accounts.audit.repository import sealing_key
from dragoman.domain.inference.ports import EmbedderProfile
from dragoman.domain.knowledge.chunk import embedding_text
from dragoman.domain.knowledge.ports import IndexEntry, PassageIndex
from dragoman.domain.knowledge.repository import reembeddings
from dragoman.domain.labels.service import TOPIC as LABELS_TOPIC
from dragoman.domain.moving import repository, waiting
from dragoman.domain.moving.leaving import TABLES, vector_record
from dragoman.domain.moving.plan import BLOB_COLUMNS, KNOWN_OUTSIDE, MOVED, Moved
from dragoman.domain.moving.repository import Numbers
from dragoman.domain.moving.rows import Row, read_rows
from dragoman.domain.moving.sealed import Secrets
from dragoman.domain.usage.budgets.service import TOPIC as BUDGETS_TOPIC
from dragoman.domain.usage.limits.service import TOPIC as LIMITS_TOPIC
from dragoman.kit.errors import Conflict, InvalidInput

_VECTORS_AT_ONCE = 1_000
# Tables whose ids others refer to, and columns that name files.
_PARENTS = ("users", "groups", "agents", "chat_clients")
_FILES = {column.table.name: column.name for column in BLOB_COLUMNS}
_ENTRIES_AT_ONCE = 500
_TOPICS = (accounts.KEYS_TOPIC, LABELS_TOPIC, BUDGETS_TOPIC, LIMITS_TOPIC)


@dataclass(slots=True)
class Arrived:
    """``rows`` by table; ``renumbered``: tables whose numbers, known outside, are others here."""

    organisation_id: str
    name: str
    rows: dict[str, int] = field(default_factory=dict[str, int])
    renumbered: list[str] = field(default_factory=list[str])
    vectors: int = 0


class Arriving:
    """Reads what ``Leaving`` wrote.

    Args:
        folder: what was written, checked already.
        told: what was told of it.
        name: what the organisation is called here, None for as there.
        files: the keys of the files that come along.
    """

    def __init__(
        self,
        *,
        index: PassageIndex,
        secrets: Secrets,
        folder: Path,
        told: dict[str, Any],
        name: str | None,
        at: int,
        files: Collection[str] = (),
    ) -> None:
        self._files = frozenset(files)
        self._index = index
        self._secrets = secrets
        self._folder = folder
        self._told = told
        self._name = name
        self._at = at
        self._numbers: dict[str, Numbers] = {}
        self._names: dict[int, str] = {}
        self._ids: dict[str, set[str]] = {}

    def check(self, connection: Connection) -> None:
        """Returns when nothing of it is here.

        Raises:
            Conflict: something is; the message names it.
        """
        looked_at = ("organisations", "users", "api_keys", "identities")
        taken = repository.taken(connection, {name: list(self._rows(MOVED[name])) for name in looked_at})
        if taken:
            raise Conflict(
                f"This is on the server already: {'; '.join(taken)}. Nothing was changed.",
                code="already_here",
            )

    def is_here(self, connection: Connection) -> bool:
        """Whether the organisation is in the database."""
        return repository.has_organisation(connection, self._told["organisation_id"])

    def check_files(self, connection: Connection) -> None:
        """Returns when no file of it has the name of one that is here.

        Raises:
            Conflict: one has.
        """
        if repository.files_of_others(connection, sorted(self._files)):
            raise Conflict(
                "Files of the archive have the names of files that are here. Nothing was changed.",
                code="already_here",
            )

    def users(self) -> set[str]:
        """The ids of the archive's users."""
        return {str(row["id"]) for row in self._rows(MOVED["users"])}

    def store(self, connection: Connection, source: dict[str, Any]) -> Arrived:
        """Stores everything; what comes half way does not come at all.

        Args:
            source: where it comes from, for the audit.

        Raises:
            Conflict: something of it is here.
            InvalidInput: the archive does not fit together.
        """
        self._numbers, self._names, self._ids = {}, {}, {}
        self.check(connection)
        self._index.prepare(connection, 0)
        arrived = Arrived(self._told["organisation_id"], self._name or self._told["name"])
        try:
            for name, moved in MOVED.items():
                stored = repository.insert(connection, moved.table, self._renumbered(connection, moved))
                arrived.rows[name] = stored
        except KeyError as error:
            raise InvalidInput(
                f"The archive refers to what is not in it: {error}.", code="export_damaged"
            ) from error
        self._words(connection)
        arrived.vectors = sum(self._vectors(connection, one) for one in self._told["embedders"])
        waiting.enqueue(connection, arrived.organisation_id)
        for topic in _TOPICS:
            accounts.raise_version(connection, topic)
        arrived.renumbered = [
            name for name in KNOWN_OUTSIDE if name in self._numbers and self._numbers[name].moved
        ]
        record_by_operator(
            connection,
            arrived.organisation_id,
            "organisation.imported",
            arrived.organisation_id,
            **source,
            name=arrived.name,
            renumbered=[*arrived.renumbered],
            users=arrived.rows["users"],
            documents=arrived.rows["documents"],
        )
        return arrived

    def _rows(self, moved: Moved) -> Iterator[Row]:
        path = self._folder / TABLES / f"{moved.table.name}.jsonl"
        if not path.is_file():
            return
        for row in read_rows(path, moved.table):
            if moved.table.name == "organisations":
                row["name"] = self._name or row["name"]
            yield row

    def _renumbered(self, connection: Connection, moved: Moved) -> Iterator[Row]:
        name, numbers, free = moved.table.name, Numbers(), None
        if moved.number is not None:
            free = repository.free_numbers(connection, moved, self._told["tables"].get(name, {}))
            self._numbers[name] = numbers
        without_nul = connection.dialect.name == "postgresql"
        for row in self._rows(moved):
            if self._secrets.unpacked(name, row) is None:
                continue
            waiting.settle(name, row, at=self._at, fill=self._secrets)
            self._check_owner(moved, row)
            if not self._has_file(name, row):
                continue
            if moved.number is not None:
                old = row[moved.number]
                row[moved.number] = old if free is None else next(free)
                numbers.add(old, row[moved.number])
            for column, other in (moved.refers or {}).items():
                row[column] = self._numbers[other].of(row[column])
            if name == "audit_heads":
                self._seal(connection, row)
            if name == "documents":
                self._names[row["key"]] = row["name"]
            yield _clean(row) if without_nul else row

    def _check_owner(self, moved: Moved, row: Row) -> None:
        """Nothing in an archive may be said to belong to anybody who is not in it."""
        name = moved.table.name
        for column, key in (moved.within, *moved.also):
            parent = str(key.table.name)
            known = {self._told["organisation_id"]} if parent == "organisations" else self._ids.get(parent)
            if known is not None and row[column] not in known:
                raise InvalidInput(
                    f"The archive has {name} of somebody who is not in it.", code="export_damaged"
                )
        if name in _PARENTS:
            self._ids.setdefault(name, set()).add(row["id"])

    def _has_file(self, name: str, row: Row) -> bool:
        """Whether the row can be kept: files that are not in the archive are nobody's here."""
        column = _FILES.get(name)
        if column is None or row[column] is None or row[column] in self._files:
            return True
        row[column] = None
        return name != "hosted_files"

    def _seal(self, connection: Connection, row: Row) -> None:
        key = sealing_key(connection)
        whole = key is not None and self._told["audit"] == "whole"
        row["seal"] = (
            seal_of(key, row["organisation_id"], row["number"], row["hash"])
            if whole and key is not None
            else None
        )

    def _words(self, connection: Connection) -> None:
        """Makes passages findable by their words."""
        batch: list[IndexEntry] = []
        for row in self._rows(MOVED["passages"]):
            document_key = self._numbers["documents"].of(row["document_key"])
            text = embedding_text(row["text"], row["heading_path"], self._names[document_key])
            key, collection = (
                self._numbers["passages"].of(row["key"]),
                self._numbers["collections"].of(row["collection_key"]),
            )
            batch.append(IndexEntry(key, collection, document_key, text))
            if len(batch) == _ENTRIES_AT_ONCE:
                self._index.add_text(connection, batch)
                batch = []
        self._index.add_text(connection, batch)

    def _vectors(self, connection: Connection, told: dict[str, Any]) -> int:
        """Puts the vectors of one embedder into its space here."""
        profile = EmbedderProfile(told["name"], told["fingerprint"], told["dimensions"], 0)
        if not told["count"]:
            return 0
        space = reembeddings.space_for(connection, profile, at=self._at)
        self._index.prepare(connection, told["dimensions"], space)
        record, count = vector_record(told["dimensions"]), 0
        with (self._folder / told["file"]).open("rb") as file:
            while data := file.read(record.itemsize * _VECTORS_AT_ONCE):
                found = np.frombuffer(data, record)
                keys = [self._numbers["passages"].of(int(key)) for key in found["key"]]
                places = repository.places_of(connection, keys)
                entries = [IndexEntry(key, *places[key], "") for key in keys]
                self._index.add_vectors(connection, entries, found["vector"], space)
                count += len(keys)
        return count


def _clean(value: Any) -> Any:
    """Without the one character that PostgreSQL cannot hold."""
    if isinstance(value, str):
        return value.replace("\x00", "")
    if isinstance(value, dict):
        return {_clean(name): _clean(one) for name, one in cast("Row", value).items()}
    return [_clean(one) for one in cast("list[Any]", value)] if isinstance(value, list) else value
