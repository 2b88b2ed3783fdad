"""Takes an organisation off the server: first tells what there is of it, then removes it in steps."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts import repository as accounts
from dragoman.domain.accounts.audit.chain import Event
from dragoman.domain.accounts.audit.record import record_by_operator
from dragoman.domain.accounts.audit.service import AuditLog
from dragoman.domain.accounts.tenants.service import Organisation
from dragoman.domain.accounts.versions import CHECK_SECONDS
from dragoman.domain.knowledge.clearing import clear_collection
from dragoman.domain.knowledge.indexing import Indexing
from dragoman.domain.knowledge.ports import BlobStore
from dragoman.domain.labels.service import TOPIC as LABELS_TOPIC
from dragoman.domain.moving import repository as moving
from dragoman.domain.moving.removal import repository
from dragoman.domain.usage.budgets.service import TOPIC as BUDGETS_TOPIC
from dragoman.domain.usage.limits.service import TOPIC as LIMITS_TOPIC
from dragoman.kit.errors import Conflict, NotFound

_TOPICS = (accounts.KEYS_TOPIC, LABELS_TOPIC, BUDGETS_TOPIC, LIMITS_TOPIC)
# Until every process has seen that the users are locked out.
_SEEN_SECONDS = 2 * CHECK_SECONDS
_TRIES = 5
Keep = Callable[[AsyncIterator[Event]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Removed:
    """What was removed. ``events`` and ``head``: number and hash of the last event of its audit."""

    organisation_id: str
    organisation: str
    rows: dict[str, int]
    files: int
    folders: int
    events: int
    head: str
    webhooks: list[str]


class Removal:
    """Removes organisations. Asked again after it was cut short, it goes on where it was.

    Args:
        part: tells messaging services of an organisation; gives a sentence for each.
        forget_folders: removes the files that programs have left for a user; gives how many folders.
    """

    def __init__(
        self,
        *,
        database: Database,
        indexing: Indexing,
        blobs: BlobStore,
        audit: AuditLog,
        part: Callable[[str], Awaitable[list[str]]],
        forget_folders: Callable[[str], Awaitable[int]],
    ) -> None:
        self._database = database
        self._indexing = indexing
        self._blobs = blobs
        self._audit = audit
        self._part = part
        self._forget_folders = forget_folders

    async def look(self, organisation_id: str) -> tuple[dict[str, int], int]:
        """How many rows by table, and how many stored files there are of it."""
        rows = await self._database.read(repository.counts, organisation_id)
        return rows, len(await self._database.read(moving.stored_files, organisation_id))

    async def remove(self, organisation: Organisation, *, home: str, keep: Keep | None) -> Removed:
        """Removes an organisation with everything that is its own.

        Args:
            home: the organisation whose audit tells of it.
            keep: what keeps the events of its audit; called anew when one is added meanwhile.

        Raises:
            Conflict: something goes on being added to it.
            Unavailable: something cannot be reached; ask again.
        """
        found = organisation.id
        rows = await self._database.write(self._locked_out, found)
        await asyncio.sleep(_SEEN_SECONDS)
        webhooks = await self._part(found)
        # Before the rows that name them, so that whoever goes on with this knows of them.
        blobs = await self._database.read(moving.stored_files, found)
        for blob in blobs:
            await self._blobs.delete(blob)
        await self._without_collections(found)
        people = list(await self._database.read(moving.people, found))
        folders = await self._without_folders(people)
        for name in repository.STEPS:
            while await self._database.write(repository.remove_some, name, found):
                pass
        number, head = await self._ended(organisation, home, keep, rows)
        folders += await self._without_folders(people)
        return Removed(found, organisation.name, rows, len(blobs), folders, number, head, webhooks)

    async def _without_collections(self, organisation_id: str) -> None:
        for key in await self._database.read(repository.collections_of, organisation_id):
            await clear_collection(self._database, self._indexing, self._blobs, key)

    async def _without_folders(self, people: list[str]) -> int:
        return sum([await self._forget_folders(person) for person in people])

    @staticmethod
    def _locked_out(connection: Connection, organisation_id: str) -> dict[str, int]:
        rows = repository.counts(connection, organisation_id)
        repository.lock_out(connection, organisation_id)
        accounts.raise_version(connection, accounts.KEYS_TOPIC)
        record_by_operator(connection, organisation_id, "organisation.removing", organisation_id)
        return rows

    async def _ended(
        self, organisation: Organisation, home: str, keep: Keep | None, rows: dict[str, int]
    ) -> tuple[int, str]:
        """Removes the rest, once the audit is kept as it is then; gives its end."""
        for _ in range(_TRIES):
            await self._without_collections(organisation.id)
            end = await self._database.read(repository.end_of_chain, organisation.id)
            if keep is not None:
                await keep(self._audit.export(organisation.id))

            def remove(connection: Connection, end: tuple[int, str] = end) -> bool:
                return self._removed(connection, organisation, home, end, kept=keep is not None, rows=rows)

            if await self._database.write(remove):
                return end
        raise Conflict(
            f"Something goes on being added to {organisation.name}; its users are locked out. Ask again.",
            code="organisation_in_use",
        )

    @staticmethod
    def _removed(
        connection: Connection,
        organisation: Organisation,
        home: str,
        end: tuple[int, str],
        *,
        kept: bool,
        rows: dict[str, int],
    ) -> bool:
        """Whether nothing came in between and everything is gone now."""
        found = organisation.id
        if not repository.hold(connection, found):
            raise NotFound(f"There is no organisation {organisation.name!r}.", code="organisation_not_found")
        if repository.end_of_chain(connection, found) != end or repository.collections_of(connection, found):
            return False
        repository.remove_rest(connection, found)
        for topic in _TOPICS:
            accounts.raise_version(connection, topic)
        record_by_operator(
            connection,
            home,
            "organisation.removed",
            found,
            name=organisation.name,
            audit_kept=kept,
            events=end[0],
            head=end[1],
            removed={**rows},
        )
        return True


class LateUsage:
    """Removes usage of removed organisations that servers still had in their journals."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def sweep(self) -> int:
        """How many rows were removed."""
        return await self._database.write(repository.forget_late)
