"""Answers under way in this process, looked after together: sessions are held for them, and those to be stopped are stopped."""

import asyncio
from collections.abc import Callable

import structlog

from dragoman.db.database import Database
from dragoman.domain.chat.repository import sessions
from dragoman.domain.chat.turn import Turn
from dragoman.kit.errors import DragomanError
from dragoman.kit.tasks import TaskOwner

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 0.5
_LOOKS_BETWEEN_RENEWALS = 10


class TurnWatch:
    """Looks at all of them at once, twice a second, for as long as there are any: one look each would be most of the work.

    Args:
        held_ms: for how long a session is held for an answer.
    """

    def __init__(
        self, database: Database, tasks: TaskOwner, *, held_ms: int, clock_ms: Callable[[], int]
    ) -> None:
        self._database = database
        self._tasks = tasks
        self._held_ms = held_ms
        self._clock_ms = clock_ms
        self._turns: dict[str, tuple[int, Turn]] = {}
        self._task: asyncio.Task[None] | None = None

    def add(self, turn: Turn, turn_id: str, session_key: int) -> None:
        """Looks after an answer until it has ended."""
        self._turns[turn_id] = (session_key, turn)
        if self._task is None or self._task.done():
            self._task = self._tasks.start(self._look_after(), name="chat.watch")

    async def _look_after(self) -> None:
        looks = 0
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            self._turns = {name: one for name, one in self._turns.items() if not one[1].ended}
            if not self._turns:
                return
            looks += 1
            try:
                await self._look(renewing=looks % _LOOKS_BETWEEN_RENEWALS == 0)
            except DragomanError as error:
                log.warning("chat.watch_failed", reason=error.detail)

    async def _look(self, *, renewing: bool) -> None:
        keys = {turn_id: key for turn_id, (key, _) in self._turns.items()}
        going_on = await self._database.read(sessions.going_on, keys)
        for turn_id in keys.keys() - going_on:
            if (gone := self._turns.pop(turn_id, None)) is not None:
                gone[1].cancel()
        if renewing and going_on:
            held = {turn_id: keys[turn_id] for turn_id in going_on}
            await self._database.write(sessions.renew_turns, held, self._clock_ms() + self._held_ms)
