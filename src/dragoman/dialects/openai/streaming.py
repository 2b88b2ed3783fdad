"""An answer as server-sent events: pings in silence, an error in its own status while nothing was sent."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing

import structlog
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from dragoman.dialects.openai.encode import DONE, frame
from dragoman.dialects.openai.errors import error_body, render
from dragoman.dialects.openai.pinging import PING
from dragoman.kit.errors import DragomanError

log = structlog.get_logger(__name__)


_HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",
}


class _GoneError(Exception):
    """The client hung up."""


class EventStream(Response):
    """Sends frames as they come, then the terminator.

    The status is decided by what comes first: a frame, an error, or so much silence that a ping is due. A
    client that hangs up ends the work.

    Args:
        frames: closed whatever happens.
        headers: asked for when the answer begins; None while they are not known, so that no ping begins it.
        ping_seconds: silence after which a ping is sent; None sends none.
    """

    def __init__(
        self,
        frames: AsyncGenerator[bytes],
        *,
        headers: Callable[[], Mapping[str, str] | None],
        ping_seconds: float | None,
    ) -> None:
        super().__init__()
        self._frames = frames
        self._own_headers = headers
        self._ping_seconds = ping_seconds
        self._begun = False
        self._spoke_at = 0.0
        self._sending = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._spoke_at = asyncio.get_running_loop().time()
        try:
            async with asyncio.TaskGroup() as group:
                others = [group.create_task(_until_gone(receive))]
                if self._ping_seconds is not None:
                    others.append(group.create_task(self._ping(send, self._ping_seconds)))
                await self._answer(scope, receive, send)
                for other in others:
                    other.cancel()
        except* _GoneError:
            log.info("chat.client_gone")

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._frames):
            try:
                async for piece in self._frames:
                    await self._say(send, piece)
            except DragomanError as error:
                log.warning("chat.stream_failed", code=error.code, status=error.status)
                async with self._sending:
                    if not self._begun:
                        self._begun = True
                        status, headers, body = render(error)
                        await JSONResponse(body, status, headers)(scope, receive, send)
                        return
                await self._say(send, frame(error_body(error)))
            await self._say(send, DONE, more=False)

    async def _say(self, send: Send, data: bytes, *, more: bool = True) -> None:
        async with self._sending:
            if not self._begun:
                self._begun = True
                lines = {**_HEADERS, **(self._own_headers() or {})}
                raw = [(name.encode("ascii"), value.encode("latin-1")) for name, value in lines.items()]
                await send({"type": "http.response.start", "status": 200, "headers": raw})
            await send({"type": "http.response.body", "body": data, "more_body": more})
            self._spoke_at = asyncio.get_running_loop().time()

    async def _ping(self, send: Send, every_seconds: float) -> None:
        loop = asyncio.get_running_loop()
        while True:
            silence = loop.time() - self._spoke_at
            if silence >= every_seconds:
                if self._begun or self._own_headers() is not None:
                    await self._say(send, PING)
                silence = 0.0
            await asyncio.sleep(every_seconds - silence)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    raise _GoneError
