"""A room over WebRTC: the answer to a browser's offer, and a LiveKit client's question."""

import orjson
from fastapi import APIRouter, Request, Response, WebSocket
from fastapi.responses import JSONResponse, PlainTextResponse

from dragoman.dialects.playground.auth import services_of
from dragoman.dialects.playground.body import json_object
from dragoman.dialects.playground.calls import DIALECT, calls_of
from dragoman.dialects.playground.errors import invalid_field
from dragoman.domain.voice.calls import LiveCall
from dragoman.domain.voice.ports import CallSetup, Ended

router = APIRouter()

_LONGEST_SDP = 200_000
_NO_LIVEKIT = (
    "This server holds conversations itself; connect by one of the transports of the token's answer, or have the "
    "operator set voice.livekit_url."
)


@router.post("/offer")
async def answer_offer(request: Request) -> Response:
    """The SDP answer; ``token`` and ``sdp`` are in the body. Events come over the browser's data channel."""
    body = await json_object(request)
    sdp, token = body.get("sdp"), body.get("token")
    if not isinstance(sdp, str) or "m=audio" not in sdp or len(sdp) > _LONGEST_SDP:
        raise invalid_field("sdp", "an SDP offer with sound is needed")
    if not isinstance(token, str):
        token = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
    services = services_of(request)
    setup = CallSetup(webrtc=True, ice_servers=tuple(services.settings.voice.ice_servers))
    call = await calls_of(request).join(token, setup, dialect=DIALECT)
    try:
        answer = await call.engine.answer(sdp)
    except BaseException:
        await call.__aexit__()
        raise
    services.voice_calls.start(_until_over(call), name="voice.webrtc")
    session = call.session
    return JSONResponse(
        {"type": "answer", "sdp": answer, "session_id": session.session_id, "room": session.room}
    )


async def _until_over(call: LiveCall) -> None:
    """Sound and events go to the browser directly; only of the end it is told from here."""
    async with call:
        async for output in call.outputs():
            if isinstance(output, Ended):
                for event in output.told():
                    call.engine.relay(orjson.dumps(event).decode())


@router.get("/rtc/validate")
@router.get("/rtc/v1/validate")
async def livekit_question(request: Request) -> Response:
    """Why a LiveKit client cannot connect here."""
    return PlainTextResponse(_NO_LIVEKIT, status_code=404)


@router.websocket("/rtc")
@router.websocket("/rtc/v1")
async def livekit_socket(socket: WebSocket) -> None:
    """Tells a LiveKit client that this is no LiveKit server."""
    await socket.accept()
    await socket.send_text(orjson.dumps({"type": "error", "message": _NO_LIVEKIT}).decode())
    await socket.close(4404, "no LiveKit server; see the token's transports")
