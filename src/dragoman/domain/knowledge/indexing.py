"""What happens to the index inside one transaction: passages in, passages out, a whole collection out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.inference.ports import EmbedderProfile
from dragoman.domain.knowledge.chunk import ChunkedDocument, embedding_text
from dragoman.domain.knowledge.model import Document, StoredPassage
from dragoman.domain.knowledge.ports import IndexEntry, PassageIndex
from dragoman.domain.knowledge.repository import collections, documents, reembeddings

DELETED_AT_ONCE = 200


def entry_of(passage: StoredPassage, document_name: str) -> IndexEntry:
    """The passage as the index stores it: with its document's name and headings, so that these words find it too."""
    return IndexEntry(
        passage.key,
        passage.collection_key,
        passage.document_key,
        embedding_text(passage.text, passage.heading_path, document_name),
    )


@dataclass(frozen=True, slots=True)
class Indexing:
    """Writes passages and their index entries together."""

    index: PassageIndex

    def replace(
        self, connection: Connection, document: Document, chunked: ChunkedDocument, *, embeds: bool, at: int
    ) -> None:
        """Puts a document's new text and passages in the place of the old ones; findable by words when it returns."""
        self.forget_passages(connection, document)
        documents.put_text(
            connection,
            document.key,
            text=chunked.text,
            page_starts=chunked.page_starts,
            warnings=chunked.warnings,
        )
        stored = documents.add_passages(connection, document.collection_key, document.key, chunked.passages)
        self.index.add_text(connection, [entry_of(passage, document.name) for passage in stored])
        pages = {number for number, _ in chunked.page_starts if number is not None}
        finished = not stored or not embeds
        documents.change(
            connection,
            document.key,
            state="indexed" if finished else "embedding",
            state_detail="; ".join(chunked.warnings) or None,
            page_count=len(pages) or None,
            passage_count=len(stored),
            embedded_count=0,
            token_count=sum(draft.token_count for draft in chunked.passages),
            indexed_at=at if finished else None,
        )

    def forget_passages(self, connection: Connection, document: Document) -> None:
        """Takes a document's passages out of the index and the table."""
        old = documents.passages_of(connection, document.key)
        if old:
            self.index.remove(connection, [entry_of(passage, document.name) for passage in old])
            documents.delete_passages(connection, document.key)

    def delete_document(self, connection: Connection, document: Document) -> None:
        """Removes a document with all that belongs to it, but its stored file."""
        self.forget_passages(connection, document)
        documents.delete(connection, document.key)

    def delete_documents(
        self, connection: Connection, collection_key: int, *, reader: Caller | None = None
    ) -> list[str]:
        """Removes up to a bounded number of a collection's documents; gives their file keys, or nothing when none are left."""
        collections.hold(connection, collection_key)
        batch = documents.keys_after(connection, collection_key, 0, limit=DELETED_AT_ONCE, reader=reader)
        for document in batch:
            self.delete_document(connection, document)
        return [document.blob_key or "" for document in batch]

    def store_vectors(
        self,
        connection: Connection,
        passages: Sequence[StoredPassage],
        names: Sequence[str],
        vectors: NDArray[np.float32],
        *,
        profile: EmbedderProfile,
        at: int,
    ) -> None:
        """Adds vectors of passages that still exist and settles their documents' states.

        Where another embedder has become the collection's meanwhile, its vectors are there or follow; these are not wanted.
        """
        mine = {
            collection_key
            for collection_key in sorted({passage.collection_key for passage in passages})
            if collections.hold(connection, collection_key)
            and reembeddings.claim(connection, collection_key, profile.fingerprint)
        }
        wanted = [passage.key for passage in passages if passage.collection_key in mine]
        kept = self._put_vectors(connection, passages, names, vectors, wanted=wanted, profile=profile, at=at)
        documents.mark_embedded(connection, kept)
        documents.settle(connection, sorted({passage.document_key for passage in passages}), at=at)

    def store_beside(
        self,
        connection: Connection,
        passages: Sequence[StoredPassage],
        names: Sequence[str],
        vectors: NDArray[np.float32],
        *,
        profile: EmbedderProfile,
        at: int,
    ) -> None:
        """Adds vectors of one collection's passages beside those in use, while it is on its way to that embedder."""
        collection_key = passages[0].collection_key
        collections.hold(connection, collection_key)
        way = reembeddings.under(connection, [collection_key]).get(collection_key)
        if way is None or way.fingerprint != profile.fingerprint:
            return
        wanted = [passage.key for passage in passages]
        kept = set(
            self._put_vectors(connection, passages, names, vectors, wanted=wanted, profile=profile, at=at)
        )
        reembeddings.arrived(connection, [passage for passage in passages if passage.key in kept])

    def _put_vectors(
        self,
        connection: Connection,
        passages: Sequence[StoredPassage],
        names: Sequence[str],
        vectors: NDArray[np.float32],
        *,
        wanted: Sequence[int],
        profile: EmbedderProfile,
        at: int,
    ) -> list[int]:
        """Puts vectors in the embedder's own space; gives the passages that still exist."""
        alive = documents.existing(connection, wanted)
        kept = [position for position, passage in enumerate(passages) if passage.key in alive]
        if not kept:
            return []
        space = reembeddings.space_for(connection, profile, at=at)
        self.index.prepare(connection, profile.dimensions, space)
        entries = [entry_of(passages[position], names[position]) for position in kept]
        self.index.add_vectors(connection, entries, vectors[kept], space)
        return [passages[position].key for position in kept]

    def forget_vectors(self, connection: Connection, collection_key: int) -> None:
        """Forgets a collection's vectors; its words stay findable."""
        self.index.remove_vectors(connection, collection_key)
        reembeddings.forget(connection, collection_key)
        collections.set_embedder(connection, collection_key, None)
        documents.forget_vectors(connection, collection_key)
