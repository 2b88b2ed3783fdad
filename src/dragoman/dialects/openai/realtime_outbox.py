"""Server events on their way to the client."""

import asyncio
from collections.abc import AsyncIterator

from dragoman.dialects.openai.errors import error_body
from dragoman.dialects.openai.realtime_events import Event, event
from dragoman.kit.errors import DragomanError

_WAITING = 3000


class Outbox:
    """Takes events in their order; a client that does not read them is left."""

    def __init__(self) -> None:
        self._events: asyncio.Queue[Event | None] = asyncio.Queue(_WAITING)
        self._over = False

    def put(self, *told: Event) -> None:
        """Sends events."""
        for each in told:
            if self._over:
                return
            if self._events.full():
                self.end()
                return
            self._events.put_nowait(each)

    def fail(self, error: DragomanError, event_id: object = None) -> None:
        """Tells of an error; ``event_id`` is the client's event that it is about."""
        told = error_body(error)["error"]
        assert isinstance(told, dict)
        self.put(event("error", error={**told, "event_id": event_id}))

    def end(self) -> None:
        """Nothing comes any more; what has not been taken by a client that does not read is dropped."""
        if self._over:
            return
        self._over = True
        if self._events.full():
            while not self._events.empty():
                self._events.get_nowait()
        self._events.put_nowait(None)

    async def events(self) -> AsyncIterator[Event]:
        """The events, until the end."""
        while (told := await self._events.get()) is not None:
            yield told
