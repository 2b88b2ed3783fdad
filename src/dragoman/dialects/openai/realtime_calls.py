"""Realtime sessions over WebRTC: a browser's offer is answered, and events go over its data channel."""

import asyncio
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from starlette.datastructures import UploadFile

from dragoman.dialects.openai.auth import services_of
from dragoman.dialects.openai.realtime import session_for
from dragoman.dialects.openai.realtime_events import new_id
from dragoman.dialects.openai.realtime_talk import Realtime
from dragoman.domain.accounts.credentials import parse_credentials
from dragoman.kit.errors import InvalidInput, NotFound, Unauthenticated

router = APIRouter(prefix="/realtime/calls")

_LONGEST_SDP = 200_000


class LiveCalls:
    """The calls of this process by their ids."""

    def __init__(self) -> None:
        self._calls: dict[str, Realtime] = {}

    def add(self, session: Realtime) -> str:
        """The id of a call that has begun."""
        call_id = new_id("rtc")
        self._calls[call_id] = session
        return call_id

    def of(self, call_id: str, user_id: str) -> Realtime:
        """A call of that user's.

        Raises:
            NotFound: there is none.
        """
        session = self._calls.get(call_id)
        if session is None or session.caller.user_id != user_id:
            raise NotFound("There is no call with this id.", param="call_id", code="call_not_found")
        return session

    async def run(self, call_id: str) -> None:
        """Carries events to the client until the call is over."""
        session = self._calls[call_id]
        try:
            async for told in session.out.events():
                session.relay(orjson.dumps(told).decode())
        finally:
            del self._calls[call_id]
            await asyncio.shield(session.close())


@router.post("")
async def create_call(request: Request) -> Response:
    """The SDP answer to a browser's offer.

    The body is the offer itself, or a form with ``sdp`` and ``session``; ``Location`` names the call.

    Source: OpenAI API, "Create call".
    """
    offer, settings = await _offer(request)
    if "m=audio" not in offer or len(offer) > _LONGEST_SDP:
        raise InvalidInput("sdp: an SDP offer with sound is needed.", param="sdp")
    services = services_of(request)
    session = await session_for(services, _key(request), request.query_params.get("model"), settings)
    try:
        answer = await session.answer(offer)
    except BaseException:
        await session.close()
        raise
    session.begin()
    calls: LiveCalls = request.app.state.realtime_calls
    call_id = calls.add(session)
    services.voice_calls.start(calls.run(call_id), name="realtime.call")
    place = f"{request.url.path.rstrip('/')}/{call_id}"
    return Response(answer, status_code=201, media_type="application/sdp", headers={"location": place})


@router.post("/{call_id}/hangup")
async def hang_up(request: Request, call_id: str) -> Response:
    """Nothing, once the call is over.

    Source: OpenAI API, "Hang up call".
    """
    caller = await services_of(request).accounts.keys.authenticate_slow(_key(request))
    calls: LiveCalls = request.app.state.realtime_calls
    calls.of(call_id, caller.user_id).out.end()
    return Response(status_code=200)


def _key(request: Request) -> str:
    credential = parse_credentials(request.headers, request.query_params)
    if credential is None:
        raise Unauthenticated("An API key is needed: send it as 'Authorization: Bearer sk-...'.")
    return credential


async def _offer(request: Request) -> tuple[str, dict[str, Any]]:
    """The offer and the settings that came with it."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("multipart/form-data", "application/x-www-form-urlencoded"):
        data = b""
        async for piece in request.stream():
            data += piece
            if len(data) > _LONGEST_SDP:
                raise InvalidInput("sdp: the offer is too long.", param="sdp")
        return data.decode("utf-8", "replace"), {}
    async with request.form(max_files=4, max_fields=4, max_part_size=_LONGEST_SDP) as form:
        sdp, session = await _field(form.get("sdp")), await _field(form.get("session"))
    try:
        settings = orjson.loads(session or "{}")
    except orjson.JSONDecodeError as error:
        raise InvalidInput("session: a JSON object is needed.", param="session") from error
    if not isinstance(settings, dict):
        raise InvalidInput("session: a JSON object is needed.", param="session")
    return sdp, settings


async def _field(value: object) -> str:
    if isinstance(value, UploadFile):
        return (await value.read(_LONGEST_SDP)).decode("utf-8", "replace")
    return value if isinstance(value, str) else ""
