"""Collections for callers: create, list, change, label, empty and delete."""

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.db.locks import lock_alone
from dragoman.domain.accounts.audit import record as audit
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.roles import require
from dragoman.domain.accounts.versions import Versions
from dragoman.domain.knowledge.indexing import DELETED_AT_ONCE, Indexing
from dragoman.domain.knowledge.ingest import Ingestion
from dragoman.domain.knowledge.model import Collection, DocumentCounts, Visibility
from dragoman.domain.knowledge.ports import BlobStore
from dragoman.domain.knowledge.repository import collections
from dragoman.domain.labels.service import TOPIC as LABELS
from dragoman.domain.labels.service import LabelsService
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import Conflict
from dragoman.kit.ids import uuid7


class CollectionsService:
    """What a dialect may do with collections as a whole."""

    def __init__(
        self,
        *,
        database: Database,
        indexing: Indexing,
        ingestion: Ingestion,
        blobs: BlobStore,
        labels: LabelsService | None = None,
    ) -> None:
        self._database = database
        self._indexing = indexing
        self._ingestion = ingestion
        self._blobs = blobs
        self._labels = labels
        if labels is not None:
            labels.count_in(self._labelled)

    async def create(
        self,
        caller: Caller,
        name: str,
        *,
        context: str | None = None,
        tags: tuple[str, ...] = (),
        visibility: Visibility = "private",
        label: str | None = None,
        alone: bool = False,
    ) -> Collection:
        """A new, empty collection owned by the caller.

        Raises:
            Conflict: it is to be ``alone`` under its name, and the caller has one of that name (``collection_name_taken``).
        """
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
            if alone:
                lock_alone(connection, f"collections of {caller.user_id}")
                if collections.owns(connection, caller, name):
                    raise Conflict(f"There is a collection {name!r} already.", code="collection_name_taken")
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

    async def visible(self, caller: Caller) -> list[Collection]:
        """Every collection the caller may search."""
        return await self._database.read(collections.visible, caller)

    async def stored_bytes(self, caller: Caller) -> int:
        """The size of all documents in the caller's own collections."""
        return await self._database.read(collections.stored_bytes, caller)

    async def get(self, caller: Caller, collection_id: str) -> Collection:
        """One collection.

        Raises:
            NotFound: no such collection for this caller.
        """
        return await self._database.read(collections.get, caller, collection_id)

    async def among(self, caller: Caller, ids: Sequence[str]) -> list[Collection]:
        """Those of these collections that the caller may search, in the order of the ids."""
        return await self._database.read(collections.among, caller, ids)

    async def named(self, caller: Caller, name: str) -> list[Collection]:
        """The caller's visible collections of that name, own ones first."""
        return await self._database.read(collections.named, caller, name)

    async def counts(self, caller: Caller, found: Sequence[Collection]) -> dict[int, DocumentCounts]:
        """How many documents the caller may see, by collection key."""
        return await self._database.read(collections.counts, caller, [collection.key for collection in found])

    async def update(
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

    async def delete(self, caller: Caller, collection_id: str) -> None:
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

    async def reset(self, caller: Caller, collection_id: str) -> None:
        """Removes all documents that the caller may see and keeps the collection.

        Raises:
            NotFound: no such collection that the caller may change.
        """
        require(caller, "create")
        found = await self._editable(caller, collection_id)
        await self._database.write(audit.record, caller, "collection.emptied", collection_id, name=found.name)
        await self._empty(found.key, reader=caller)

    async def reindex(self, caller: Caller, collection_id: str) -> None:
        """Drops the vectors and makes them anew in the background; words stay findable meanwhile.

        Raises:
            NotFound: no such collection that the caller may change.
        """
        require(caller, "create")
        found = await self._editable(caller, collection_id)
        await self._ingestion.reembed(found.key)
        await self._database.write(audit.record, caller, "collection.reindexed", collection_id)

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
