"""An answer as a stream over plain ASGI: pings in silence, an error in its own status while nothing was sent."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import orjson
import structlog

from dragoman.kit.errors import DragomanError

log = structlog.get_logger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
EVENT_STREAM = "text/event-stream; charset=utf-8"
SILENT_PING = b": ping\n\n"


@dataclass(frozen=True, slots=True)
class Wording:
    """How one vocabulary words the parts of a stream that every stream has.

    ``refused`` gives status, headers and body of an error before the first piece; ``failed`` the piece for one
    behind it; ``ended`` closes every stream.
    """

    refused: Callable[[DragomanError], tuple[int, Mapping[str, str], Mapping[str, object]]]
    failed: Callable[[DragomanError], bytes]
    ended: bytes = b""
    ping: bytes = SILENT_PING
    media_type: str = EVENT_STREAM


class _GoneError(Exception):
    """The client hung up."""


def _no_headers() -> Mapping[str, str]:
    return {}


class EventStream:
    """Sends pieces as they come, then the terminator.

    The status is decided by what comes first: a piece, an error, or so much silence that a ping is due. A
    client that hangs up ends the work.

    Args:
        pieces: closed whatever happens.
        headers: asked for when the answer begins; None while they are not known, so that no ping begins it.
        ping_seconds: silence after which a ping is sent; None sends none.
    """

    def __init__(
        self,
        pieces: AsyncGenerator[bytes],
        wording: Wording,
        *,
        headers: Callable[[], Mapping[str, str] | None] = _no_headers,
        ping_seconds: float | None,
    ) -> None:
        self._pieces = pieces
        self._wording = wording
        self._own_headers = headers
        self._ping_seconds = ping_seconds
        self._begun = False
        self._spoke_at = 0.0
        self._sending = asyncio.Lock()

    async def __call__(self, scope: object, receive: Receive, send: Send) -> None:
        """Answers the request; ``scope`` is not looked at."""
        self._spoke_at = asyncio.get_running_loop().time()
        try:
            async with asyncio.TaskGroup() as group:
                others = [group.create_task(_until_gone(receive))]
                if self._ping_seconds is not None:
                    others.append(group.create_task(self._ping(send, self._ping_seconds)))
                await self._answer(send)
                for other in others:
                    other.cancel()
        except* _GoneError:
            log.info("stream.client_gone")

    async def _answer(self, send: Send) -> None:
        async with aclosing(self._pieces):
            try:
                async for piece in self._pieces:
                    await self._say(send, piece)
            except DragomanError as error:
                log.warning("stream.failed", code=error.code, status=error.status)
                if await self._refused(send, error):
                    return
                await self._say(send, self._wording.failed(error))
            await self._say(send, self._wording.ended, more=False)

    async def _refused(self, send: Send, error: DragomanError) -> bool:
        """Whether nothing was said yet, so that the error is the whole answer."""
        async with self._sending:
            if self._begun:
                return False
            self._begun = True
            status, headers, body = self._wording.refused(error)
            encoded = orjson.dumps(body)
            lines = {**headers, "content-type": "application/json", "content-length": str(len(encoded))}
            await send({"type": "http.response.start", "status": status, "headers": _raw(lines)})
            await send({"type": "http.response.body", "body": encoded, "more_body": False})
            return True

    async def _say(self, send: Send, data: bytes, *, more: bool = True) -> None:
        async with self._sending:
            if not self._begun:
                self._begun = True
                lines = {
                    "content-type": self._wording.media_type,
                    "cache-control": "no-cache",
                    "x-accel-buffering": "no",
                    **(self._own_headers() or {}),
                }
                await send({"type": "http.response.start", "status": 200, "headers": _raw(lines)})
            await send({"type": "http.response.body", "body": data, "more_body": more})
            self._spoke_at = asyncio.get_running_loop().time()

    async def _ping(self, send: Send, every_seconds: float) -> None:
        loop = asyncio.get_running_loop()
        while True:
            silence = loop.time() - self._spoke_at
            if silence >= every_seconds:
                if self._begun or self._own_headers() is not None:
                    await self._say(send, self._wording.ping)
                silence = 0.0
            await asyncio.sleep(every_seconds - silence)


def _raw(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("ascii"), value.encode("latin-1")) for name, value in headers.items()]


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    raise _GoneError
