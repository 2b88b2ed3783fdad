"""An answer as server-sent events in this dialect's wording."""

from collections.abc import AsyncGenerator, Callable, Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from dragoman.dialects.openai.encode import DONE, frame
from dragoman.dialects.openai.errors import error_body, render
from dragoman.dialects.openai.pinging import PING
from dragoman.kit import eventstream
from dragoman.kit.errors import DragomanError


def _failed(error: DragomanError) -> bytes:
    return frame(error_body(error))


COMPLETIONS = eventstream.Wording(refused=render, failed=_failed, ended=DONE, ping=PING)


class EventStream(Response):
    """The stream as a response of the framework; see ``kit.eventstream``."""

    def __init__(
        self,
        frames: AsyncGenerator[bytes],
        *,
        headers: Callable[[], Mapping[str, str] | None],
        ping_seconds: float | None,
        wording: eventstream.Wording = COMPLETIONS,
    ) -> None:
        super().__init__()
        self._stream = eventstream.EventStream(frames, wording, headers=headers, ping_seconds=ping_seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._stream(scope, receive, send)
