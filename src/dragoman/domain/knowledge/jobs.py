"""The jobs of ingestion: their names, payloads, and how each is carried out.

A job is put in the queue in the transaction that stores the document's row, so that neither is ever there without the other.
"""

from collections.abc import Sequence
from typing import Protocol, cast

from sqlalchemy import Connection

from dragoman.db.jobs import JobHandler, enqueue
from dragoman.domain.knowledge.model import Document
from dragoman.kit.jsontypes import JsonObject

READ = "knowledge.read"
INDEX = "knowledge.index"
EMBED = "knowledge.embed"


class IngestionWork(Protocol):
    """The work behind the jobs."""

    async def read_file(self, document_key: int, version: int) -> None: ...

    async def index_texts(self, wanted: Sequence[tuple[int, int]]) -> None: ...

    async def embed(self, document_keys: Sequence[int]) -> None: ...

    async def fail(self, document_key: int, version: int, reason: str) -> None: ...


def _versions(found: Sequence[Document]) -> list[list[int]]:
    return [[document.key, document.version] for document in found]


def _key(found: Sequence[Document]) -> str:
    first, last = found[0], found[-1]
    return f"{first.key}.{first.version}-{last.key}.{last.version}x{len(found)}"


def enqueue_read(connection: Connection, document: Document) -> None:
    """Queues the reading of an uploaded file."""
    enqueue(connection, READ, _key([document]), {"documents": _versions([document])})


def enqueue_index(connection: Connection, found: Sequence[Document]) -> None:
    """Queues the cutting and indexing of documents stored as text."""
    if found:
        enqueue(connection, INDEX, _key(found), {"documents": _versions(found)})


def enqueue_embed(connection: Connection, found: Sequence[Document]) -> None:
    """Queues the making of vectors."""
    if found:
        enqueue(connection, EMBED, _key(found), {"documents": _versions(found)})


def _documents(payload: JsonObject) -> list[tuple[int, int]]:
    listed = payload["documents"]
    assert isinstance(listed, Sequence)
    pairs = cast("Sequence[tuple[int, int]]", listed)
    return [(int(key), int(version)) for key, version in pairs]


class KnowledgeJobs:
    """Handlers by job name."""

    def __init__(self, work: IngestionWork) -> None:
        self._work = work

    def handlers(self) -> dict[str, JobHandler]:
        """What the runner needs."""
        return {READ: self._read, INDEX: self._index, EMBED: self._embed}

    async def _read(self, payload: JsonObject) -> None:
        for key, version in _documents(payload):
            await self._work.read_file(key, version)

    async def _index(self, payload: JsonObject) -> None:
        await self._work.index_texts(_documents(payload))

    async def _embed(self, payload: JsonObject) -> None:
        await self._work.embed([key for key, _ in _documents(payload)])

    async def failed(self, kind: str, payload: JsonObject, error: str) -> None:
        """Marks the documents of a job that was given up."""
        reason = f"Indexing was given up after several tries: {error}"
        if kind in (READ, INDEX, EMBED):
            for key, version in _documents(payload):
                await self._work.fail(key, version, reason)
