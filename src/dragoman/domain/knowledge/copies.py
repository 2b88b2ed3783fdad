"""Documents by the caller's own ids or names: found, copied from one collection to another, removed by name."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.knowledge.ingest import Ingestion
from dragoman.domain.knowledge.model import Collection, Document, DocumentDraft, Stored
from dragoman.domain.knowledge.ports import BlobStore
from dragoman.domain.knowledge.repository import collections, documents
from dragoman.domain.knowledge.repository.documents import DocumentFilter

_LISTED = 10_000


class DocumentCopies:
    """Finds documents by what callers call them, and copies them.

    Args:
        scratch: a folder for a file while it is copied.
    """

    def __init__(self, *, database: Database, ingestion: Ingestion, blobs: BlobStore, scratch: Path) -> None:
        self._database = database
        self._ingestion = ingestion
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
                connection, found.key, listed[-1].key if listed else 0, limit=_LISTED
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
            own = documents.find(connection, found.key, name)
            alike = documents.select(connection, found.key, DocumentFilter(name=name, limit=_LISTED))
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
                known |= documents.find_many(connection, found.key, external_ids[start : start + 500])
            return known

        return await self._database.read(load)

    async def copy(self, caller: Caller, document: Document, target_id: str) -> Stored:
        """Puts a document that was found for the caller into another collection; vectors follow in the background.

        Raises:
            NotFound: no such collection that the caller may change, or the document is gone.
        """
        target = await self._database.read(collections.get, caller, target_id, edit=True)
        draft = DocumentDraft(
            document.external_id,
            document.name,
            document.reference,
            document.tags,
            dict(document.metadata),
            document.context,
        )
        if document.blob_key is None:
            text = await self._database.read(documents.text, document.key)
            return await self._ingestion.accept_text(target, draft, text, sha256=document.sha256)
        return await self._copied_file(target, draft, document, document.blob_key)

    async def _copied_file(
        self, target: Collection, draft: DocumentDraft, document: Document, blob_key: str
    ) -> Stored:
        with tempfile.TemporaryDirectory(prefix="copy-", dir=self._scratch) as folder:
            path = Path(folder) / "content"
            await self._blobs.fetch_to(blob_key, path)
            return await self._ingestion.accept_file(
                target,
                draft,
                path,
                media_type=document.media_type,
                size=document.size,
                sha256=document.sha256,
            )
