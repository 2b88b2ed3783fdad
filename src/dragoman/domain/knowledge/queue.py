"""What is on its way into the caller's collections, what failed there, and trying it again."""

from collections.abc import Sequence

from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.roles import require
from dragoman.domain.knowledge.ingest import Ingestion
from dragoman.domain.knowledge.model import Collection, Document, DocumentState
from dragoman.domain.knowledge.repository import collections, documents
from dragoman.kit.errors import Conflict

_SHOWN = 500
UNFINISHED: tuple[DocumentState, ...] = ("queued", "parsing", "embedding")


class IngestionQueue:
    """Documents by where they stand."""

    def __init__(self, database: Database, ingestion: Ingestion) -> None:
        self._database = database
        self._ingestion = ingestion

    async def select(
        self, caller: Caller, states: Sequence[DocumentState], *, limit: int = _SHOWN
    ) -> list[tuple[Collection, Document]]:
        """Documents in one of these states in what the caller may search, the latest changed first."""

        def look(connection: Connection) -> list[tuple[Collection, Document]]:
            visible = {one.key: one for one in collections.visible(connection, caller)}
            found = documents.in_states(connection, caller, list(visible), states, limit=limit)
            return [(visible[one.collection_key], one) for one in found]

        return await self._database.read(look)

    async def retry(self, caller: Caller, collection_id: str, document_id: str) -> Document:
        """The document, which is read and indexed once more in the background.

        Raises:
            NotFound: no such collection that the caller may change, or no such document.
            Conflict: it has not failed.
        """
        require(caller, "create")

        def look(connection: Connection) -> Document:
            found = collections.get(connection, caller, collection_id, edit=True)
            return documents.get(connection, caller, found.key, document_id)

        document = await self._database.read(look)
        if document.state not in ("failed", "cancelled"):
            raise Conflict(f"The document is {document.state}; only what failed is tried again.")
        return await self._ingestion.again(document)
