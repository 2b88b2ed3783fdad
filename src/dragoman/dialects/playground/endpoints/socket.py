"""A room over a WebSocket: JSON for what happens, binary messages for sound."""

import asyncio
from typing import Any

import orjson
import structlog
from fastapi import APIRouter, WebSocket
from starlette.websockets import WebSocketDisconnect, WebSocketState

from dragoman.dialects.playground.addresses import SUBPROTOCOL
from dragoman.dialects.playground.calls import DIALECT, calls_of
from dragoman.domain.voice.calls import LiveCall
from dragoman.domain.voice.ports import CallSetup, Ended, SoundOut, Told
from dragoman.kit.errors import DragomanError, InvalidInput

log = structlog.get_logger(__name__)

router = APIRouter()

FORMATS = ("pcm16@8000", "pcm16@16000", "pcm16@24000", "pcm16@48000", "pcmu@8000", "pcma@8000")
_START_SECONDS = 15.0
_LONGEST_MESSAGE = 1 << 20
_SEND_SECONDS = 10.0
_LONGEST_PLAYED_MS = 3_600_000
# Close codes: 4000 with the HTTP status of the error behind it.
_ENDED = 1000


@router.websocket("/ws")
async def talk(socket: WebSocket) -> None:
    """A conversation with the agent that the token is for."""
    await socket.accept(subprotocol=SUBPROTOCOL if SUBPROTOCOL in socket.scope["subprotocols"] else None)
    try:
        call = await _joined(socket)
    except WebSocketDisconnect:
        return
    except DragomanError as error:
        await _refuse(socket, error)
        return
    async with call:
        await _converse(socket, call)


async def _joined(socket: WebSocket) -> LiveCall:
    """The conversation, once the client has said how its sound comes."""
    token = _token(socket)
    try:
        async with asyncio.timeout(_START_SECONDS):
            message = await _control(socket)
    except TimeoutError as error:
        raise InvalidInput("The first message must be 'start'.", code="start_expected") from error
    if message.get("type") != "start":
        raise InvalidInput("The first message must be 'start'.", code="start_expected")
    token = token or str(message.get("token") or "")
    formats = message.get("formats") or {}
    if not isinstance(formats, dict):
        raise InvalidInput("formats: an object with input and output.", param="formats")
    form_in = _format(formats.get("input", "pcm16@16000"), "formats.input")
    form_out = _format(formats.get("output", "pcm16@24000"), "formats.output")
    call = await calls_of(socket).join(token, CallSetup(form_in, form_out), dialect=DIALECT)
    session = call.session
    ready = {
        "type": "ready",
        "session_id": session.session_id,
        "room": session.room,
        "agent_id": session.spec.agent_id,
        "agent_name": session.spec.name,
        "formats": {"input": form_in, "output": form_out},
    }
    await socket.send_text(orjson.dumps(ready).decode())
    return call


def _token(socket: WebSocket) -> str:
    query = socket.query_params.get("token") or socket.query_params.get("access_token")
    header = socket.headers.get("authorization", "")
    return query or header.removeprefix("Bearer ").strip()


def _format(value: object, name: str) -> str:
    if value not in FORMATS:
        raise InvalidInput(f"{name}: must be one of {', '.join(FORMATS)}.", param=name)
    return str(value)


async def _control(socket: WebSocket) -> dict[str, Any]:
    """The next message as an object.

    Raises:
        InvalidInput: it is none.
        WebSocketDisconnect: the client has gone.
    """
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1000))
    return _decoded(message.get("text"))


def _decoded(text: str | None) -> dict[str, Any]:
    try:
        value = orjson.loads(text or "")
    except orjson.JSONDecodeError as error:
        raise InvalidInput(
            "A message that is not binary must be a JSON object.", code="invalid_json"
        ) from error
    if not isinstance(value, dict):
        raise InvalidInput("A message that is not binary must be a JSON object.", code="invalid_json")
    return value


async def _converse(socket: WebSocket, call: LiveCall) -> None:
    """Both directions, until either ends."""
    async with asyncio.TaskGroup() as group:
        listening = group.create_task(_from_client(socket, call))
        await _to_client(socket, call)
        listening.cancel()


async def _from_client(socket: WebSocket, call: LiveCall) -> None:
    while True:
        try:
            message = await socket.receive()
        except RuntimeError:
            # It was closed from this side.
            return
        if message["type"] == "websocket.disconnect":
            call.end("left")
            return
        data = message.get("bytes")
        if data is not None:
            if len(data) <= _LONGEST_MESSAGE:
                call.engine.sound(data)
            continue
        try:
            _command(call, _decoded(message.get("text")))
        except InvalidInput as error:
            call.tell({"type": "error", "code": error.code, "message": error.detail})


def _command(call: LiveCall, message: dict[str, Any]) -> None:
    match message.get("type"):
        case "text":
            if not isinstance(message.get("text"), str):
                raise InvalidInput("text: a text is needed.", param="text")
            call.engine.text(message["text"])
        case "interrupt":
            call.engine.interrupt()
        case "playback":
            played = message.get("ms")
            if (
                not isinstance(played, int)
                or isinstance(played, bool)
                or not 0 <= played <= _LONGEST_PLAYED_MS
            ):
                raise InvalidInput("ms: whole milliseconds are needed.", param="ms")
            call.engine.played(played)
        case "stop":
            call.end("stopped")
        case other:
            raise InvalidInput(f"There is no message of type {str(other)[:40]!r}.", code="unknown_message")


async def _to_client(socket: WebSocket, call: LiveCall) -> None:
    async for output in call.outputs():
        try:
            async with asyncio.timeout(_SEND_SECONDS):
                match output:
                    case SoundOut(data):
                        await socket.send_bytes(data)
                    case Told(event):
                        if event.get("type") != "opened":
                            await socket.send_text(orjson.dumps(event).decode())
                    case Ended():
                        await _goodbye(socket, output)
        except (WebSocketDisconnect, RuntimeError, TimeoutError):
            return


async def _goodbye(socket: WebSocket, ended: Ended) -> None:
    if socket.client_state is not WebSocketState.CONNECTED or ended.reason == "left":
        return
    for event in ended.told():
        await socket.send_text(orjson.dumps(event).decode())
    await socket.close(_ENDED, ended.reason)


async def _refuse(socket: WebSocket, error: DragomanError) -> None:
    told = {"type": "error", "code": error.code, "message": error.detail}
    await socket.send_text(orjson.dumps(told).decode())
    await socket.close(4000 + error.status, error.detail[:100])
