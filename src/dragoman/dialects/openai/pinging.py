"""Pings: comments in an event stream that keep a silent connection open."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any

from dragoman.kit.tasks import TaskOwner

PING = b": ping\n\n"
_OPTIONS_HEADER = b"sse-stream-options"


def pings_wanted(scope: Mapping[str, Any]) -> bool:
    """Whether the client did not ask to be spared (``Sse-Stream-Options: no-ping``)."""
    for name, value in scope["headers"]:
        if name == _OPTIONS_HEADER:
            return value.decode("latin-1").strip().lower() != "no-ping"
    return True


class Pinger:
    """Sends a ping whenever nothing was sent for so long, while its ``with`` lasts; costs a clock reading a chunk.

    Args:
        send: sends bytes to the client; what else is sent waits for ``spoken`` first.
    """

    def __init__(
        self, send: Callable[[bytes], Awaitable[None]], tasks: TaskOwner, *, every_seconds: float
    ) -> None:
        self._send = send
        self._tasks = tasks
        self._every_seconds = every_seconds
        self._loop = asyncio.get_running_loop()
        self._spoke_at = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._sending: asyncio.Task[None] | None = None

    async def spoken(self) -> None:
        """Notes that something is about to be sent; returns once no ping is being sent."""
        self._spoke_at = self._loop.time()
        if self._sending is not None:
            await asyncio.wait({self._sending})

    def _look(self) -> None:
        silence = self._loop.time() - self._spoke_at
        # A client that does not read gets no further pings until it has read the last one.
        if silence >= self._every_seconds and self._sending is None:
            self._sending = self._tasks.start(self._ping(), name="openai.ping")
        wait = self._every_seconds - silence if silence < self._every_seconds else self._every_seconds
        self._timer = self._loop.call_later(wait, self._look)

    async def _ping(self) -> None:
        try:
            await self._send(PING)
            self._spoke_at = self._loop.time()
        finally:
            self._sending = None

    def __enter__(self) -> None:
        self._timer = self._loop.call_later(self._every_seconds, self._look)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._sending is not None:
            self._sending.cancel()
