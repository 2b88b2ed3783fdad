"""Memories for callers and for the tools that agents remember with."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts.audit import record as audit
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.memories import repository
from dragoman.domain.memories.model import Memory, MemoryFilter, MemoryFormat, person_of
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import InvalidInput, NotFound
from dragoman.kit.ids import uuid7

LONGEST_BYTES = 10 * 1024
MOST_DAYS = 365
_DEFAULT_DAYS = 30
_LONGEST_USER = 256
_DAY_MS = 86_400_000
_SEARCHED = 1000
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class MemoryDraft:
    """What is to be remembered of whom. ``days`` None = for ever; ``agent_id`` is who writes it.

    ``labels``: those that bind what it was made from.
    """

    external_user_id: str
    content: str
    format: MemoryFormat = "text"
    days: int | None = _DEFAULT_DAYS
    agent_id: str | None = None
    labels: tuple[str, ...] = ()


class MemoriesService:
    """What a caller may do with the memories of the people their agents talk to.

    A person is told by what stands before the first ``@`` of the external id, so that later sessions find what earlier ones
    kept.
    """

    def __init__(self, database: Database, *, clock_ms: Callable[[], int] = now_ms) -> None:
        self._database = database
        self._clock_ms = clock_ms

    async def save(self, caller: Caller, draft: MemoryDraft) -> Memory:
        """A new memory.

        Raises:
            InvalidInput: nobody to remember it of, nothing to remember, too much of it, or days out of bounds.
        """
        now = self._clock_ms()
        memory = Memory(
            id=uuid7(),
            external_user_id=draft.external_user_id,
            person=_person(draft.external_user_id),
            agent_id=draft.agent_id,
            format=draft.format,
            content=_checked_content(draft.content),
            created_at=now,
            updated_at=now,
            expires_at=_end(now, draft.days),
            labels=draft.labels,
        )

        def store(connection: Connection) -> None:
            repository.delete_expired(connection, caller, now)
            repository.insert(connection, caller, memory)

        await self._database.write(store)
        return memory

    async def get(self, caller: Caller, memory_id: str) -> Memory:
        """One memory.

        Raises:
            NotFound: the caller has no such memory, or it has expired.
        """
        found = await self._database.read(repository.get, caller, memory_id, self._clock_ms())
        if found is None:
            raise _no_memory()
        return found

    async def select(self, caller: Caller, wanted: MemoryFilter) -> list[Memory]:
        """The memories that match, newest first."""
        return await self._database.read(repository.select, caller, wanted, self._clock_ms())

    async def search(
        self, caller: Caller, external_user_id: str, query: str, *, wanted: MemoryFilter, most: int = 10
    ) -> list[Memory]:
        """The person's memories that hold words of the query, those with most of them first, then the newest.

        Without a word in the query the newest come. ``wanted`` narrows by format and agent.
        """
        wanted = replace(wanted, person=_person(external_user_id), limit=_SEARCHED, offset=0)
        found = await self.select(caller, wanted)
        words = {word.casefold() for word in _WORD.findall(query)}
        if not words:
            return found[:most]
        scored = [(sum(word in memory.content.casefold() for word in words), memory) for memory in found]
        best = sorted((pair for pair in scored if pair[0]), key=lambda pair: -pair[0])
        return [memory for _, memory in best[:most]]

    async def update(
        self,
        caller: Caller,
        memory_id: str,
        content: str,
        *,
        external_user_id: str | None = None,
        days: int | None = None,
        labels: tuple[str, ...] = (),
    ) -> Memory:
        """The memory with another content, these labels as well, and with ``days`` kept so long from now on.

        With ``external_user_id`` another person's memory is not found.

        Raises:
            NotFound: there is no such memory.
            InvalidInput: nothing to remember, too much of it, or days out of bounds.
        """
        now = self._clock_ms()
        text = _checked_content(content)

        def store(connection: Connection) -> Memory:
            before = self._of(connection, caller, memory_id, external_user_id)
            end = before.expires_at if days is None else _end(now, days)
            bound = tuple(dict.fromkeys((*before.labels, *labels)))
            changed = replace(before, content=text, expires_at=end, updated_at=now, labels=bound)
            repository.update(connection, caller, changed, now)
            return changed

        return await self._database.write(store)

    async def remove(self, caller: Caller, memory_id: str, *, external_user_id: str | None = None) -> Memory:
        """Removes one memory and gives it back; with ``external_user_id`` another person's is not found.

        Raises:
            NotFound: there is no such memory.
        """

        def store(connection: Connection) -> Memory:
            before = self._of(connection, caller, memory_id, external_user_id)
            repository.delete(connection, caller, memory_id, self._clock_ms())
            audit.record(connection, caller, "memory.deleted", memory_id)
            return before

        return await self._database.write(store)

    async def clear(self, caller: Caller, external_user_id: str, kind: MemoryFormat) -> int:
        """Removes a person's memories of one format; gives how many there were.

        Raises:
            InvalidInput: the id names nobody.
        """
        person = _person(external_user_id)

        def store(connection: Connection) -> int:
            gone = repository.delete_of_person(connection, caller, person, kind, self._clock_ms())
            audit.record(connection, caller, "memories.deleted", person, format=kind, count=gone)
            return gone

        return await self._database.write(store)

    def _of(
        self, connection: Connection, caller: Caller, memory_id: str, external_user_id: str | None
    ) -> Memory:
        found = repository.get(connection, caller, memory_id, self._clock_ms())
        if found is None or (external_user_id is not None and found.person != _person(external_user_id)):
            raise _no_memory()
        return found


def _no_memory() -> NotFound:
    return NotFound("There is no memory with this id.", code="memory_not_found")


def _person(external_user_id: str) -> str:
    person = person_of(external_user_id)
    if not person or len(external_user_id) > _LONGEST_USER or "\x00" in external_user_id:
        raise InvalidInput(
            f"A user's id has 1 to {_LONGEST_USER} characters, some of them before the first '@'.",
            param="external_user_id",
        )
    return person


def _checked_content(content: str) -> str:
    if not content.strip() or "\x00" in content:
        raise InvalidInput("There is nothing to remember.", param="content")
    if len(content.encode("utf-8", "surrogatepass")) > LONGEST_BYTES:
        raise InvalidInput(f"A memory has at most {LONGEST_BYTES} bytes.", param="content")
    return content


def _end(now: int, days: int | None) -> int | None:
    if days is None:
        return None
    if not 1 <= days <= MOST_DAYS:
        raise InvalidInput(f"A memory is kept for 1 to {MOST_DAYS} days.", param="days")
    return now + days * _DAY_MS
