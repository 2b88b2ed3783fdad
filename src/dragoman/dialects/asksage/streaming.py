"""An answer in pieces: one JSON object a line, or the same as server-sent events."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing

import orjson
import structlog
from starlette.responses import Response, StreamingResponse

from dragoman.dialects.asksage.answering import Question
from dragoman.dialects.asksage.errors import status_of
from dragoman.domain.messages.events import CitationsFound, Event, TextDelta, ToolRun
from dragoman.domain.messages.fold import Folder
from dragoman.kit.errors import DragomanError

log = structlog.get_logger(__name__)

EVENT_STREAM = "text/event-stream"
HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}
Frame = Callable[[Mapping[str, object]], bytes]


def line(value: Mapping[str, object]) -> bytes:
    """One JSON object a line."""
    return orjson.dumps(value) + b"\n"


def server_sent(value: Mapping[str, object]) -> bytes:
    """One server-sent event."""
    return b"data: " + orjson.dumps(value) + b"\n\n"


def wants_events(accept: str) -> bool:
    """Whether a client asks for server-sent events."""
    return EVENT_STREAM in accept.lower()


async def streamed(question: Question) -> Response:
    """The answer as it comes about. What fails before its first piece is an ordinary error.

    Raises:
        DragomanError: nothing of the answer was there yet.
    """
    events = question.events()
    try:
        first = await anext(events)
    except BaseException:
        await events.aclose()
        raise
    as_events = wants_events(question.call.request.headers.get("accept", ""))
    frame = server_sent if as_events else line
    return StreamingResponse(
        _body(question, first, events, frame, last=b"data: [DONE]\n\n" if as_events else b""),
        media_type=EVENT_STREAM if as_events else "text/plain; charset=utf-8",
        headers=HEADERS,
    )


async def _body(
    question: Question, first: Event, events: AsyncGenerator[Event], frame: Frame, *, last: bytes
) -> AsyncGenerator[bytes]:
    folder = Folder()
    try:
        async with aclosing(events):
            folder.add(first)
            if (piece := _piece(first)) is not None:
                yield frame(piece)
            async for event in events:
                folder.add(event)
                if (piece := _piece(event)) is not None:
                    yield frame(piece)
            done = await question.finished(folder.answer())
        yield frame({"type": "done", **_without_type(done), "status": 200})
    except DragomanError as error:
        log.warning("asksage.stream_failed", code=error.code, reason=error.detail)
        refused = question.call.services.settings.asksage.auth_error_status
        status = status_of(error, auth_error_status=refused)
        yield frame({"type": "error", "response": error.detail, "error": error.detail, "status": status})
    if last:
        yield last


def _without_type(answer: Mapping[str, object]) -> dict[str, object]:
    """The answer object under a line's own ``type``, which would hide the answer's."""
    return {name: value for name, value in answer.items() if name != "type"}


def _piece(event: Event) -> dict[str, object] | None:
    match event:
        case TextDelta(text):
            return {"type": "delta", "message": text}
        case CitationsFound(citations):
            return {"type": "status", "message": f"{len(citations)} references found."}
        case ToolRun():
            return {"type": "tool", "id": event.id, "name": event.name, "state": event.state}
        case _:
            return None
