"""Telling every process of an answer under way, and following one that another process makes."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any

import orjson
import structlog

from dragoman.db.database import Database
from dragoman.domain.chat.following import repository
from dragoman.domain.chat.repository import sessions
from dragoman.domain.chat.turn import Reply, Turn
from dragoman.domain.messages.events import Event, Finished
from dragoman.domain.messages.fold import Folder
from dragoman.domain.messages.stored import read_event, write_event
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import DragomanError, Unavailable

log = structlog.get_logger(__name__)

_TELL_SECONDS = 0.1
_LOOK_SECONDS = 0.15
_BATCH = 500
_KEPT_MS = 600_000
# The ending is told right after it is stored.
_ENDING_SECONDS = 5.0


def _text(body: Mapping[str, Any]) -> str:
    # One of the databases holds no NUL, and a stream of text has no use for it.
    return orjson.dumps(body).decode("utf-8", "replace").replace("\\u0000", "")


class TurnTeller:
    """Keeps the events of answers in the database while they are made, for readers in other processes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def tell(self, turn: Turn, turn_id: str) -> None:
        """Tells the whole turn to its end; a database that refuses ends the telling, not the answer."""
        try:
            last = await self._events(turn, turn_id)
            await self._write(turn_id, await self._ending(turn, last))
        except DragomanError as error:
            log.warning("chat.not_told", reason=error.detail)

    async def _events(self, turn: Turn, turn_id: str) -> int:
        waiting: dict[int, str] = {}
        last, loop = 0, asyncio.get_running_loop()
        told_at = loop.time()
        async for told in turn.events(idle_seconds=_TELL_SECONDS):
            if told is not None:
                last, event = told
                waiting[last] = _text(write_event(event))
            if waiting and (told is None or loop.time() - told_at >= _TELL_SECONDS):
                await self._write(turn_id, waiting)
                waiting, told_at = {}, loop.time()
        await self._write(turn_id, waiting)
        return last

    async def _ending(self, turn: Turn, last: int) -> dict[int, str]:
        try:
            reply = await turn.reply()
        except DragomanError as error:
            return {last + 1: _text({"failed": {"code": error.code, "detail": error.detail}})}
        except Exception:  # noqa: BLE001 - logged by the turn itself
            return {last + 1: _text({"failed": {"code": "failed", "detail": "The answer failed."}})}
        answer = reply.answer
        finished = write_event(Finished(answer.finish_reason, answer.usage, answer.model))
        ending = {"finished": finished, "cancelled": reply.cancelled, "message_id": reply.message_id}
        return {last + 1: _text({"ended": ending})}

    async def _write(self, turn_id: str, bodies: Mapping[int, str]) -> None:
        if bodies:
            await self._database.write(repository.tell, turn_id, bodies, now_ms())

    async def forget_old(self) -> int:
        """Removes what nobody follows any more; gives how much."""
        return await self._database.write(repository.forget, now_ms() - _KEPT_MS)


class RemoteTurn:
    """An answer that another process makes, as far as it has told; has what readers need of ``Turn``."""

    def __init__(self, database: Database, session_key: int, turn_id: str) -> None:
        self._database = database
        self._session_key = session_key
        self._turn_id = turn_id
        self._folder = Folder()
        self._seen = 0
        self._told: list[Event] = []
        self._ending: Mapping[str, Any] | None = None
        self._error: DragomanError | None = None
        self._gone_since: float | None = None

    @property
    def streamed(self) -> bool:
        """Whether the events can be followed."""
        return True

    def cancel(self) -> None:
        """Nothing: a reader that goes does not stop an answer that is made elsewhere."""

    async def ended_within(self, seconds: float) -> bool:
        """Whether the ending is known, waiting so long for it at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._end()
        return self._over

    async def reply(self) -> Reply:
        """The answer once it is stored.

        Raises:
            DragomanError: it failed, or the process that made it has gone.
        """
        await self._end()
        if self._error is not None:
            raise self._error
        assert self._ending is not None
        self._folder.add(read_event(self._ending["finished"]))
        return Reply(self._folder.answer(), self._ending["cancelled"], self._ending["message_id"])

    async def events(self, *, idle_seconds: float, after: int = 0) -> AsyncIterator[tuple[int, Event] | None]:
        """As ``Turn.events``."""
        place, quiet_since = after, asyncio.get_running_loop().time()
        while True:
            while place < len(self._told):
                place += 1
                yield place, self._told[place - 1]
                quiet_since = asyncio.get_running_loop().time()
            if self._over:
                return
            if not await self._look():
                if asyncio.get_running_loop().time() - quiet_since >= idle_seconds:
                    quiet_since = asyncio.get_running_loop().time()
                    yield None
                await asyncio.sleep(_LOOK_SECONDS)

    @property
    def _over(self) -> bool:
        return self._ending is not None or self._error is not None

    async def _end(self) -> None:
        while not self._over:
            if not await self._look():
                await asyncio.sleep(_LOOK_SECONDS)

    async def _look(self) -> bool:
        """Takes what is new; whether there was anything."""
        rows = await self._database.read(repository.told, self._turn_id, self._seen, limit=_BATCH)
        for number, body in rows:
            self._take(number, orjson.loads(body))
        if not rows and not self._over and not await self._goes_on():
            self._error = Unavailable(
                "The answer broke off: the process that made it has ended.", code="answer_broken_off"
            )
        return bool(rows)

    def _take(self, number: int, body: Mapping[str, Any]) -> None:
        self._seen = number
        if (failed := body.get("failed")) is not None:
            self._error = Unavailable(failed["detail"], code=failed["code"])
        elif (ended := body.get("ended")) is not None:
            self._ending = ended
        else:
            event = read_event(body)
            self._told.append(event)
            self._folder.add(event)

    async def _goes_on(self) -> bool:
        """Whether somebody still makes the answer, or will tell its ending in a moment."""
        if await self._database.read(sessions.holds, self._session_key, self._turn_id, now_ms()):
            self._gone_since = None
            return True
        now = asyncio.get_running_loop().time()
        self._gone_since = self._gone_since or now
        return now - self._gone_since < _ENDING_SECONDS
