"""Tokens that let one participant talk to a voice agent."""

from dataclasses import replace

import orjson
from fastapi import APIRouter, Request, Response

from dragoman.dialects.playground.addresses import Addresses, addresses_of
from dragoman.dialects.playground.auth import caller_or_public, services_of
from dragoman.dialects.playground.body import json_object
from dragoman.dialects.playground.config import TokenRequest
from dragoman.dialects.playground.resolve import session_draft
from dragoman.domain.services import Services
from dragoman.domain.voice.model import VoiceSession
from dragoman.kit.clock import iso, now_ms

router = APIRouter()

BODY = {
    "requestBody": {
        "content": {
            "application/json": {"schema": TokenRequest.model_json_schema(ref_template="#/$defs/{model}")}
        }
    }
}


@router.post("/tokens", openapi_extra=BODY)
async def create_token(request: Request) -> Response:
    """A token with every address it is good for, and the agent as it will be.

    Source: Voice playground API, "POST /api/v1/playground/tokens".
    """
    services = services_of(request)
    caller = await caller_or_public(request)
    draft, warnings = await session_draft(services, caller, await json_object(request))
    session = await services.voice_sessions.open(caller, draft)
    if session.spec != replace(draft.spec, agent_id=session.spec.agent_id):
        warnings.append("session_id: this session exists, so it keeps the settings that it was opened with")
    token = services.voice_sessions.token(session)
    services.voice_calls.expect()
    shown = token_response(services, session, token, addresses_of(request, services.settings))
    return Response(orjson.dumps({**shown, "warnings": warnings}), media_type="application/json")


def token_response(
    services: Services, session: VoiceSession, token: str, addresses: Addresses
) -> dict[str, object]:
    """What a LiveKit client reads, and the same under plain names."""
    settings = services.settings
    server_url = addresses.server_url(settings)
    name = session.participant.name or session.participant.identity
    shown = dict(session.shown)
    agent_id = shown.pop("agent_id", None) or session.spec.agent_id
    return {
        "server_url": server_url,
        "participant_token": token,
        "room_name": session.room,
        "participant_name": name,
        "token": token,
        "url": server_url,
        "room": session.room,
        "identity": session.participant.identity,
        "session_id": session.session_id,
        "agent_id": agent_id,
        "platform": session.platform,
        "expires_at": iso(session.expires_at),
        "ttl": max(0, (session.expires_at - now_ms() + 999) // 1000),
        "transports": addresses.transports(settings),
        "agent_config": shown,
    }
