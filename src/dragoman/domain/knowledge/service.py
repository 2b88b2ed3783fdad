"""Collections and documents for callers: create, list, change, delete, and hand content to ingestion."""

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
from dragoman.domain.accounts.versions import Versions
from dragoman.domain.knowledge.access import check_free
from dragoman.domain.knowledge.indexing import DELETED_AT_ONCE, Indexing
from dragoman.domain.knowledge.ingest import Ingestion
from dragoman.domain.knowledge.model import (
    Collection,
    Document,
    DocumentCounts,
    DocumentDraft,
    Stored,
    StoredPassage,
    Visibility,
)
from dragoman.domain.knowledge.ports import BlobStore
from dragoman.domain.knowledge.queue import IngestionQueue
from dragoman.domain.knowledge.repository import collections, documents
from dragoman.domain.knowledge.repository.documents import DocumentFilter
from dragoman.domain.labels.handling import current_handling
from dragoman.domain.labels.service import TOPIC as LABELS
from dragoman.domain.labels.service import LabelsService
from dragoman.domain.usage.limits.service import LimitsService
from dragoman.kit.clock import now_ms
from dragoman.kit.digest import file_digest, text_digest
from dragoman.kit.errors import InvalidInput
from dragoman.kit.ids import uuid7

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
    """What a dialect may do with collections and documents."""

    def __init__(
        self,
        *,
        database: Database,
        indexing: Indexing,
        ingestion: Ingestion,
        blobs: BlobStore,
        limits: LimitsService | None = None,
        labels: LabelsService | None = None,
    ) -> None:
        self._database = database
        self._labels = labels
        if labels is not None:
            labels.count_in(self._labelled)
        self._limits = limits
        self._indexing = indexing
        self._ingestion = ingestion
        self.queue = IngestionQueue(database, ingestion)
        self._blobs = blobs

    async def create_collection(
        self,
        caller: Caller,
        name: str,
        *,
        context: str | None = None,
        tags: tuple[str, ...] = (),
        visibility: Visibility = "private",
        label: str | None = None,
    ) -> Collection:
        """A new, empty collection owned by the caller."""
        require(caller, "create")
        now = now_ms()
        collection = Collection(
            key=0,
            id=uuid7(),
            organisation_id=caller.organisation_id,
            owner_id=caller.user_id,
            owner_number=caller.user_number,
            name=name,
            context=context,
            tags=tags,
            label=label,
            visibility=visibility,
            embedder=None,
            created_at=now,
            updated_at=now,
        )

        def store(connection: Connection) -> Collection:
            made = collections.insert(connection, collection)
            if label is not None:
                Versions.announce(connection, LABELS)
            audit.record(
                connection,
                caller,
                "collection.created",
                made.id,
                name=name,
                visibility=visibility,
                label=label,
            )
            return made

        made = await self._database.write(store)
        if label is not None and self._labels is not None:
            await self._labels.reload()
        return made

    async def set_label(self, caller: Caller, collection_id: str, label: str | None) -> Collection:
        """The collection under the label, or under none. What was used under its label before stays bound by it.

        Raises:
            NotFound: no such collection that the caller may change.
            InvalidInput: there is no such label.
            Forbidden: the caller may not take a label away, which administrators may.
        """
        require(caller, "create")
        wanted = self._labels.checked(label) if self._labels is not None else label

        def change(connection: Connection) -> Collection:
            found = collections.get(connection, caller, collection_id, edit=True)
            if found.label not in (None, wanted):
                require(caller, "manage")
            collections.set_label(connection, found.key, wanted, at=now_ms())
            Versions.announce(connection, LABELS)
            audit.record(
                connection,
                caller,
                "collection.labelled",
                collection_id,
                name=found.name,
                label=wanted,
                before=found.label,
            )
            return collections.get(connection, caller, collection_id, edit=True)

        changed = await self._database.write(change)
        if self._labels is not None:
            await self._labels.reload()
        return changed

    async def _labelled(self) -> set[str]:
        return await self._database.read(collections.labelled)

    async def collections(self, caller: Caller) -> list[Collection]:
        """Every collection the caller may search."""
        return await self._database.read(collections.visible, caller)

    async def stored_bytes(self, caller: Caller) -> int:
        """The size of all documents in the caller's own collections."""
        return await self._database.read(collections.stored_bytes, caller)

    async def collection(self, caller: Caller, collection_id: str) -> Collection:
        """One collection.

        Raises:
            NotFound: no such collection for this caller.
        """
        return await self._database.read(collections.get, caller, collection_id)

    async def collections_among(self, caller: Caller, ids: Sequence[str]) -> list[Collection]:
        """Those of these collections that the caller may search, in the order of the ids."""
        return await self._database.read(collections.among, caller, ids)

    async def collections_named(self, caller: Caller, name: str) -> list[Collection]:
        """The caller's visible collections of that name, own ones first."""
        return await self._database.read(collections.named, caller, name)

    async def counts(self, caller: Caller, found: Sequence[Collection]) -> dict[int, DocumentCounts]:
        """How many documents the caller may see, by collection key."""
        return await self._database.read(collections.counts, caller, [collection.key for collection in found])

    async def update_collection(
        self,
        caller: Caller,
        collection_id: str,
        *,
        name: str | None,
        context: str | None,
        tags: tuple[str, ...] | None,
    ) -> None:
        """Changes name, context and tags; None leaves a value as it is.

        Raises:
            NotFound: no such collection that the caller may change.
        """
        require(caller, "create")

        def change(connection: Connection) -> None:
            found = collections.get(connection, caller, collection_id, edit=True)
            collections.update(
                connection,
                found,
                name=found.name if name is None else name,
                context=found.context if context is None else context,
                tags=found.tags if tags is None else tags,
                at=now_ms(),
            )
            audit.record(connection, caller, "collection.changed", collection_id, name=name)

        await self._database.write(change)

    async def delete_collection(self, caller: Caller, collection_id: str) -> None:
        """Removes a collection of the caller's own with everything in it.

        Raises:
            NotFound: the caller owns no such collection.
        """
        require(caller, "create")
        found = await self._database.read(collections.get_owned, caller, collection_id)
        await self._database.write(audit.record, caller, "collection.emptied", collection_id, name=found.name)
        await self._empty(found.key)

        def delete(connection: Connection) -> list[str]:
            # What came in meanwhile must leave the index, too, which knows no foreign keys.
            late: list[str] = []
            while batch := self._indexing.delete_documents(connection, found.key):
                late += batch
            collections.delete(connection, found.key)
            audit.record(connection, caller, "collection.deleted", collection_id, name=found.name)
            return late

        await self._forget_files(await self._database.write(delete))

    async def reset_collection(self, caller: Caller, collection_id: str) -> None:
        """Removes all documents that the caller may see and keeps the collection.

        Raises:
            NotFound: no such collection that the caller may change.
        """
        require(caller, "create")
        found = await self._editable(caller, collection_id)
        await self._database.write(audit.record, caller, "collection.emptied", collection_id, name=found.name)
        await self._empty(found.key, reader=caller)

    async def reindex_collection(self, caller: Caller, collection_id: str) -> None:
        """Drops the vectors and makes them anew in the background; words stay findable meanwhile.

        Raises:
            NotFound: no such collection that the caller may change.
        """
        require(caller, "create")
        found = await self._editable(caller, collection_id)
        await self._ingestion.reembed(found.key)
        await self._database.write(audit.record, caller, "collection.reindexed", collection_id)

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
        found = await self.collection(caller, collection_id)
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
        found = await self._editable(caller, collection_id)
        if self._limits is not None:
            await self._limits.check(caller, "monthly_teach_tokens")
        return found

    async def _editable(self, caller: Caller, collection_id: str) -> Collection:
        return await self._database.read(collections.get, caller, collection_id, edit=True)

    async def _empty(self, collection_key: int, *, reader: Caller | None = None) -> None:
        """Removes what is there; what is added while this goes on may stay, or this might never end."""
        full = True
        while full:
            blob_keys = await self._database.write(
                self._indexing.delete_documents, collection_key, reader=reader
            )
            await self._forget_files(blob_keys)
            full = len(blob_keys) == DELETED_AT_ONCE

    async def _forget_files(self, blob_keys: Iterable[str]) -> None:
        for blob_key in filter(None, blob_keys):
            await self._blobs.delete(blob_key)

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
