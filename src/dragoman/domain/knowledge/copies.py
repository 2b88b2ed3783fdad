"""Documents by the caller's own ids or names: found, copied from one collection to another, removed by name."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts.audit import record as audit
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.roles import require
from dragoman.domain.inference.embed import EmbedService
from dragoman.domain.knowledge import jobs
from dragoman.domain.knowledge.access import check_free
from dragoman.domain.knowledge.chunk import ChunkedDocument
from dragoman.domain.knowledge.embedding import can_embed
from dragoman.domain.knowledge.indexing import Indexing
from dragoman.domain.knowledge.ingest import BLOB_FOLDER, Ingestion
from dragoman.domain.knowledge.model import Collection, Document, DocumentDraft
from dragoman.domain.knowledge.ports import BlobStore
from dragoman.domain.knowledge.repository import access, collections, documents
from dragoman.domain.knowledge.repository.as_read import as_read
from dragoman.domain.knowledge.repository.documents import DocumentFilter
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import Conflict, NotFound
from dragoman.kit.ids import uuid7
from dragoman.kit.jsontypes import JsonValue

_LISTED = 10_000


class DocumentCopies:
    """Finds documents by what callers call them, and copies them.

    Args:
        scratch: a folder for a file while it is copied.
    """

    def __init__(
        self,
        *,
        database: Database,
        indexing: Indexing,
        ingestion: Ingestion,
        embed: EmbedService,
        blobs: BlobStore,
        scratch: Path,
    ) -> None:
        self._database = database
        self._indexing = indexing
        self._ingestion = ingestion
        self._embed = embed
        self._blobs = blobs
        self._scratch = scratch

    async def all(self, caller: Caller, collection_id: str) -> list[Document]:
        """Every document of a collection, in the order they came.

        Raises:
            NotFound: no such collection for this caller.
        """

        def load(connection: Connection) -> list[Document]:
            found = collections.get(connection, caller, collection_id)
            listed: list[Document] = []
            while batch := documents.keys_after(
                connection, found.key, listed[-1].key if listed else 0, limit=_LISTED, reader=caller
            ):
                listed += batch
            return listed

        return await self._database.read(load)

    async def named(self, caller: Caller, collection_id: str, name: str) -> list[Document]:
        """The collection's documents of exactly that name, or of that id of the caller's own.

        Raises:
            NotFound: no such collection for this caller.
        """

        def load(connection: Connection) -> list[Document]:
            found = collections.get(connection, caller, collection_id)
            own = documents.find(connection, found.key, name, reader=caller)
            alike = documents.select(connection, caller, found.key, DocumentFilter(name=name, limit=_LISTED))
            same = {document.key: document for document in alike if document.name == name}
            return list((same | ({own.key: own} if own is not None else {})).values())

        return await self._database.read(load)

    async def by_external_ids(
        self, caller: Caller, collection_id: str, external_ids: Sequence[str]
    ) -> dict[str, Document]:
        """Documents by the caller's own ids; unknown ones are left out.

        Raises:
            NotFound: no such collection for this caller.
        """

        def load(connection: Connection) -> dict[str, Document]:
            found = collections.get(connection, caller, collection_id)
            known: dict[str, Document] = {}
            for start in range(0, len(external_ids), 500):
                some = external_ids[start : start + 500]
                known |= documents.find_many(connection, found.key, some, reader=caller)
            return known

        return await self._database.read(load)

    async def copy(self, caller: Caller, document: Document, target_id: str) -> Document:
        """Puts a document that was found for the caller into another collection.

        What was read and cut is taken over, so that it can be found by its words at once; vectors follow in the
        background; who may read it stays. A file that still waits to be read is read there as well.

        Raises:
            NotFound: no such collection that the caller may change, or the document is gone.
            Conflict: it is restricted and still being read, or it has the name of one the caller may not see.
        """
        require(caller, "create")
        copied = await self._copied(caller, document, target_id)
        await self._database.write(
            audit.record, caller, "document.copied", copied.id, source=document.id, collection=target_id
        )
        return copied

    async def _copied(self, caller: Caller, document: Document, target_id: str) -> Document:
        target = await self._database.read(collections.get, caller, target_id, edit=True)
        draft = DocumentDraft(
            document.external_id,
            document.name,
            document.reference,
            document.tags,
            dict(document.metadata),
            document.context,
        )
        await self._database.read(check_free, caller, target.key, [draft.external_id])
        restricted = (await self._database.read(access.of_document, document.key)).restricted
        if restricted and document.state in ("queued", "parsing"):
            # Its copy would be open to all until it had been read.
            raise Conflict("This restricted document is still being read; copy it later.", code="still_read")
        if document.blob_key is None and restricted:
            read = await self._database.read(as_read, document.key)
            return await self._stored(target, document, read, None)
        if document.blob_key is None:
            text = await self._database.read(documents.text, document.key)
            stored = await self._ingestion.accept_text(target, draft, text, sha256=document.sha256)
            return stored.document
        with tempfile.TemporaryDirectory(prefix="copy-", dir=self._scratch) as folder:
            path = Path(folder) / "content"
            await self._blobs.fetch_to(document.blob_key, path)
            return await self._copied_file(target, draft, document, path)

    async def _copied_file(
        self, target: Collection, draft: DocumentDraft, document: Document, path: Path
    ) -> Document:
        read = await self._database.read(as_read, document.key)
        if not read.passages and document.state in ("queued", "parsing"):
            stored = await self._ingestion.accept_file(
                target,
                draft,
                path,
                media_type=document.media_type,
                size=document.size,
                sha256=document.sha256,
            )
            return stored.document
        blob_key = f"{BLOB_FOLDER}/{target.id}/{uuid7()}"
        await self._blobs.put_file(blob_key, path)
        return await self._stored(target, document, read, blob_key)

    async def _stored(
        self, target: Collection, document: Document, read: ChunkedDocument, blob_key: str | None
    ) -> Document:
        copied, replaced = await self._database.write(self._store, target, document, read, blob_key)
        if replaced is not None and replaced.blob_key is not None:
            await self._blobs.delete(replaced.blob_key)
        return copied

    def _store(
        self,
        connection: Connection,
        target: Collection,
        document: Document,
        read: ChunkedDocument,
        blob_key: str | None,
    ) -> tuple[Document, Document | None]:
        """The copy, and what was there in its place."""
        now = now_ms()
        if collections.by_key(connection, target.key) is None:
            raise NotFound("The collection was deleted meanwhile.", code="collection_not_found")
        replaced = documents.find(connection, target.key, document.external_id)
        if replaced is not None:
            self._indexing.delete_document(connection, replaced)
        documents.insert(connection, [_values(document, target, blob_key, now)])
        copied = documents.find(connection, target.key, document.external_id)
        assert copied is not None
        access.copy(connection, document.key, copied.key)
        embeds = can_embed(connection, self._embed, target.key)
        self._indexing.replace(connection, copied, read, embeds=embeds, at=now)
        jobs.enqueue_embed(connection, [copied])
        return copied, replaced


def _values(document: Document, target: Collection, blob_key: str | None, now: int) -> dict[str, JsonValue]:
    return {
        "id": uuid7(),
        "collection_key": target.key,
        "external_id": document.external_id,
        "name": document.name,
        "reference": document.reference,
        "tags": list(document.tags),
        "metadata": dict(document.metadata),
        "context": document.context,
        "media_type": document.media_type,
        "size": document.size,
        "sha256": document.sha256,
        "blob_key": blob_key,
        "version": 1,
        "state": "queued",
        "state_detail": None,
        "created_at": now,
        "updated_at": now,
    }
