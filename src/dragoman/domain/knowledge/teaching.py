"""What reading a file into a collection costs its owner, in tokens of the embedder."""

import uuid
from collections.abc import Sequence

from anyio import to_thread
from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.inference.embed import EmbedService
from dragoman.domain.inference.tokenize import TokenCounter
from dragoman.domain.knowledge.jobs import IngestionWork
from dragoman.domain.knowledge.model import Collection, Document
from dragoman.domain.knowledge.repository import collections, documents
from dragoman.domain.messages.events import Usage
from dragoman.domain.usage.meter import Meter, UsageContext
from dragoman.kit.clock import now_ms

_DIALECT = "native"
_NO_EMBEDDER = "none"


class CountedIngestion:
    """Carries out the jobs of ingestion and records what files teach, once for each version of a document."""

    def __init__(
        self,
        work: IngestionWork,
        database: Database,
        *,
        meter: Meter,
        counter: TokenCounter,
        embed: EmbedService,
    ) -> None:
        self._work = work
        self._database = database
        self._meter = meter
        self._counter = counter
        self._embed = embed

    async def read_file(self, document_key: int, version: int) -> None:
        """Reads an uploaded file and records its tokens as taught by the collection's owner."""
        await self._work.read_file(document_key, version)
        collection, document, text = await self._database.read(_taught, document_key)
        if collection is None or document is None or document.version != version or not text:
            return
        profile = self._embed.profile
        model = profile.name if profile is not None else _NO_EMBEDDER
        counted = await self._counter.total([text], model)
        usage = Usage(prompt_tokens=counted.tokens, estimated=counted.estimated)
        context = _context(collection, document)
        await to_thread.run_sync(lambda: self._meter.record(context, model=model, usage=usage, status=200))

    async def index_texts(self, wanted: Sequence[tuple[int, int]]) -> None:
        """Cuts and indexes texts; who gave them has counted them."""
        await self._work.index_texts(wanted)

    async def embed(self, document_keys: Sequence[int]) -> None:
        """Makes the vectors that these documents' passages still lack."""
        await self._work.embed(document_keys)

    async def fail(self, document_key: int, version: int, reason: str) -> None:
        """Marks a document failed with the reason, unless it has changed meanwhile."""
        await self._work.fail(document_key, version, reason)


def _taught(connection: Connection, document_key: int) -> tuple[Collection | None, Document | None, str]:
    """A document that was read, its collection and its text."""
    document = documents.by_keys(connection, [document_key]).get(document_key)
    if document is None or not document.passage_count:
        return None, document, ""
    return (
        collections.by_key(connection, document.collection_key),
        document,
        documents.text(connection, document_key),
    )


def _context(collection: Collection, document: Document) -> UsageContext:
    owner = Caller(collection.organisation_id, collection.owner_id, collection.owner_number, "", "owner")
    # A job may run twice; records of one id count once.
    record_id = uuid.uuid5(uuid.UUID(document.id), f"taught {document.version}")
    return UsageContext(
        caller=owner,
        dialect=_DIALECT,
        kind="ingest",
        started_at=now_ms(),
        request_id=str(record_id),
        counts=False,
    )
