"""Calls out of a chat session. The session's access key is the credential; the form is this server's own."""

import orjson
from fastapi import APIRouter, Request, Response

from dragoman.dialects.playground.addresses import addresses_of
from dragoman.dialects.playground.auth import services_of
from dragoman.dialects.playground.body import json_object
from dragoman.dialects.playground.endpoints.tokens import token_response
from dragoman.dialects.playground.errors import invalid_field
from dragoman.domain.chat.model import LiveSession
from dragoman.domain.inference.speech.languages import base_language, is_language
from dragoman.domain.voice.model import SessionDraft
from dragoman.domain.voice.spec import (
    EngineRef,
    Listening,
    Participant,
    Speaking,
    Thinking,
    TurnTaking,
    VoiceSecrets,
    VoiceSpec,
)
from dragoman.kit.errors import Forbidden, QuotaExceeded
from dragoman.kit.gcra import RateLimit

router = APIRouter()

_JOIN_SECONDS = 120
_USUAL_LANGUAGE = "en"


@router.post("/chat-calls")
async def call_from_chat(request: Request) -> Response:
    """A token for a call in which a chat session goes on: ``access_key`` and, where the client has none, ``language``."""
    body = await json_object(request)
    key, language = body.get("access_key"), body.get("language")
    if not isinstance(key, str) or not key:
        raise invalid_field("access_key", "the access key of a chat session is needed")
    if language is not None and not (isinstance(language, str) and is_language(language)):
        raise invalid_field("language", "must be a language tag such as en or pt-BR")
    services = services_of(request)
    live = await services.chat.find(key)
    if not live.client.draft.spec.voice_calls:
        raise Forbidden("This chat takes no calls.", code="calls_off")
    limit: RateLimit = request.app.state.public_limit
    if wait := limit.wait_seconds(request.client.host if request.client else ""):
        raise QuotaExceeded("Too many calls from this address.", retry_after_seconds=wait)
    session = await services.voice_sessions.open(live.owner, _draft(live, key, language))
    services.voice_calls.expect()
    token = services.voice_sessions.token(session)
    shown = token_response(services, session, token, addresses_of(request, services.settings))
    # Who answers in a chat is the operator's to know.
    for name in ("agent_id", "agent_config"):
        del shown[name]
    return Response(orjson.dumps(shown), media_type="application/json")


def _draft(live: LiveSession, access_key: str, language: str | None) -> SessionDraft:
    """The session of the call. Nothing is thought ahead: a question that is asked is kept."""
    client = live.client.draft
    spoken = base_language(client.spec.language or language or _USUAL_LANGUAGE)
    visitor = live.session.external_user_id or f"visitor-{live.session.id.replace('-', '')[-12:]}"
    return SessionDraft(
        spec=VoiceSpec(
            agent_id=client.name,
            name=client.spec.page_title or client.name,
            welcome=client.spec.greeting,
            thinking=Thinking(EngineRef(model=live.agent_id)),
            speaking=Speaking(language=spoken),
            listening=Listening(language=spoken),
            turns=TurnTaking(think_early=False),
        ),
        secrets=VoiceSecrets(chat=access_key),
        shown={},
        participant=Participant(visitor),
        seconds=_JOIN_SECONDS,
    )
