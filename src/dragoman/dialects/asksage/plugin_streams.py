"""What comes of a plugin, as it is sent: one answer object, its text in pieces, or events."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, aclosing

import orjson
import structlog
from starlette.responses import Response, StreamingResponse

from dragoman.dialects.asksage.errors import status_of
from dragoman.dialects.asksage.operation import Call
from dragoman.dialects.asksage.pacing import paced
from dragoman.dialects.asksage.plugin_calls import finished
from dragoman.dialects.asksage.streaming import EVENT_STREAM, HEADERS, server_sent, wants_events
from dragoman.domain.agents.plugins.model import Added, PluginEvent, Progress
from dragoman.domain.agents.plugins.service import PluginExecution
from dragoman.domain.messages.events import CitationsFound, TextDelta
from dragoman.kit.errors import DragomanError

log = structlog.get_logger(__name__)

_PLAIN = "text/plain; charset=utf-8"


def _media_type(call: Call) -> str:
    """The published type unless the client asks for JSON by name."""
    return "application/json" if "application/json" in call.request.headers.get("accept", "") else _PLAIN


def refused(call: Call, error: DragomanError) -> dict[str, object]:
    """A failure after the answer has begun."""
    log.warning("asksage.stream_failed", code=error.code, reason=error.detail)
    status = status_of(error, auth_error_status=call.services.settings.asksage.auth_error_status)
    return {"response": error.detail, "error": error.detail, "status": status}


async def _bodies(
    call: Call, execution: PluginExecution, values: Mapping[str, object], stack: AsyncExitStack
) -> AsyncGenerator[dict[str, object]]:
    """The one answer object, when all is done."""
    async with stack, aclosing(execution.events()) as events:
        async for _ in events:
            pass
        yield {**await finished(call, execution, values), "status": 200}


async def whole(
    call: Call,
    execution: PluginExecution,
    values: Mapping[str, object],
    stack: AsyncExitStack,
    *,
    plain: bool,
) -> Response:
    """One answer object. When it takes long, blank lines come before it, so that no client gives up; a failure is
    then told in the object's ``status``.

    Raises:
        DragomanError: it failed before any blank line was sent.
    """
    bodies = paced(_bodies(call, execution, values, stack))
    try:
        first = await anext(bodies)
        if first is not None:
            await bodies.aclose()
            return Response(
                orjson.dumps(first), media_type=_media_type(call) if plain else "application/json"
            )
    except BaseException:
        await bodies.aclose()
        raise
    return StreamingResponse(
        _blanks_then(call, bodies),
        media_type=_media_type(call) if plain else "application/json",
        headers=HEADERS,
    )


async def _blanks_then(call: Call, bodies: AsyncGenerator[dict[str, object] | None]) -> AsyncGenerator[bytes]:
    yield b"\n"
    try:
        async with aclosing(bodies):
            async for body in bodies:
                yield b"\n" if body is None else orjson.dumps(body)
    except DragomanError as error:
        yield orjson.dumps(refused(call, error))


async def _events(execution: PluginExecution, stack: AsyncExitStack) -> AsyncGenerator[PluginEvent]:
    async with stack, aclosing(execution.events()) as events:
        async for event in events:
            yield event


async def in_pieces(
    call: Call, execution: PluginExecution, values: Mapping[str, object], stack: AsyncExitStack
) -> Response:
    """The plugin's text as it comes, or server-sent events for a client that asks for these.

    Raises:
        DragomanError: it failed before anything had come of it.
    """
    events = paced(_events(execution, stack))
    try:
        first = await anext(events, None)
    except BaseException:
        await events.aclose()
        raise
    as_events = wants_events(call.request.headers.get("accept", ""))
    body = (_sent if as_events else _text)(call, execution, values, first, events)
    return StreamingResponse(body, media_type=EVENT_STREAM if as_events else _PLAIN, headers=HEADERS)


async def _chained(
    first: PluginEvent | None, events: AsyncGenerator[PluginEvent | None]
) -> AsyncGenerator[PluginEvent | None]:
    yield first
    async with aclosing(events):
        async for event in events:
            yield event


async def _text(
    call: Call,
    execution: PluginExecution,
    values: Mapping[str, object],
    first: PluginEvent | None,
    events: AsyncGenerator[PluginEvent | None],
) -> AsyncGenerator[bytes]:
    begun = False
    try:
        async with aclosing(_chained(first, events)) as chained:
            async for event in chained:
                if isinstance(event, TextDelta):
                    begun = True
                    yield event.text.encode()
                elif event is None and not begun:
                    # Blank lines before the text keep a client from giving up.
                    yield b"\n"
        await finished(call, execution, values)
        notice = execution.outcome().notice
        if notice and execution.spec.writing == "prose":
            yield f"\n\n({notice})".encode()
    except DragomanError as error:
        yield b"\n" + orjson.dumps(refused(call, error))


async def _sent(
    call: Call,
    execution: PluginExecution,
    values: Mapping[str, object],
    first: PluginEvent | None,
    events: AsyncGenerator[PluginEvent | None],
) -> AsyncGenerator[bytes]:
    try:
        async with aclosing(_chained(first, events)) as chained:
            async for event in chained:
                piece = _piece(event)
                yield b": \n\n" if piece is None else server_sent(piece)
        done = await finished(call, execution, values)
        yield server_sent({**done, "type": "done", "status": 200})
    except DragomanError as error:
        yield server_sent({"type": "error", **refused(call, error)})
    yield b"data: [DONE]\n\n"


def _piece(event: PluginEvent | None) -> dict[str, object] | None:
    match event:
        case Progress(text):
            return {"type": "status", "message": text}
        case TextDelta(text):
            return {"type": "delta", "message": text}
        case CitationsFound(citations):
            return {"type": "status", "message": f"{len(citations)} references found."}
        case Added(values):
            return {"type": "added", "added_obj": dict(values)}
        case _:
            return None
