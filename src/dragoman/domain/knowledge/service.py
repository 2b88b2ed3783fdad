"""Documents for callers: hand content to ingestion, list, read, export, delete."""

import itertools
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio
from anyio import to_thread
from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts.audit import record as audit
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.roles import require
from dragoman.domain.knowledge.access import check_free
from dragoman.domain.knowledge.indexing import Indexing
from dragoman.domain.knowledge.ingest import Ingestion
from dragoman.domain.knowledge.model import (
    Collection,
    Document,
    DocumentDraft,
    Stored,
    StoredPassage,
)
from dragoman.domain.knowledge.ports import BlobStore
from dragoman.domain.knowledge.queue import IngestionQueue
from dragoman.domain.knowledge.repository import collections, documents
from dragoman.domain.knowledge.repository.documents import DocumentFilter
from dragoman.domain.labels.handling import current_handling
from dragoman.domain.usage.limits.service import LimitsService
from dragoman.kit.digest import file_digest, text_digest
from dragoman.kit.errors import InvalidInput

_IMPORT_BATCH = 200
_EXPORT_BATCH = 50
_LOOK_SECONDS = 0.05
_LONGEST_LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import of many documents did."""

    enqueued: int
    skipped: int
    deleted: int = 0


class KnowledgeService:
    """What a dialect may do with the documents of a collection."""

    def __init__(
        self,
        *,
        database: Database,
        indexing: Indexing,
        ingestion: Ingestion,
        blobs: BlobStore,
        limits: LimitsService | None = None,
    ) -> None:
        self._database = database
        self._limits = limits
        self._indexing = indexing
        self._ingestion = ingestion
        self.queue = IngestionQueue(database, ingestion)
        self._blobs = blobs

    async def put_text(self, caller: Caller, collection_id: str, draft: DocumentDraft, text: str) -> Stored:
        """Stores or updates one document given as text; findable by its words when this returns.

        Raises:
            NotFound: no such collection that the caller may change.
            QuotaExceeded: the caller may teach no more this month.
            Conflict: a document that the caller may not see has this name.
        """
        require(caller, "create")
        found = await self._teachable(caller, collection_id)
        await self._database.read(check_free, caller, found.key, [draft.external_id])
        stored = await self._ingestion.accept_text(found, draft, text, sha256=text_digest(text))
        return await self._noted(caller, stored)

    async def put_file(
        self, caller: Caller, collection_id: str, draft: DocumentDraft, path: Path, *, media_type: str | None
    ) -> Stored:
        """Stores or updates one uploaded file; reading and indexing follow in the background.

        Raises:
            NotFound: no such collection that the caller may change.
            QuotaExceeded: the caller may teach no more this month.
            Conflict: a document that the caller may not see has this name.
            InvalidInput: the file is empty.
        """
        require(caller, "create")
        found = await self._teachable(caller, collection_id)
        await self._database.read(check_free, caller, found.key, [draft.external_id])
        size = (await to_thread.run_sync(path.stat)).st_size
        if size == 0:
            raise InvalidInput(f"The file {draft.name!r} is empty.", param="file")
        sha256 = await to_thread.run_sync(file_digest, path)
        stored = await self._ingestion.accept_file(
            found, draft, path, media_type=media_type, size=size, sha256=sha256
        )
        return await self._noted(caller, stored)

    async def settled(
        self, caller: Caller, collection_id: str, document_id: str, *, seconds: float
    ) -> Document:
        """The document once it is indexed or has failed, or as it is after so many seconds.

        Raises:
            NotFound: no such collection or document for this caller, or no longer.
        """

        def load(connection: Connection) -> Document:
            found = collections.get(connection, caller, collection_id)
            return documents.get(connection, caller, found.key, document_id)

        deadline, pause = anyio.current_time() + seconds, _LOOK_SECONDS
        while True:
            document = await self._database.read(load)
            if document.state not in ("queued", "parsing", "embedding") or anyio.current_time() >= deadline:
                return document
            await anyio.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_LOOK_SECONDS)

    async def import_texts(
        self,
        caller: Caller,
        collection_id: str,
        items: Iterable[tuple[DocumentDraft, str]],
        *,
        delete_absent: bool = False,
    ) -> ImportResult:
        """Stores many documents given as text, in bounded batches; ``items`` has each ``external_id`` at most once.

        Raises:
            NotFound: no such collection that the caller may change.
            QuotaExceeded: the caller may teach no more this month.
            Conflict: a document that the caller may not see has this name.
        """
        require(caller, "create")
        found = await self._teachable(caller, collection_id)
        enqueued = skipped = 0
        seen: set[str] = set()
        source = iter(items)
        while batch := await to_thread.run_sync(lambda: list(itertools.islice(source, _IMPORT_BATCH))):
            names = [draft.external_id for draft, _ in batch]
            await self._database.read(check_free, caller, found.key, names)
            changed = await self._ingestion.accept_batch(found, batch)
            enqueued += changed
            skipped += len(batch) - changed
            if delete_absent:
                seen.update(draft.external_id for draft, _ in batch)
        deleted = await self._delete_others(caller, found, seen) if delete_absent else 0
        if enqueued:
            await self._database.write(
                audit.record, caller, "documents.imported", collection_id, count=enqueued
            )
        return ImportResult(enqueued, skipped, deleted)

    async def documents(self, caller: Caller, collection_id: str, wanted: DocumentFilter) -> list[Document]:
        """The collection's documents that match.

        Raises:
            NotFound: no such collection for this caller.
        """

        def select(connection: Connection) -> list[Document]:
            found = collections.get(connection, caller, collection_id)
            return documents.select(connection, caller, found.key, wanted)

        return await self._database.read(select)

    async def document(self, caller: Caller, collection_id: str, document_id: str) -> tuple[Document, str]:
        """A document and its extracted text.

        Raises:
            NotFound: no such collection or document for this caller.
            Forbidden: it bears a label and may not be used where this takes place.
        """

        def load(connection: Connection) -> tuple[Collection, Document, str]:
            found = collections.get(connection, caller, collection_id)
            document = documents.get(connection, caller, found.key, document_id)
            return found, document, documents.text(connection, document.key)

        found, document, text = await self._database.read(load)
        await _take(caller, found)
        return document, text

    async def export(self, caller: Caller, collection_id: str) -> AsyncIterator[tuple[Document, str]]:
        """All documents of a collection with their texts, in the order they came, read in bounded batches.

        Raises:
            NotFound: no such collection for this caller; raised before the first document.
        """
        found = await self._database.read(collections.get, caller, collection_id)
        await _take(caller, found)
        await self._database.write(
            audit.record, caller, "collection.exported", collection_id, name=found.name
        )
        return self._walk(caller, found.key)

    async def _walk(self, caller: Caller, collection_key: int) -> AsyncIterator[tuple[Document, str]]:
        def load(connection: Connection, after: int) -> list[tuple[Document, str]]:
            batch = documents.keys_after(
                connection, collection_key, after, limit=_EXPORT_BATCH, reader=caller
            )
            texts = documents.texts(connection, [document.key for document in batch])
            return [(document, texts.get(document.key, "")) for document in batch]

        after = 0
        while batch := await self._database.read(load, after):
            for pair in batch:
                yield pair
            after = batch[-1][0].key

    async def passages(self, caller: Caller, collection_id: str, document_id: str) -> list[StoredPassage]:
        """A document's passages in order.

        Raises:
            NotFound: no such collection or document for this caller.
        """

        def load(connection: Connection) -> tuple[Collection, list[StoredPassage]]:
            found = collections.get(connection, caller, collection_id)
            document = documents.get(connection, caller, found.key, document_id)
            return found, documents.passages_of(connection, document.key)

        found, passages = await self._database.read(load)
        await _take(caller, found)
        return passages

    async def previews(self, found: Sequence[Document], *, length: int) -> Mapping[int, str]:
        """The first characters of documents that were listed for the caller before."""
        return await self._database.read(
            documents.previews, [document.key for document in found], length=length
        )

    async def delete_document(self, caller: Caller, collection_id: str, document_id: str) -> None:
        """Removes a document at once from search and storage.

        Raises:
            NotFound: no such document that the caller may change.
        """
        require(caller, "create")

        def remove(connection: Connection) -> str | None:
            found = collections.get(connection, caller, collection_id, edit=True)
            collections.hold(connection, found.key)
            document = documents.get(connection, caller, found.key, document_id)
            self._indexing.delete_document(connection, document)
            audit.record(connection, caller, "document.deleted", document_id, name=document.name)
            return document.blob_key

        blob_key = await self._database.write(remove)
        if blob_key is not None:
            await self._blobs.delete(blob_key)

    async def _noted(self, caller: Caller, stored: Stored) -> Stored:
        """Writes down who stored it; what was there already is no event."""
        if stored.outcome != "unmodified":
            action = f"document.{'created' if stored.outcome == 'created' else 'changed'}"
            document = stored.document
            await self._database.write(audit.record, caller, action, document.id, name=document.name)
        return stored

    async def _teachable(self, caller: Caller, collection_id: str) -> Collection:
        found = await self._database.read(collections.get, caller, collection_id, edit=True)
        if self._limits is not None:
            await self._limits.check(caller, "monthly_teach_tokens")
        return found

    async def _delete_others(self, caller: Caller, collection: Collection, kept: set[str]) -> int:
        def remove(connection: Connection, after: int) -> tuple[int, list[Document]]:
            collections.hold(connection, collection.key)
            batch = documents.keys_after(
                connection, collection.key, after, limit=_IMPORT_BATCH, reader=caller
            )
            absent = [document for document in batch if document.external_id not in kept]
            for document in absent:
                self._indexing.delete_document(connection, document)
            if absent:
                gone = [document.id for document in absent]
                audit.record(connection, caller, "documents.deleted", collection.id, documents=gone)
            return (batch[-1].key if batch else -1), absent

        after, total = 0, 0
        while after >= 0:
            after, removed = await self._database.write(remove, after)
            total += len(removed)
            for document in removed:
                if document.blob_key is not None:
                    await self._blobs.delete(document.blob_key)
        return total


async def _take(caller: Caller, collection: Collection) -> None:
    """Lets the request at hand bear the label of what it reads."""
    handling = current_handling()
    if handling is not None:
        await handling.take(caller, [collection.label], f"the collection {collection.name!r}")
