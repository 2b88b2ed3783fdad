"""Calls that go from an event loop to a thread with a connection, and how their results come back."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Any

import structlog
from sqlalchemy import Connection

log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class Call:
    """One function to run over a connection. After it ran, ``error`` or ``result`` is set."""

    fn: Callable[..., Any]
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any] = field(init=False)
    context: Context = field(init=False, default_factory=copy_context)
    result: Any = None
    error: BaseException | None = None

    def __post_init__(self) -> None:
        self.future = self.loop.create_future()

    def run(self, connection: Connection) -> None:
        """Runs the function in the caller's context and keeps its result."""
        self.result = self.context.run(self.fn, connection, *self.args, **self.kwargs)

    def fail(self, error: BaseException) -> None:
        """Keeps the error in place of a result."""
        self.result = None
        # A future refuses StopIteration, which would end the coroutine that awaits it in silence.
        if isinstance(error, StopIteration):
            wrapped = RuntimeError("the function raised StopIteration")
            wrapped.__cause__ = error
            error = wrapped
        self.error = error


def deliver(calls: Iterable[Call]) -> None:
    """Hands results to the waiting callers; each event loop is woken once however many calls it has."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Call]] = {}
    for call in calls:
        by_loop.setdefault(call.loop, []).append(call)
    for loop, mine in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve, mine)
        except RuntimeError:
            log.warning("database.caller_gone", calls=len(mine))


def _resolve(calls: list[Call]) -> None:
    for call in calls:
        if call.future.done():
            continue
        if call.error is not None:
            call.future.set_exception(call.error)
        else:
            call.future.set_result(call.result)
