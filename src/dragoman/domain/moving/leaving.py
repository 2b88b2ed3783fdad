"""An organisation's rows and vectors, written down as files at one moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection

from dragoman.domain.knowledge.ports import PassageIndex
from dragoman.domain.moving import repository
from dragoman.domain.moving.plan import KEYS, MOVED
from dragoman.domain.moving.rows import Row, RowWriter
from dragoman.domain.moving.sealed import Secrets

TABLES, VECTORS = "tables", "vectors"


@dataclass(slots=True)
class Left:
    """What was written. ``tables``: rows by table, with the first and last number of those that are numbered.

    ``embedders``: fingerprint, name, length and count of vectors, and their file. ``enter_again``: what did not come along.
    """

    tables: dict[str, dict[str, int]] = field(default_factory=dict[str, dict[str, int]])
    embedders: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    enter_again: list[str] = field(default_factory=list[str])
    files: list[str] = field(default_factory=list[str])
    people: list[str] = field(default_factory=list[str])


class Leaving:
    """Writes an organisation down.

    Args:
        with_keys: API keys and passwords as well, as the digests that the server has of them.
    """

    def __init__(self, *, index: PassageIndex, secrets: Secrets, with_keys: bool) -> None:
        self._index = index
        self._secrets = secrets
        self._with_keys = with_keys

    def write(self, connection: Connection, organisation_id: str, folder: Path) -> Left:
        """Writes all rows and vectors below the folder; over a snapshot they fit to each other."""
        left = Left()
        people = repository.people(connection, organisation_id)
        named = _Names(people, repository.clients(connection, organisation_id))
        (folder / TABLES).mkdir(parents=True)
        (folder / VECTORS).mkdir()
        for name, moved in MOVED.items():
            if name in KEYS and not self._with_keys:
                continue
            with (folder / TABLES / f"{name}.jsonl").open("w", encoding="utf-8") as file:
                writer = RowWriter(file, moved.table, moved.number)
                for row in repository.rows_of(connection, moved, organisation_id):
                    packed = self._secrets.packed(name, row, named)
                    if packed is not None:
                        writer.write(packed)
            left.tables[name] = writer.told
        self._vectors(connection, organisation_id, folder, left)
        left.files = repository.stored_files(connection, organisation_id)
        left.people = sorted(people)
        left.enter_again = list(dict.fromkeys(self._secrets.left))
        if not self._with_keys:
            left.enter_again.append("API keys and passwords of all users")
        return left

    def _vectors(self, connection: Connection, organisation_id: str, folder: Path, left: Left) -> None:
        for number, (fingerprint, name, space, collection_keys) in enumerate(
            repository.spaces(connection, organisation_id)
        ):
            told: dict[str, Any] = {"fingerprint": fingerprint, "name": name, "dimensions": 0, "count": 0}
            told["file"] = f"{VECTORS}/{number}.bin"
            with (folder / told["file"]).open("wb") as file:
                for collection_key in collection_keys:
                    after = 0
                    while keys := repository.embedded_keys(connection, collection_key, after):
                        found, vectors = self._index.vectors_of(connection, keys, space)
                        if found:
                            file.write(packed_vectors(found, vectors))
                            told["dimensions"] = vectors.shape[1]
                        told["count"] += len(found)
                        after = keys[-1]
            left.embedders.append(told)


def vector_record(dimensions: int) -> np.dtype[Any]:
    """How a vector is written down, with the key of its passage."""
    return np.dtype([("key", "<i8"), ("vector", "<f4", (dimensions,))])


def packed_vectors(keys: list[int], vectors: np.ndarray[Any, Any]) -> bytes:
    """Vectors as bytes."""
    records = np.zeros(len(keys), vector_record(vectors.shape[1]))
    records["key"], records["vector"] = keys, vectors
    return records.tobytes()


class _Names:
    """What a row is called in a list for people."""

    def __init__(self, people: Mapping[str, str], clients: Mapping[str, str]) -> None:
        self._people = people
        self._clients = clients

    def __call__(self, table: str, row: Row) -> str:
        if table == "chat_integrations":
            return (
                f"{row['channel']} of chat client {self._clients.get(row['client_id'], row['client_id'])!r}"
            )
        owner = self._people.get(row.get("owner_id") or row.get("user_id") or "", "somebody")
        return f"{row.get('slug') or row.get('name')!r} of {owner}"
