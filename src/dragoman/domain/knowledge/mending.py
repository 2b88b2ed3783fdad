"""Looks whether the index still has what the passages need, and makes anew what is lacking or damaged."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.knowledge import jobs
from dragoman.domain.knowledge.indexing import Indexing, entry_of
from dragoman.domain.knowledge.model import Collection, Document, StoredPassage
from dragoman.domain.knowledge.ports import Unfit
from dragoman.domain.knowledge.repository import collections, documents, reembeddings
from dragoman.kit.errors import DragomanError

log = structlog.get_logger(__name__)

_BATCH = 500
_PAUSE_SECONDS = 24 * 3_600.0
_LONGEST_PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Mended:
    """How many passages were looked at, and of how many words or vectors were made anew or will be."""

    passages: int = 0
    words: int = 0
    vectors: int = 0

    def plus(self, other: "Mended") -> "Mended":
        """Both together."""
        return Mended(self.passages + other.passages, self.words + other.words, self.vectors + other.vectors)


class IndexMending:
    """Compares every passage with the index, at the start and then once a day. Passages and texts are what it goes by.

    Args:
        wake: tells the job runner that there is work.
    """

    def __init__(self, *, database: Database, indexing: Indexing, wake: Callable[[], None]) -> None:
        self._database = database
        self._indexing = indexing
        self._wake = wake

    async def run(self) -> None:
        """Looks for ever; start it with ``kit.tasks``."""
        while True:
            try:
                await self.sweep()
            except DragomanError as error:
                log.error("knowledge.index_not_checked", reason=error.detail)  # noqa: TRY400 - it says what to do
            await asyncio.sleep(_PAUSE_SECONDS)

    async def sweep(self) -> Mended:
        """Looks once, in bounded steps.

        Raises:
            Unavailable: the database cannot be read; what cannot be read cannot be mended.
        """
        total, after, began = Mended(), 0, time.monotonic()
        while batch := await self._database.read(documents.passages_after, after, limit=_BATCH):
            for collection_key in sorted({passage.collection_key for passage in batch}):
                mine = [passage for passage in batch if passage.collection_key == collection_key]
                total = total.plus(await self._looked_at(collection_key, mine))
            after = batch[-1].key
            # Half of the time is left to whoever else reads.
            await asyncio.sleep(min(time.monotonic() - began, _LONGEST_PAUSE_SECONDS))
            began = time.monotonic()
        if total.words or total.vectors:
            log.warning("knowledge.index_mended", words=total.words, vectors=total.vectors)
            self._wake()
        return total

    async def _looked_at(self, collection_key: int, passages: Sequence[StoredPassage]) -> Mended:
        unfit = await self._database.read(self._unfit, collection_key, passages)
        if unfit.words or unfit.vectors:
            # Asked again inside the transaction, as others may have been at work meanwhile.
            unfit = await self._database.write(self._mend, collection_key, passages)
        return Mended(len(passages), len(unfit.words), len(unfit.vectors))

    def _unfit(self, connection: Connection, collection_key: int, passages: Sequence[StoredPassage]) -> Unfit:
        alive = documents.existing(connection, [passage.key for passage in passages])
        embedded = documents.embedded(connection, sorted(alive))
        space = self._space(connection, collections.by_key(connection, collection_key))
        return self._indexing.index.unfit(
            connection, collection_key, sorted(alive), embedded if space is not None else (), space or 0
        )

    def _mend(self, connection: Connection, collection_key: int, passages: Sequence[StoredPassage]) -> Unfit:
        collections.hold(connection, collection_key)
        unfit = self._unfit(connection, collection_key, passages)
        lacking = [passage for passage in passages if passage.key in unfit.words | unfit.vectors]
        names = {key: found.name for key, found in _owners(connection, lacking).items()}
        entries = {one.key: entry_of(one, names.get(one.document_key, "")) for one in lacking}
        index = self._indexing.index
        index.add_text(connection, [entries[key] for key in sorted(unfit.words)])
        if unfit.vectors:
            space = self._space(connection, collections.by_key(connection, collection_key)) or 0
            keys = sorted(unfit.vectors)
            kept, vectors = index.vectors_of(connection, keys, space)
            index.forget_damaged(connection, collection_key, keys, space)
            if kept:
                index.add_vectors(connection, [entries[key] for key in kept], vectors, space)
            self._make_again(connection, [one for one in lacking if one.key in unfit.vectors - set(kept)])
        return unfit

    @staticmethod
    def _make_again(connection: Connection, passages: Sequence[StoredPassage]) -> None:
        """Has vectors made of passages whose own are lost."""
        documents.unembed(connection, [passage.key for passage in passages])
        owners = _owners(connection, passages)
        for document in owners.values():
            documents.change(connection, document.key, state="embedding")
        jobs.enqueue_embed(connection, list(owners.values()))

    @staticmethod
    def _space(connection: Connection, collection: Collection | None) -> int | None:
        if collection is None or collection.embedder is None:
            return None
        return reembeddings.space(connection, collection.embedder)


def _owners(connection: Connection, passages: Sequence[StoredPassage]) -> dict[int, Document]:
    return documents.by_keys(connection, {passage.document_key for passage in passages})
