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
from dragoman.domain.knowledge.model import Collection, Document
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
            for collection_key in sorted({collection_key for _, collection_key in batch}):
                mine = [key for key, found in batch if found == collection_key]
                total = total.plus(await self._looked_at(collection_key, mine))
            after, _ = batch[-1]
            # Half of the time is left to whoever else reads.
            await asyncio.sleep(min(time.monotonic() - began, _LONGEST_PAUSE_SECONDS))
            began = time.monotonic()
        if total.words or total.vectors:
            log.warning("knowledge.index_mended", words=total.words, vectors=total.vectors)
            self._wake()
        return total

    async def _looked_at(self, collection_key: int, passage_keys: Sequence[int]) -> Mended:
        unfit = await self._database.read(self._unfit, collection_key, passage_keys)
        if unfit.words or unfit.vectors:
            # Asked again inside the transaction, as others may have been at work meanwhile.
            unfit = await self._database.write(self._mend, collection_key, passage_keys)
        return Mended(len(passage_keys), len(unfit.words), len(unfit.vectors))

    def _unfit(self, connection: Connection, collection_key: int, passage_keys: Sequence[int]) -> Unfit:
        alive = documents.noted_embedded(connection, passage_keys)
        space = self._space(connection, collections.by_key(connection, collection_key))
        embedded = [key for key, noted in alive.items() if noted and space is not None]
        return self._indexing.index.unfit(connection, collection_key, list(alive), embedded, space or 0)

    def _mend(self, connection: Connection, collection_key: int, passage_keys: Sequence[int]) -> Unfit:
        collections.hold(connection, collection_key)
        unfit = self._unfit(connection, collection_key, passage_keys)
        lacking = documents.passages_by_keys(connection, sorted(unfit.words | unfit.vectors))
        owners = documents.by_keys(connection, {passage.document_key for passage in lacking.values()})
        entries = {key: entry_of(one, owners[one.document_key].name) for key, one in lacking.items()}
        index = self._indexing.index
        index.add_text(connection, [entries[key] for key in sorted(unfit.words)])
        if unfit.vectors:
            space = self._space(connection, collections.by_key(connection, collection_key)) or 0
            keys = sorted(unfit.vectors)
            kept, vectors = index.vectors_of(connection, keys, space)
            index.forget_damaged(connection, collection_key, keys, space)
            if kept:
                index.add_vectors(connection, [entries[key] for key in kept], vectors, space)
            lost = sorted(unfit.vectors - set(kept))
            of_lost = {lacking[key].document_key for key in lost}
            _make_again(connection, lost, [owners[key] for key in sorted(of_lost)])
        return unfit

    @staticmethod
    def _space(connection: Connection, collection: Collection | None) -> int | None:
        if collection is None or collection.embedder is None:
            return None
        return reembeddings.space(connection, collection.embedder)


def _make_again(connection: Connection, passage_keys: Sequence[int], owners: Sequence[Document]) -> None:
    """Has vectors made of passages whose own are lost."""
    documents.unembed(connection, passage_keys)
    for document in owners:
        documents.change(connection, document.key, state="embedding")
    jobs.enqueue_embed(connection, owners)
