"""Realtime sessions over a WebSocket, and secrets that let a browser open one."""

import asyncio
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response, WebSocket
from fastapi.responses import JSONResponse
from starlette.websockets import WebSocketDisconnect

from dragoman.dialects.openai.auth import caller_of, services_of
from dragoman.dialects.openai.body import json_body
from dragoman.dialects.openai.errors import error_body
from dragoman.dialects.openai.realtime_beta import from_beta, to_beta, wanted_beta
from dragoman.dialects.openai.realtime_events import event
from dragoman.dialects.openai.realtime_session import Settings, customary
from dragoman.dialects.openai.realtime_talk import Realtime
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.credentials import parse_credentials
from dragoman.domain.services import Services
from dragoman.domain.voice.model import SessionDraft
from dragoman.domain.voice.spec import Participant, VoiceSecrets, VoiceSpec
from dragoman.kit.errors import DragomanError, Forbidden, InvalidInput, Unauthenticated

router = APIRouter()

_EPHEMERAL = "ek_"
_KEY_PROTOCOL = "openai-insecure-api-key."
_PROTOCOL = "realtime"
_LEAST_SECONDS, _MOST_SECONDS, _USUAL_SECONDS = 10, 7200, 600
_LONGEST_MESSAGE = 16 << 20
_SEND_SECONDS = 10.0


@router.post("/realtime/client_secrets")
async def client_secret(request: Request) -> Response:
    """A secret with which a browser may open a session of these settings.

    Source: OpenAI API, "Create client secret".
    """
    caller = await caller_of(request)
    body = await json_body(request)
    wanted = body if isinstance(body, dict) else {}
    seconds = _lifetime(wanted.get("expires_after"))
    settings = Settings()
    session = wanted.get("session") or {}
    if not isinstance(session, dict):
        raise InvalidInput("session: an object is needed.", param="session")
    settings.update(session)
    services = services_of(request)
    await _thinker(services, caller, settings.config.model)
    opened = await services.voice_sessions.open(
        caller,
        SessionDraft(
            spec=VoiceSpec(agent_id=_PROTOCOL),
            secrets=VoiceSecrets(),
            shown={"session": session},
            participant=Participant("user"),
            platform="api",
            seconds=seconds,
        ),
    )
    model = settings.config.model or services.catalogue.default().name
    return JSONResponse(
        {
            "value": _EPHEMERAL + services.voice_sessions.token(opened),
            "expires_at": opened.expires_at // 1000,
            "session": settings.shown(f"sess_{opened.room[-20:]}", model),
        }
    )


def _lifetime(given: object) -> int:
    if given is None:
        return _USUAL_SECONDS
    seconds = given.get("seconds", _USUAL_SECONDS) if isinstance(given, dict) else None
    if not isinstance(seconds, int) or not _LEAST_SECONDS <= seconds <= _MOST_SECONDS:
        raise InvalidInput(
            f"expires_after.seconds: a number from {_LEAST_SECONDS} to {_MOST_SECONDS}.",
            param="expires_after.seconds",
        )
    return seconds


@router.websocket("/realtime")
async def realtime(socket: WebSocket) -> None:
    """A realtime session with any model or gateway of the caller's.

    Source: OpenAI API, "Realtime".
    """
    offered = socket.scope["subprotocols"]
    await socket.accept(subprotocol=_PROTOCOL if _PROTOCOL in offered else None)
    try:
        session = await session_for(socket.app.state.services, _key(socket), socket.query_params.get("model"))
    except DragomanError as error:
        await socket.send_text(
            orjson.dumps(event("error", error={**_told(error), "event_id": None})).decode()
        )
        await socket.close(4000 + error.status, error.detail[:100])
        return
    session.begin()
    beta = wanted_beta(socket.headers, offered)
    try:
        async with asyncio.TaskGroup() as group:
            sending = group.create_task(_sent(socket, session, beta=beta))
            await _received(socket, session, beta=beta)
            sending.cancel()
    finally:
        await session.close()


async def _sent(socket: WebSocket, session: Realtime, *, beta: bool) -> None:
    """Sends what happens, and closes the connection at the end."""
    try:
        async for happened in session.out.events():
            told = to_beta(happened) if beta else happened
            if told is None:
                continue
            async with asyncio.timeout(_SEND_SECONDS):
                await socket.send_text(orjson.dumps(told).decode())
        await socket.close(1000)
    except (WebSocketDisconnect, RuntimeError, TimeoutError):
        return


async def _received(socket: WebSocket, session: Realtime, *, beta: bool) -> None:
    """Takes what the client sends, until it has gone."""
    while True:
        try:
            received = await socket.receive()
        except RuntimeError:
            # It was closed from this side.
            return
        if received["type"] == "websocket.disconnect":
            return
        try:
            message = _message(received.get("text"))
        except InvalidInput as error:
            session.out.fail(error)
            continue
        await session.take(from_beta(message) if beta else message)


async def session_for(
    services: Services, key: str, model: str | None, given: dict[str, Any] | None = None
) -> Realtime:
    """A session for a key, or for a secret with the settings that it was made for.

    Raises:
        Unauthenticated: neither holds.
        NotFound: the caller has no such model.
        InvalidInput: settings that cannot be.
    """
    settings = Settings()
    if key.startswith(_EPHEMERAL):
        opened = await services.voice_sessions.of_token(key.removeprefix(_EPHEMERAL))
        caller = opened.caller
        stored = opened.shown.get("session")
        settings.update(stored if isinstance(stored, dict) else {})
    else:
        caller = await services.accounts.keys.authenticate_slow(key)
        if caller.key_kind == "public":
            raise Forbidden(
                "A public key may not be used here; use a private one.", code="private_key_needed"
            )
    settings.update(given or {})
    model = settings.config.model or model
    return Realtime(services, caller, settings, await _thinker(services, caller, model))


async def _thinker(services: Services, caller: Caller, model: str | None) -> str | None:
    """The name of the model that thinks; None for the one in force.

    Raises:
        NotFound: the caller has no such model.
    """
    if customary(model) or model is None:
        return None
    await services.runner.resolve(caller, model)
    return model


def _key(socket: WebSocket) -> str:
    for protocol in socket.scope["subprotocols"]:
        if protocol.startswith(_KEY_PROTOCOL):
            return protocol.removeprefix(_KEY_PROTOCOL)
    found = parse_credentials(socket.headers, socket.query_params)
    if found is None:
        raise Unauthenticated("An API key is needed: send it as 'Authorization: Bearer sk-...'.")
    return found


def _told(error: DragomanError) -> dict[str, Any]:
    told = error_body(error)["error"]
    assert isinstance(told, dict)
    return told


def _message(text: str | None) -> dict[str, Any]:
    """The client's event.

    Raises:
        InvalidInput: it is none.
    """
    if text is None:
        raise InvalidInput("Events are JSON texts; sound goes in base64 in them.", code="invalid_event")
    if len(text) > _LONGEST_MESSAGE:
        raise InvalidInput(f"An event has at most {_LONGEST_MESSAGE} characters.", code="event_too_large")
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"The event is not valid JSON: {error}.", code="invalid_json") from error
    if not isinstance(value, dict):
        raise InvalidInput("An event must be a JSON object.", code="invalid_event")
    return value
