"""Sessions of web chat clients."""

from typing import Any

from fastapi import APIRouter, Request, Response

from dragoman.dialects.aivax.auth import PrivateCaller, services_of
from dragoman.dialects.aivax.base_url import base_url
from dragoman.dialects.aivax.body import json_content, read_body, window
from dragoman.dialects.aivax.chat_parameters import Address
from dragoman.dialects.aivax.chat_paths import ClientId, SessionId, route
from dragoman.dialects.aivax.envelope import answer, said
from dragoman.dialects.aivax.fields import Mapped, Member, Number, Record, Text
from dragoman.dialects.aivax.inner_addresses import refuse_inner
from dragoman.domain.chat.model import SessionDraft, SessionOverview
from dragoman.domain.chat.sessions import LONGEST_SECONDS, LONGEST_TAG, SHORTEST_SECONDS, USUAL_SECONDS
from dragoman.kit.addresses import AllowList
from dragoman.kit.clock import iso, now_ms
from dragoman.kit.jsontypes import JsonValue

router = APIRouter()

_PREVIEW_CHARACTERS = 200
CREATE = Record(
    {
        "extraContext": Member(Text(0, 1_000_000, nullable=True), default=None),
        "tag": Member(Text(0, LONGEST_TAG, nullable=True), default=None),
        "expires": Member(Number(SHORTEST_SECONDS, LONGEST_SECONDS), default=USUAL_SECONDS),
        "contextLocation": Member(Address(), default=None),
        "metadata": Member(Mapped(Text(0, 10_000), maximum=100, nullable=True), default=None),
    }
)


@route(router, "POST", "/{client_id}/sessions", openapi_extra=json_content(CREATE))
async def create_session(request: Request, caller: PrivateCaller, client_id: ClientId) -> Response:
    """A session; the one of the same tag is refreshed and comes back instead of a new one.

    Source: AIVAX API, "Create Web Chat Session".
    """
    values: dict[str, Any] = await read_body(request, CREATE)
    if values["contextLocation"] is not None:
        allow = AllowList.parse(services_of(request).settings.egress.allow)
        refuse_inner(values["contextLocation"], "contextLocation", allow)
    draft = SessionDraft(
        int(values["expires"]),
        (values["tag"] or "").strip() or None,
        values["extraContext"] or None,
        values["contextLocation"],
        values["metadata"] or {},
    )
    session, key = await services_of(request).chat_sessions.create(caller, client_id, draft)
    talk = f"{base_url(request)}/chat/{key}"
    return answer(request, {"sessionId": session.id, "accessKey": key, "talkUrl": talk})


def _listed(found: SessionOverview) -> dict[str, JsonValue]:
    session = found.session
    context, last = session.extra_context, session.last_message_at
    return {
        "id": session.id,
        "tagName": session.tag,
        "contextPreview": None if context is None else context[:_PREVIEW_CHARACTERS],
        "sessionKey": found.access_key,
        "createdAt": iso(session.created_at),
        "expiresAt": iso(session.expires_at),
        "lastMessage": None if last is None else iso(last),
        "messageCount": found.message_count,
        "tokenCount": session.token_count,
        "metadata": dict(session.metadata),
        "takenOver": session.is_held(now_ms()),
    }


@route(router, "GET", "/{client_id}/sessions")
async def list_sessions(request: Request, caller: PrivateCaller, client_id: ClientId) -> Response:
    """The client's sessions that have not expired, newest first.

    Source: AIVAX API, "List Web Chat Sessions".
    """
    limit, offset = window(request)
    wanted = (request.query_params.get("filter") or "").strip() or None
    found = await services_of(request).chat_sessions.select(
        caller, client_id, wanted=wanted, limit=limit, offset=offset
    )
    return answer(request, [_listed(one) for one in found])


@route(router, "DELETE", "/{client_id}/sessions/{session_id}")
async def delete_session(
    request: Request, caller: PrivateCaller, client_id: ClientId, session_id: SessionId
) -> Response:
    """Ends a session and removes what was said.

    Source: AIVAX API, "Delete Web Chat Session".
    """
    await services_of(request).chat_sessions.delete(caller, client_id, session_id)
    return said(request, "Session ended and deleted")
