"""Conversations in sessions, and people who answer in them. The reference publishes none of these operations."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response

from dragoman.dialects.aivax.auth import PrivateCaller, services_of
from dragoman.dialects.aivax.body import json_content, read_body
from dragoman.dialects.aivax.chat_content import Place, content_of
from dragoman.dialects.aivax.chat_paths import ClientId, SessionId, route
from dragoman.dialects.aivax.envelope import answer
from dragoman.dialects.aivax.fields import Member, Record, Text
from dragoman.domain.chat.model import ChatMessage, ChatSession
from dragoman.domain.chat.takeover import LONGEST_TEXT
from dragoman.domain.chat.uploads.model import Upload
from dragoman.kit.clock import iso, now_ms
from dragoman.kit.jsontypes import JsonValue

router = APIRouter()

_SAY = Record({"text": Member(Text(1, LONGEST_TEXT), required=True)})


@route(router, "GET", "/{client_id}/sessions/{session_id}")
async def view_session(
    request: Request, caller: PrivateCaller, client_id: ClientId, session_id: SessionId
) -> Response:
    """A session, expired or not, and what was said in it."""
    services = services_of(request)
    found = await services.chat_takeover.conversation(caller, client_id, session_id)
    uploads = await services.chat_uploads.named_in(found.session, found.messages)
    said: list[JsonValue] = [
        _said(message, uploads, services.chat_uploads.link) for message in found.messages
    ]
    return answer(request, {**_held(found.session), "messages": said})


@route(router, "POST", "/{client_id}/sessions/{session_id}/takeover")
async def take_over(
    request: Request, caller: PrivateCaller, client_id: ClientId, session_id: SessionId
) -> Response:
    """Keeps the agent quiet in a session, until it is released or for the time in ``channels.takeover_seconds``."""
    session = await services_of(request).chat_takeover.take_over(caller, client_id, session_id)
    return answer(request, _held(session))


@route(router, "POST", "/{client_id}/sessions/{session_id}/release")
async def release(
    request: Request, caller: PrivateCaller, client_id: ClientId, session_id: SessionId
) -> Response:
    """Lets the agent answer in a session again."""
    session = await services_of(request).chat_takeover.release(caller, client_id, session_id)
    return answer(request, _held(session))


@route(router, "POST", "/{client_id}/sessions/{session_id}/messages", openapi_extra=json_content(_SAY))
async def say(
    request: Request, caller: PrivateCaller, client_id: ClientId, session_id: SessionId
) -> Response:
    """Says something to who talks in a session, in the agent's place, and keeps the agent quiet."""
    values: dict[str, Any] = await read_body(request, _SAY)
    message = await services_of(request).chat_takeover.say(caller, client_id, session_id, values["text"])
    return answer(request, {"id": message.id})


def _said(message: ChatMessage, uploads: Mapping[str, Upload], place: Place) -> dict[str, JsonValue]:
    return {
        "message_id": message.id,
        "role": message.role,
        "content": content_of(message, uploads, place=place),
        "author": message.author,
        "cancelled": message.cancelled,
        "annotations": [dict(citation) for citation in message.citations],
        "createdAt": iso(message.created_at),
    }


def _held(session: ChatSession) -> dict[str, JsonValue]:
    held = session.is_held(now_ms())
    return {
        "id": session.id,
        "clientId": session.client_id,
        "tagName": session.tag,
        "metadata": dict(session.metadata),
        "takenOver": held,
        "takenOverBy": session.held_by if held else None,
        "takenOverUntil": iso(session.held_until) if held and session.held_until is not None else None,
        "createdAt": iso(session.created_at),
        "expiresAt": iso(session.expires_at),
        "lastMessage": None if session.last_message_at is None else iso(session.last_message_at),
    }
