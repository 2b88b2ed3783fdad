"""Realtime sessions over a WebSocket, and secrets that let a browser open one."""

from typing import Any

import orjson
from fastapi import APIRouter, Request, Response, WebSocket
from fastapi.responses import JSONResponse
from starlette.websockets import WebSocketDisconnect

from dragoman.dialects.openai.auth import caller_of, services_of
from dragoman.dialects.openai.body import json_body
from dragoman.dialects.openai.errors import error_body
from dragoman.dialects.openai.realtime_events import event
from dragoman.dialects.openai.realtime_session import Settings, customary
from dragoman.dialects.openai.realtime_talk import Realtime
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.credentials import parse_credentials
from dragoman.domain.services import Services
from dragoman.domain.voice.model import SessionDraft
from dragoman.domain.voice.spec import Participant, VoiceSecrets, VoiceSpec
from dragoman.kit.errors import DragomanError, InvalidInput, Unauthenticated

router = APIRouter()

_EPHEMERAL = "ek_"
_KEY_PROTOCOL = "openai-insecure-api-key."
_PROTOCOL = "realtime"
_LEAST_SECONDS, _MOST_SECONDS, _USUAL_SECONDS = 10, 7200, 600
_LONGEST_MESSAGE = 16 << 20


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

    async def send(told: dict[str, Any]) -> None:
        await socket.send_text(orjson.dumps(told).decode())

    try:
        session = await _opened(socket, send)
    except DragomanError as error:
        await send(event("error", error={**_told(error), "event_id": None}))
        await socket.close(4000 + error.status, error.detail[:100])
        return
    try:
        await session.begin()
        while True:
            await session.take(_message(await socket.receive_text()))
    except (WebSocketDisconnect, RuntimeError, KeyError):
        return
    finally:
        await session.close()


async def _opened(socket: WebSocket, send: Any) -> Realtime:
    services: Services = socket.app.state.services
    settings, model = Settings(), socket.query_params.get("model")
    key = _key(socket)
    if key.startswith(_EPHEMERAL):
        opened = await services.voice_sessions.of_token(key.removeprefix(_EPHEMERAL))
        caller = opened.caller
        stored = opened.shown.get("session")
        settings.update(stored if isinstance(stored, dict) else {})
        model = settings.config.model or model
    else:
        caller = await services.accounts.keys.authenticate_slow(key)
    return Realtime(services, caller, settings, await _thinker(services, caller, model), send)


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


def _message(text: str) -> dict[str, Any]:
    """The client's event; what is none becomes one that is refused in words."""
    if len(text) > _LONGEST_MESSAGE:
        return {"type": "too long"}
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {"type": "no JSON"}
    return value if isinstance(value, dict) else {"type": "no object"}
