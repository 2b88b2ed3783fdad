"""Noticing that a client has hung up while its answer is being made; over plain ASGI."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from types import TracebackType
from typing import Any, TypeVar

from dragoman.kit.errors import DeadlineExceeded
from dragoman.kit.tasks import TaskOwner

R = TypeVar("R")

# Most answers are out by then, and need no second task.
_GRACE_SECONDS = 0.25
_DEADLINE_SECONDS = 3600.0


class ClientGone(Exception):
    """The client hung up; nobody is there to read an answer."""


class Presence:
    """Cancels the work inside its ``with`` when the client hangs up, or when the deadline is over.

    A hang-up ends the block quietly, since nobody is left to answer.
    """

    def __init__(
        self,
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        tasks: TaskOwner,
        *,
        deadline_seconds: float,
    ) -> None:
        self._receive = receive
        self._tasks = tasks
        self._deadline_seconds = deadline_seconds
        self._task: asyncio.Task[Any] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._watch: asyncio.Task[None] | None = None
        self._gone = False
        self._late = False

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        self._task = asyncio.current_task(loop)
        self._timer = loop.call_later(_GRACE_SECONDS, self._start)

    def _start(self) -> None:
        self._watch = self._tasks.start(self._wait(), name="http.presence")

    async def _wait(self) -> None:
        assert self._task is not None
        try:
            async with asyncio.timeout(self._deadline_seconds):
                while (await self._receive())["type"] != "http.disconnect":
                    pass
            self._gone = True
        except TimeoutError:
            self._late = True
        self._task.cancel()

    def release(self) -> None:
        """Stops watching; the answer is complete."""
        if self._timer is not None:
            self._timer.cancel()
        if self._watch is not None:
            self._watch.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self.release()
        if not isinstance(error, asyncio.CancelledError) or not (self._gone or self._late):
            return False
        assert self._task is not None
        self._task.uncancel()
        if self._late:
            raise DeadlineExceeded("The answer took longer than this server allows.") from error
        return True


async def while_connected(
    receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
    work: Awaitable[R],
    *,
    deadline_seconds: float = _DEADLINE_SECONDS,
) -> R:
    """The work's result; the work is cancelled when the client hangs up first.

    The request's body has been read. Errors of the work come through as they are.

    Raises:
        ClientGone: the client hung up.
        DeadlineExceeded: the work took too long.
    """
    watch = TaskOwner()
    try:
        with Presence(receive, watch, deadline_seconds=deadline_seconds):
            return await work
    finally:
        await watch.close()
    raise ClientGone
