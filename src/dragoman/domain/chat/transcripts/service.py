"""Transcripts for callers: keep, list, change, delete, and give a copy to a colleague."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import orjson
from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.chat.transcripts import repository
from dragoman.domain.chat.transcripts.model import Transcript as Transcript
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import InvalidInput, NotFound, TooLarge
from dragoman.kit.ids import uuid7
from dragoman.kit.jsontypes import JsonObject

_MOST = 1000
_MOST_BYTES = 4 * 1024 * 1024
_LONGEST_TITLE = 200


class TranscriptsService:
    """A user's transcripts: up to 1,000 of them, each of up to 4 MiB."""

    def __init__(self, database: Database, *, clock_ms: Callable[[], int] = now_ms) -> None:
        self._database = database
        self._clock_ms = clock_ms

    async def select(self, caller: Caller) -> list[Transcript]:
        """The caller's transcripts, the latest changed first."""
        return await self._database.read(repository.select, caller, limit=_MOST)

    async def get(self, caller: Caller, transcript_id: str) -> Transcript:
        """One of the caller's.

        Raises:
            NotFound: the caller has no such transcript.
        """
        return await self._database.write(_found, caller, transcript_id)

    async def create(self, caller: Caller, title: str, turns: Sequence[JsonObject] = ()) -> Transcript:
        """A new one.

        Raises:
            InvalidInput: the title is too long, or there are too many.
            TooLarge: the turns are too much.
        """
        made = self._made(uuid7(), title, turns)
        await self._database.write(_insert, caller.user_id, made)
        return made

    async def put(self, caller: Caller, transcript_id: str, title: str, turns: Sequence[JsonObject]) -> None:
        """Replaces title and turns, or makes one with this id.

        Raises:
            InvalidInput: the title is too long, or there are too many.
            TooLarge: the turns are too much.
        """
        made = self._made(transcript_id, title, turns)

        def store(connection: Connection) -> None:
            if repository.get(connection, caller, transcript_id) is not None:
                repository.update(connection, caller, made)
            else:
                _insert(connection, caller.user_id, made)

        await self._database.write(store)

    async def rename(self, caller: Caller, transcript_id: str, title: str) -> None:
        """Changes the title.

        Raises:
            NotFound: the caller has no such transcript.
            InvalidInput: the title is too long.
        """

        def change(connection: Connection) -> None:
            found = _found(connection, caller, transcript_id)
            changed = replace(found, title=_checked_title(title), updated_at=self._clock_ms())
            repository.update(connection, caller, changed)

        await self._database.write(change)

    async def append(self, caller: Caller, transcript_id: str, turns: Sequence[JsonObject]) -> None:
        """Adds turns at the end.

        Raises:
            NotFound: the caller has no such transcript.
            TooLarge: it would be too much.
        """

        def add(connection: Connection) -> None:
            self._append(connection, caller, _found(connection, caller, transcript_id), turns)

        await self._database.write(add)

    async def append_titled(self, caller: Caller, title: str, turns: Sequence[JsonObject]) -> None:
        """Adds turns to the caller's latest transcript of the title, or makes one.

        Raises:
            InvalidInput: the title is too long, or there are too many.
            TooLarge: it would be too much.
        """
        made = self._made(uuid7(), title, turns)

        def add(connection: Connection) -> None:
            found = repository.titled(connection, caller, title)
            if found is None:
                _insert(connection, caller.user_id, made)
            else:
                self._append(connection, caller, found, turns)

        await self._database.write(add)

    async def give(self, caller: Caller, transcript_id: str, user_id: str) -> None:
        """Gives a copy to another user, who the caller has been found to know.

        Raises:
            NotFound: the caller has no such transcript.
            InvalidInput: the other has too many.
        """

        def copy(connection: Connection) -> None:
            found = _found(connection, caller, transcript_id)
            title = f"Copy of {found.title}"[:_LONGEST_TITLE]
            _insert(connection, user_id, self._made(uuid7(), title, found.turns))

        await self._database.write(copy)

    async def delete(self, caller: Caller, transcript_id: str) -> None:
        """Removes one of the caller's.

        Raises:
            NotFound: the caller has no such transcript.
        """
        if not await self._database.write(repository.delete, caller, transcript_id):
            raise _missing()

    def _made(self, transcript_id: str, title: str, turns: Sequence[JsonObject]) -> Transcript:
        now = self._clock_ms()
        return Transcript(transcript_id, _checked_title(title), list(_checked(turns)), now, now)

    def _append(
        self, connection: Connection, caller: Caller, found: Transcript, turns: Sequence[JsonObject]
    ) -> None:
        longer = _checked([*found.turns, *turns])
        repository.update(connection, caller, replace(found, turns=longer, updated_at=self._clock_ms()))


def _found(connection: Connection, caller: Caller, transcript_id: str) -> Transcript:
    found = repository.get(connection, caller, transcript_id)
    if found is None:
        raise _missing()
    return found


def _insert(connection: Connection, user_id: str, made: Transcript) -> None:
    if repository.count(connection, user_id) >= _MOST:
        raise InvalidInput(f"There are {_MOST} chats already; delete some first.", code="too_many_chats")
    repository.insert(connection, user_id, made)


def _checked(turns: Sequence[JsonObject]) -> Sequence[JsonObject]:
    try:
        size = len(orjson.dumps(list(turns)))
    except TypeError as error:
        raise InvalidInput("The chat holds something that is not JSON.") from error
    if size > _MOST_BYTES:
        raise TooLarge(f"A chat has at most {_MOST_BYTES} bytes.")
    return turns


def _checked_title(title: str) -> str:
    if len(title) > _LONGEST_TITLE:
        raise InvalidInput(f"A title has at most {_LONGEST_TITLE} characters.", param="title")
    return title


def _missing() -> NotFound:
    return NotFound("There is no chat with this id.", code="chat_not_found")
