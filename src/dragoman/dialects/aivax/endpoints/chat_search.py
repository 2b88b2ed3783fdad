"""Searching what was said in the conversations of all web chat clients. The reference publishes no such operation."""

from typing import get_args

from fastapi import APIRouter, Request, Response

from dragoman.dialects.aivax.auth import PrivateCaller, services_of
from dragoman.dialects.aivax.body import window
from dragoman.dialects.aivax.chat_paths import route
from dragoman.dialects.aivax.envelope import answer
from dragoman.domain.chat.search import FoundConversation, Standing
from dragoman.kit.clock import iso
from dragoman.kit.errors import InvalidInput
from dragoman.kit.jsontypes import JsonValue

router = APIRouter()

_MOST = 200
_STANDINGS: dict[str, Standing] = {one: one for one in get_args(Standing)}


@route(router, "GET", "/search")
async def search(request: Request, caller: PrivateCaller) -> Response:
    """Conversations in which somebody said the words of ``text``, the latest first; case and accents do not count.

    ``client`` narrows to one client, ``status`` to ``open``, ``held`` (a person answers) or ``over``.
    """
    query = request.query_params
    status = query.get("status") or None
    if status is not None and status not in _STANDINGS:
        raise InvalidInput(f"status must be one of {', '.join(_STANDINGS)}.", param="status")
    limit, offset = window(request)
    limit = min(limit, _MOST)
    found = await services_of(request).chat_search.find(
        caller,
        query.get("text", ""),
        client_id=(query.get("client") or "").replace("\0", "") or None,
        standing=_STANDINGS[status] if status is not None else None,
        limit=limit,
        offset=offset,
    )
    shown: list[JsonValue] = [_found(one) for one in found]
    return answer(request, shown)


def _found(found: FoundConversation) -> dict[str, JsonValue]:
    session, message = found.session, found.message
    return {
        "sessionId": session.id,
        "clientId": session.client_id,
        "clientName": found.client_name,
        "tagName": session.tag,
        "status": found.standing,
        "messageId": message.id,
        "role": message.role,
        "snippet": found.snippet,
        "at": iso(message.created_at),
        "createdAt": iso(session.created_at),
        "expiresAt": iso(session.expires_at),
    }
