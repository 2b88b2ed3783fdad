"""Signs of life: what comes of a long piece of work, and a sign whenever nothing has come for a while."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TypeVar

from dragoman.kit.errors import DragomanError
from dragoman.kit.tasks import TaskOwner

T = TypeVar("T")

_WAITING = 16
SILENCE_SECONDS = 10.0


async def paced(source: AsyncGenerator[T], *, seconds: float = SILENCE_SECONDS) -> AsyncGenerator[T | None]:
    """What the source gives, and None after every so many seconds of silence; closing early ends the source.

    Raises:
        DragomanError: what the source raised.
    """
    queue: asyncio.Queue[T] = asyncio.Queue(_WAITING)
    owner = TaskOwner()
    pump = owner.start(_pumped(source, queue), name="asksage.pump")
    getter: asyncio.Task[T] | None = None
    try:
        while True:
            if getter is None:
                while not queue.empty():
                    yield queue.get_nowait()
                if pump.done():
                    failure = pump.result()
                    if failure is not None:
                        raise failure
                    return
                getter = owner.start(queue.get(), name="asksage.next")
            done, _ = await asyncio.wait({getter, pump}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if getter.done():
                yield getter.result()
                getter = None
            elif pump in done:
                getter.cancel()
                getter = None
            else:
                yield None
    finally:
        await owner.close()


async def _pumped(source: AsyncGenerator[T], queue: "asyncio.Queue[T]") -> DragomanError | None:
    try:
        async with aclosing(source):
            async for item in source:
                await queue.put(item)
    except DragomanError as error:
        return error
    return None
