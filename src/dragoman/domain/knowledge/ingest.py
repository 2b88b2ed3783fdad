"""Ingestion: a document is accepted in one transaction with its job, read, made findable by words, then by meaning.

Every job names the document's version; work for an older version does nothing, so a job may run twice without harm.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
from anyio import to_thread
from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.inference.embed import EmbedService
from dragoman.domain.knowledge import jobs
from dragoman.domain.knowledge.chunk import ChunkedDocument, chunk
from dragoman.domain.knowledge.embedding import can_embed, embedded, embedder_of
from dragoman.domain.knowledge.indexing import Indexing
from dragoman.domain.knowledge.model import Collection, Document, DocumentDraft, Stored
from dragoman.domain.knowledge.ports import BlobStore, Block, Page, ParsedDocument, Parser
from dragoman.domain.knowledge.repository import collections, documents, standings
from dragoman.domain.labels.model import Policies
from dragoman.kit.clock import now_ms
from dragoman.kit.digest import text_digest
from dragoman.kit.errors import Conflict, DragomanError, NotFound
from dragoman.kit.ids import uuid7
from dragoman.kit.jsontypes import JsonValue

log = structlog.get_logger(__name__)

# A text up to this length is cut and indexed while its caller waits, some tens of milliseconds.
_INLINE_CHARACTERS = 200_000
_EMBED_BATCH = 32
BLOB_FOLDER = "documents"
_JOB_DOCUMENTS = 50


@dataclass(frozen=True, slots=True)
class ChunkSizes:
    """Target and overlap of passages, in tokens as ``count_tokens`` counts them."""

    target_tokens: int
    overlap_tokens: int
    count_tokens: Callable[[str], int]


def parsed_text(text: str) -> ParsedDocument:
    """A document given as plain text, as a parser would have read it."""
    return ParsedDocument((Page(None, (Block("paragraph", text),)),), "text/plain")


class Ingestion:
    """Accepts documents and carries out the background work on them.

    Args:
        database: where documents are kept.
        indexing: puts passages into the index.
        blobs: keeps files.
        parser: reads files.
        embed: makes vectors.
        sizes: of passages.
        wake: tells the job runner that there is work.
        scratch: a folder for files on their way.
        policies: what labels forbid.
        leaves: whether a file of that name and type leaves the operator's systems to be read.
    """

    def __init__(
        self,
        *,
        database: Database,
        indexing: Indexing,
        blobs: BlobStore,
        parser: Parser,
        embed: EmbedService,
        sizes: ChunkSizes,
        wake: Callable[[], None],
        scratch: Path | None = None,
        policies: Policies | None = None,
        leaves: Callable[[str, str | None], bool] = lambda name, media_type: False,
    ) -> None:
        self._database = database
        self._indexing = indexing
        self._blobs = blobs
        self._parser = parser
        self._embed = embed
        self._sizes = sizes
        self._wake = wake
        self._scratch = scratch
        self._policies = policies or Policies(())
        self._leaves = leaves

    # Accepting

    async def accept_text(
        self, collection: Collection, draft: DocumentDraft, text: str, *, sha256: str
    ) -> Stored:
        """Stores one text; unchanged content costs nothing, changed description is only noted."""
        before = await self._database.read(documents.find, collection.key, draft.external_id)
        if before is not None and before.sha256 == sha256 and before.state not in ("failed", "cancelled"):
            return await self._described(before, draft)
        inline = len(text) <= _INLINE_CHARACTERS
        chunked = await self._chunk(parsed_text(text)) if inline else None

        def store(connection: Connection) -> tuple[Document, Document | None]:
            _require(connection, collection)
            # Somebody else may have stored it since.
            replaced = documents.find(connection, collection.key, draft.external_id)
            size = len(text.encode())
            document = self._row(connection, collection, draft, replaced, size=size, sha256=sha256)
            if chunked is None:
                documents.put_text(connection, document.key, text=text, page_starts=(), warnings=())
                jobs.enqueue_index(connection, [document])
            else:
                embeds = can_embed(connection, self._embed, collection.key)
                self._indexing.replace(connection, document, chunked, embeds=embeds, at=now_ms())
                jobs.enqueue_embed(connection, [document])
            return documents.by_keys(connection, [document.key])[document.key], replaced

        document, replaced = await self._database.write(store)
        if replaced is not None and replaced.blob_key is not None:
            await self._blobs.delete(replaced.blob_key)
        self._wake()
        return Stored(document, "created" if replaced is None else "modified")

    async def accept_file(
        self,
        collection: Collection,
        draft: DocumentDraft,
        path: Path,
        *,
        media_type: str | None,
        size: int,
        sha256: str,
    ) -> Stored:
        """Stores one file, then its row and job in one transaction; what was read before holds until this is read as well."""
        before = await self._database.read(documents.find, collection.key, draft.external_id)
        if before is not None and before.sha256 == sha256 and before.state not in ("failed", "cancelled"):
            return await self._described(before, draft)
        blob_key = f"{BLOB_FOLDER}/{collection.id}/{uuid7()}"
        await self._blobs.put_file(blob_key, path)

        def store(connection: Connection) -> tuple[Document, str | None, bool]:
            _require(connection, collection)
            replaced = documents.find(connection, collection.key, draft.external_id)
            standing = None if replaced is None else standings.standing_of(connection, replaced)
            document = self._row(
                connection,
                collection,
                draft,
                replaced,
                size=size,
                sha256=sha256,
                blob_key=blob_key,
                media_type=media_type,
            )
            jobs.enqueue_read(connection, document)
            if standing is not None:
                standings.keep(connection, document.key, standing)
            needless = replaced is not None and (standing is None or standing.blob_key != replaced.blob_key)
            old = replaced.blob_key if replaced is not None and needless else None
            return document, old, replaced is None

        # A file whose row was not stored is left to ``Leftovers``: a commit may come through without its answer.
        document, old_blob_key, is_new = await self._database.write(store)
        if old_blob_key is not None:
            await self._blobs.delete(old_blob_key)
        self._wake()
        return Stored(document, "created" if is_new else "modified")

    async def accept_batch(self, collection: Collection, batch: Sequence[tuple[DocumentDraft, str]]) -> int:
        """Stores many texts in one transaction with the jobs that index them; gives how many were new or changed."""
        digests = await to_thread.run_sync(lambda: [text_digest(text) for _, text in batch])

        def store(connection: Connection) -> int:
            _require(connection, collection)
            names = [draft.external_id for draft, _ in batch]
            known = documents.find_many(connection, collection.key, names)
            fresh: dict[str, tuple[DocumentDraft, str, str]] = {}
            work: list[Document] = []
            described = 0
            for (draft, text), sha256 in zip(batch, digests, strict=True):
                before = known.get(draft.external_id)
                if before is None:
                    fresh[draft.external_id] = (draft, text, sha256)
                elif before.sha256 != sha256 or before.state in ("failed", "cancelled"):
                    # The batch may name it twice.
                    current = documents.find(connection, collection.key, draft.external_id)
                    size = len(text.encode())
                    changed = self._row(connection, collection, draft, current, size=size, sha256=sha256)
                    documents.put_text(connection, changed.key, text=text, page_starts=(), warnings=())
                    work.append(changed)
                elif _description(before) != draft:
                    documents.describe(connection, before.key, draft, at=now_ms())
                    described += 1
            work += self._new_texts(connection, collection, fresh)
            for start in range(0, len(work), _JOB_DOCUMENTS):
                jobs.enqueue_index(connection, work[start : start + _JOB_DOCUMENTS])
            return len(work) + described

        changed = await self._database.write(store)
        self._wake()
        return changed

    def _new_texts(
        self,
        connection: Connection,
        collection: Collection,
        fresh: Mapping[str, tuple[DocumentDraft, str, str]],
    ) -> list[Document]:
        """Stores texts that are known to be new, in a few statements for all of them."""
        if not fresh:
            return []
        now = now_ms()
        rows = [
            _new(collection, draft, _content(len(text.encode()), sha256, now), now)
            for draft, text, sha256 in fresh.values()
        ]
        documents.insert(connection, rows)
        stored = documents.find_many(connection, collection.key, list(fresh))
        documents.put_texts(connection, {stored[name].key: text for name, (_, text, _) in fresh.items()})
        return [stored[name] for name in fresh]

    async def _described(self, before: Document, draft: DocumentDraft) -> Stored:
        if _description(before) == draft:
            return Stored(before, "unmodified")
        await self._database.write(documents.describe, before.key, draft, at=now_ms())
        after = await self._database.read(documents.by_keys, [before.key])
        return Stored(after[before.key], "modified")

    def _row(
        self,
        connection: Connection,
        collection: Collection,
        draft: DocumentDraft,
        before: Document | None,
        *,
        size: int,
        sha256: str,
        blob_key: str | None = None,
        media_type: str | None = "text/plain",
    ) -> Document:
        """The row with new content; ``before`` is what was there, found while the collection is held."""
        now = now_ms()
        values = _content(size, sha256, now, blob_key=blob_key, media_type=media_type)
        if before is None:
            documents.insert(connection, [_new(collection, draft, values, now)])
        else:
            standings.drop(connection, before.key)
            documents.describe(connection, before.key, draft, at=now)
            documents.change(connection, before.key, **{**values, "version": before.version + 1})
        stored = documents.find(connection, collection.key, draft.external_id)
        assert stored is not None
        return stored

    # Background work

    async def read_file(self, document_key: int, version: int) -> None:
        """Reads an uploaded file and makes it findable by its words."""
        document = await self._current(document_key, version)
        if document is None or document.blob_key is None:
            return
        label = await self._kept_inside(document.collection_key)
        if label is not None and self._leaves(document.name, document.media_type):
            reason = f"Recordings are transcribed by a provider outside, which the label {label} forbids."
            await self.fail(document_key, version, reason)
            return
        await self._database.write(documents.change_version, document.key, version, state="parsing")
        with tempfile.TemporaryDirectory(prefix="read-", dir=self._scratch) as folder:
            path = Path(folder) / "content"
            await self._blobs.fetch_to(document.blob_key, path)
            try:
                parsed = await self._parser.parse(path, name=document.name, media_type=document.media_type)
            except DragomanError as error:
                if error.status < 500:
                    await self.fail(document_key, version, error.detail)
                    return
                raise
        await self._index(document, parsed)

    async def index_texts(self, wanted: Sequence[tuple[int, int]]) -> None:
        """Cuts and indexes documents that were stored as text."""
        for document_key, version in wanted:
            document = await self._current(document_key, version)
            if document is not None and document.state in ("queued", "parsing"):
                text = await self._database.read(documents.text, document_key)
                await self._index(document, parsed_text(text))

    async def embed(self, document_keys: Sequence[int]) -> None:
        """Makes the vectors that these documents' passages still lack."""
        found = await self._database.read(documents.by_keys, document_keys)
        for collection_key in sorted({document.collection_key for document in found.values()}):
            await self._embed_in(
                collection_key,
                [key for key, document in found.items() if document.collection_key == collection_key],
            )

    async def _embed_in(self, collection_key: int, document_keys: Sequence[int]) -> None:
        while waiting := await self._database.read(
            documents.waiting_passages, document_keys, limit=_EMBED_BATCH
        ):
            # Asked anew each time: another embedder may have taken over.
            collection = await self._database.read(collections.by_key, collection_key)
            embedder = None if collection is None else embedder_of(self._embed, collection)
            if embedder is None:
                await self._database.write(documents.settle_by_words, document_keys, at=now_ms())
                return
            names, vectors = await embedded(self._database, embedder, waiting)
            await self._database.write(
                self._indexing.store_vectors, waiting, names, vectors, profile=embedder.profile, at=now_ms()
            )
        await self._database.write(documents.settle, document_keys, at=now_ms())

    async def _kept_inside(self, collection_key: int) -> str | None:
        """The collection's label, where it forbids to send anything outside."""
        labels = await self._database.read(collections.labels_of, [collection_key])
        return self._policies.forbidding(labels.values(), "outside")

    async def reembed(self, collection_key: int) -> None:
        """Drops a collection's vectors and queues all its documents for new ones."""

        def requeue(connection: Connection) -> None:
            self._indexing.forget_vectors(connection, collection_key)
            after = 0
            while batch := documents.keys_after(connection, collection_key, after, limit=_JOB_DOCUMENTS):
                jobs.enqueue_embed(connection, [document for document in batch if document.passage_count])
                after = batch[-1].key

        await self._database.write(requeue)
        self._wake()

    async def again(self, document: Document) -> Document:
        """The document, queued as if its content had come anew."""

        def requeue(connection: Connection) -> Document:
            collections.hold(connection, document.collection_key)
            found = documents.by_keys(connection, [document.key]).get(document.key)
            if found is None or found.version != document.version:
                raise Conflict("The document was changed meanwhile.", code="document_changed")
            values: dict[str, JsonValue] = {"state": "queued", "state_detail": None, "updated_at": now_ms()}
            documents.change(connection, found.key, **values, version=found.version + 1)
            current = documents.by_keys(connection, [found.key])[found.key]
            if current.blob_key is None:
                jobs.enqueue_index(connection, [current])
            else:
                jobs.enqueue_read(connection, current)
            return current

        queued = await self._database.write(requeue)
        self._wake()
        return queued

    async def catch_up(self) -> None:
        """At start: queues what an earlier run could not do for want of an embedder."""
        if not self._embed.available:
            return

        def requeue(connection: Connection) -> None:
            lacking = documents.without_vectors(connection, limit=10_000)
            for document in lacking:
                documents.change(connection, document.key, state="embedding")
            for start in range(0, len(lacking), _JOB_DOCUMENTS):
                jobs.enqueue_embed(connection, lacking[start : start + _JOB_DOCUMENTS])

        await self._database.write(requeue)
        self._wake()

    async def fail(self, document_key: int, version: int, reason: str) -> None:
        """Puts what was read before in force again or, when nothing was, marks the document failed with the reason.

        Nothing happens when it has changed meanwhile.
        """

        def give_up(connection: Connection) -> str | None:
            found = documents.by_keys(connection, [document_key]).get(document_key)
            if found is None or not collections.hold(connection, found.collection_key):
                return None
            # Others change documents while they hold the collection: what counts is how it is now.
            found = documents.by_keys(connection, [document_key]).get(document_key)
            if found is None or found.version != version:
                return None
            standing = standings.take(connection, found)
            if standing is None:
                failed = {"state": "failed", "state_detail": reason, "updated_at": now_ms()}
                documents.change(connection, document_key, **failed)
                return None
            detail = f"What came in its place could not be read, so this stays: {reason}"
            back = {**standing.columns(), "state_detail": detail, "updated_at": now_ms()}
            documents.change(connection, document_key, **back)
            if standing.state == "embedding":
                jobs.enqueue_embed(connection, [found])
            return found.blob_key

        unread = await self._database.write(give_up)
        if unread is not None:
            await self._blobs.delete(unread)
        self._wake()

    async def _index(self, document: Document, parsed: ParsedDocument) -> None:
        chunked = await self._chunk(parsed)
        if not chunked.passages:
            await self.fail(document.key, document.version, "The file holds no readable text.")
            return

        def store(connection: Connection) -> str | None:
            collections.hold(connection, document.collection_key)
            current = documents.by_keys(connection, [document.key]).get(document.key)
            if current is None or current.version != document.version:
                return None
            embeds = can_embed(connection, self._embed, current.collection_key)
            self._indexing.replace(connection, current, chunked, embeds=embeds, at=now_ms())
            jobs.enqueue_embed(connection, [current])
            standing = standings.take(connection, current)
            return None if standing is None else standing.blob_key

        replaced = await self._database.write(store)
        if replaced is not None:
            await self._blobs.delete(replaced)
        self._wake()

    async def _chunk(self, parsed: ParsedDocument) -> ChunkedDocument:
        sizes = self._sizes
        return await to_thread.run_sync(
            lambda: chunk(
                parsed,
                target_tokens=sizes.target_tokens,
                overlap_tokens=sizes.overlap_tokens,
                count_tokens=sizes.count_tokens,
            )
        )

    async def _current(self, document_key: int, version: int) -> Document | None:
        document = (await self._database.read(documents.by_keys, [document_key])).get(document_key)
        return document if document is not None and document.version == version else None


def _require(connection: Connection, collection: Collection) -> None:
    if not collections.hold(connection, collection.key):
        raise NotFound("The collection was deleted meanwhile.", code="collection_not_found")


def _content(
    size: int, sha256: str, at: int, *, blob_key: str | None = None, media_type: str | None = "text/plain"
) -> dict[str, JsonValue]:
    """The columns that new content sets."""
    return {
        "size": size,
        "sha256": sha256,
        "blob_key": blob_key,
        "media_type": media_type,
        "state": "queued",
        "state_detail": None,
        "updated_at": at,
    }


def _new(
    collection: Collection, draft: DocumentDraft, content: Mapping[str, JsonValue], at: int
) -> dict[str, JsonValue]:
    """The row of a new document."""
    return {
        **content,
        "id": uuid7(),
        "collection_key": collection.key,
        "external_id": draft.external_id,
        "name": draft.name,
        "reference": draft.reference,
        "tags": list(draft.tags),
        "metadata": dict(draft.metadata),
        "context": draft.context,
        "version": 1,
        "created_at": at,
    }


def _description(document: Document) -> DocumentDraft:
    return DocumentDraft(
        document.external_id,
        document.name,
        document.reference,
        document.tags,
        dict(document.metadata),
        document.context,
    )
