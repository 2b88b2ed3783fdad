"""Reading, checking and redacting the audit chains: for the operator, and of one organisation for who administers it."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts.audit import repository
from dragoman.domain.accounts.audit.chain import REDACTED, Event, Head, Problem, Walk
from dragoman.domain.accounts.audit.record import record, record_by_operator
from dragoman.domain.accounts.audit.repository import EventFilter as EventFilter
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.roles import require
from dragoman.kit.errors import InvalidInput, NotFound

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Chain:
    """An organisation's chain as it was checked. ``head`` is None when nothing was recorded yet."""

    organisation_id: str
    organisation: str
    head: Head | None
    problem: Problem | None


class AuditLog:
    """All chains of the server.

    Args:
        key: what ends of chains are sealed with.
    """

    def __init__(self, database: Database, key: bytes) -> None:
        self._database = database
        self._key = key

    async def verify(self, organisation: str | None = None) -> list[Chain]:
        """Every chain, or that of one organisation, with the first thing that is wrong with it.

        Raises:
            NotFound: there is no such organisation.
        """
        return [
            Chain(found_id, name, head, await self._problem(found_id, head, last))
            for found_id, name, head, last in await self._chains(organisation)
        ]

    async def _chains(self, organisation: str | None) -> list[tuple[str, str, Head | None, int]]:
        found = await self._database.read(repository.chains)
        chosen = [chain for chain in found if organisation in (None, chain[0], chain[1])]
        if organisation is not None and not chosen:
            raise NotFound(f"There is no organisation {organisation!r}.", code="organisation_not_found")
        return chosen

    async def _problem(self, organisation_id: str, head: Head | None, last: int) -> Problem | None:
        if head is None:
            if last == 0:
                return None
            return Problem(organisation_id, last, "head_missing", "the end of the chain is gone")
        # What was added behind the end is looked at only as far as it was there when the end was read.
        walk, after, until = Walk(head, self._key), 0, max(head.number, last)
        while after < until:
            page = await self._database.read(repository.events, organisation_id, after=after, limit=_PAGE)
            page = [event for event in page if event.number <= until]
            problem = walk.take(page)
            if problem is not None:
                return problem
            if not page:
                break
            after = page[-1].number
        return walk.end()

    async def hash_of(self, organisation: str, number: int) -> str | None:
        """The hash of one event, None when there is no such event.

        Raises:
            NotFound: there is no such organisation.
        """
        ((organisation_id, *_),) = await self._chains(organisation)
        found = await self._database.read(repository.events, organisation_id, after=number - 1, limit=1)
        return found[0].hash if found and found[0].number == number else None

    async def tail(self, organisation: str | None, count: int) -> list[Event]:
        """The last events of one organisation, or of all together, in the order of time.

        Raises:
            NotFound: there is no such organisation.
        """
        found: list[Event] = []
        for organisation_id, *_ in await self._chains(organisation):
            found += await self._database.read(repository.latest, organisation_id, count)
        found.sort(key=lambda event: (event.at, event.organisation_id, event.number))
        return found[max(0, len(found) - count) :]

    async def search(self, caller: Caller, wanted: EventFilter) -> list[Event]:
        """The events of the caller's organisation that match, the latest first.

        Raises:
            Forbidden: the caller does not administer the organisation.
        """
        require(caller, "manage")
        return await self._database.read(repository.search, caller.organisation_id, wanted)

    async def checked(self, caller: Caller) -> Chain:
        """The chain of the caller's organisation, checked.

        Raises:
            Forbidden: the caller does not administer the organisation.
        """
        require(caller, "manage")
        found = await self.verify(caller.organisation_id)
        return next(chain for chain in found if chain.organisation_id == caller.organisation_id)

    def exported(self, caller: Caller) -> AsyncIterator[Event]:
        """Every event of the caller's organisation.

        Raises:
            Forbidden: the caller does not administer the organisation.
        """
        require(caller, "manage")
        return self._exported(caller)

    async def _exported(self, caller: Caller) -> AsyncIterator[Event]:
        await self._database.write(record, caller, "audit.exported", "audit")
        async for event in self.export(caller.organisation_id):
            yield event

    async def export(self, organisation: str | None = None) -> AsyncIterator[Event]:
        """Every event, one organisation after the other.

        Raises:
            NotFound: there is no such organisation.
        """
        for organisation_id, *_ in await self._chains(organisation):
            after = 0
            while page := await self._database.read(
                repository.events, organisation_id, after=after, limit=_PAGE
            ):
                for event in page:
                    yield event
                after = page[-1].number

    async def redact(self, organisation: str, numbers: Sequence[int], reason: str) -> list[int]:
        """The numbers of the events whose content is gone now; the chain stays whole and says so.

        Raises:
            NotFound: there is no such organisation, or none of these events with content.
            InvalidInput: no reason was given.
        """
        if not reason.strip():
            raise InvalidInput("A redaction needs a reason, which is recorded.", param="reason")
        ((organisation_id, *_),) = await self._chains(organisation)

        def change(connection: Connection) -> list[int]:
            gone = repository.redact(connection, organisation_id, numbers)
            if not gone:
                raise NotFound("There are no such events that still have content.", code="event_not_found")
            record_by_operator(connection, organisation_id, REDACTED, "audit", numbers=[*gone], reason=reason)
            return gone

        return await self._database.write(change)
