"""Messaging services: their calls, and the conversations on them. The reference publishes none of these operations."""

from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Request, Response

from dragoman.dialects.aivax.auth import PrivateCaller, services_of, uuid_in_path
from dragoman.dialects.aivax.base_url import base_url
from dragoman.dialects.aivax.body import bounded, json_content, read_body, window
from dragoman.dialects.aivax.chat_content import content_of
from dragoman.dialects.aivax.chat_integrations import kind_of, type_of
from dragoman.dialects.aivax.chat_paths import ClientId, route
from dragoman.dialects.aivax.envelope import answer, json_response, said
from dragoman.dialects.aivax.fields import Member, Record, Text
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.chat.channels.inbound import HookAddress
from dragoman.domain.chat.channels.model import Contact, Received, Unsent
from dragoman.domain.chat.channels.ports import Hook
from dragoman.domain.chat.model import Channel
from dragoman.kit.clock import iso, now_ms
from dragoman.kit.errors import DragomanError, NotFound
from dragoman.kit.jsontypes import JsonValue

log = structlog.get_logger(__name__)
router = APIRouter()

_HOOKS = "/public/integrations"
_SAY = Record({"text": Member(Text(1, 4096), required=True)})

ContactId = Annotated[str, Depends(uuid_in_path("contact_id"))]
MessageId = Annotated[str, Depends(uuid_in_path("message_id"))]


@router.post(_HOOKS + "/{client_id}/{name}/{secret}")
async def take_hook(request: Request, client_id: str, name: str, secret: str) -> Response:
    """Takes a call of a messaging service: its messages are stored when this answers, and answered later."""
    try:
        channel = kind_of(name, "name").channel
    except DragomanError as error:
        raise NotFound("Nobody answers at this address.", code="hook_not_found") from error
    services = services_of(request)
    maximum = services.settings.channels.max_media_bytes * 2
    body = b"".join([piece async for piece in bounded(request, maximum)])
    hook = Hook({key.lower(): value for key, value in request.headers.items()}, body)
    new = await services.inbound.take(HookAddress(client_id, channel, secret), hook)
    return json_response({"received": new})


def hook_url(request: Request, client_id: str, channel: Channel) -> str:
    """Where a messaging service has to call."""
    path = services_of(request).channels.hook_path(client_id, channel, type_of(channel).casefold())
    return f"{base_url(request)}/api/v1{_HOOKS}{path}"


async def connected(request: Request, caller: Caller, client_id: str, channel: Channel) -> None:
    """Tells a service where to call, when this server knows its own public address; a failure is only logged."""
    services = services_of(request)
    if services.settings.server.public_url is None:
        return
    url = hook_url(request, client_id, channel)
    try:
        await services.channels.connect(caller, client_id, channel, url)
    except DragomanError as error:
        log.warning("channel.connect_failed", client=client_id, channel=channel, reason=error.detail)


@route(router, "POST", "/{client_id}/integrations/{name}/connect")
async def connect(request: Request, caller: PrivateCaller, client_id: ClientId, name: str) -> Response:
    """Tells the messaging service where to call, where it lets itself be told."""
    channel = kind_of(name, "name").channel
    url = hook_url(request, client_id, channel)
    found = await services_of(request).channels.connect(caller, client_id, channel, url)
    return answer(request, {"webhookUrl": url, "status": found.connected})


@route(router, "GET", "/{client_id}/contacts")
async def list_contacts(request: Request, caller: PrivateCaller, client_id: ClientId) -> Response:
    """Who wrote to the client on messaging services, the latest first; ``filter`` finds a name or an address."""
    limit, offset = window(request)
    wanted = request.query_params.get("filter")
    found = await services_of(request).channels.contacts(
        caller, client_id, wanted=wanted, limit=limit, offset=offset
    )
    return answer(request, [_contact(one) for one in found])


@route(router, "GET", "/{client_id}/contacts/{contact_id}")
async def view_contact(
    request: Request, caller: PrivateCaller, client_id: ClientId, contact_id: ContactId
) -> Response:
    """A contact and what was said with them."""
    services = services_of(request)
    contact, messages, uploads = await services.channels.conversation(caller, client_id, contact_id)
    shown: list[JsonValue] = [
        {
            "message_id": one.id,
            "role": one.role,
            "content": content_of(one, uploads, place=services.chat_uploads.link),
            "createdAt": iso(one.created_at),
        }
        for one in messages
    ]
    return answer(request, {**_contact(contact), "messages": shown})


@route(router, "POST", "/{client_id}/contacts/{contact_id}/takeover")
async def take_over(
    request: Request, caller: PrivateCaller, client_id: ClientId, contact_id: ContactId
) -> Response:
    """Keeps the agent quiet for a contact, until it is released or for the time in ``channels.takeover_seconds``."""
    return answer(
        request, _contact(await services_of(request).channels.take_over(caller, client_id, contact_id))
    )


@route(router, "POST", "/{client_id}/contacts/{contact_id}/release")
async def release(
    request: Request, caller: PrivateCaller, client_id: ClientId, contact_id: ContactId
) -> Response:
    """Lets the agent answer a contact again."""
    return answer(
        request, _contact(await services_of(request).channels.release(caller, client_id, contact_id))
    )


@route(router, "POST", "/{client_id}/contacts/{contact_id}/messages", openapi_extra=json_content(_SAY))
async def say(
    request: Request, caller: PrivateCaller, client_id: ClientId, contact_id: ContactId
) -> Response:
    """Sends a person's words to a contact, and keeps the agent quiet."""
    values: dict[str, Any] = await read_body(request, _SAY)
    made = await services_of(request).channels.say(caller, client_id, contact_id, values["text"])
    return answer(request, {"id": made})


@route(router, "POST", "/{client_id}/contacts/{contact_id}/answer")
async def answer_again(
    request: Request, caller: PrivateCaller, client_id: ClientId, contact_id: ContactId
) -> Response:
    """Lets the agent answer what it failed to answer."""
    await services_of(request).channels.answer_again(caller, client_id, contact_id)
    return said(request, "The messages are answered again.")


@route(router, "GET", "/{client_id}/dead-letters")
async def dead_letters(request: Request, caller: PrivateCaller, client_id: ClientId) -> Response:
    """What could not be sent after all tries, and what could not be answered."""
    found = await services_of(request).channels.dead_letters(caller, client_id)
    return answer(
        request,
        {
            "unsent": [_unsent(contact, piece) for contact, piece in found.unsent],
            "unanswered": [_unanswered(contact, one) for contact, one in found.unanswered],
        },
    )


@route(router, "POST", "/{client_id}/dead-letters/{message_id}/retry")
async def send_again(
    request: Request, caller: PrivateCaller, client_id: ClientId, message_id: MessageId
) -> Response:
    """Tries again to send a message that was given up."""
    await services_of(request).channels.send_again(caller, client_id, message_id)
    return said(request, "The message is sent again.")


def _contact(contact: Contact) -> dict[str, JsonValue]:
    held = contact.held_until is not None and contact.held_until > now_ms()
    return {
        "id": contact.id,
        "channel": type_of(contact.channel),
        "address": contact.address,
        "name": contact.name,
        "sessionId": contact.session_id,
        "takenOver": held,
        "takenOverBy": contact.held_by if held else None,
        "takenOverUntil": iso(contact.held_until) if held and contact.held_until is not None else None,
        "lastMessageAt": None if contact.last_inbound_at is None else iso(contact.last_inbound_at),
        "createdAt": iso(contact.created_at),
    }


def _unsent(contact: Contact, piece: Unsent) -> dict[str, JsonValue]:
    return {
        "id": piece.id,
        "contactId": contact.id,
        "channel": type_of(contact.channel),
        "address": contact.address,
        "text": piece.text,
        "media": None if piece.media_kind is None else {"kind": piece.media_kind, "fileName": piece.filename},
        "attempts": piece.attempts,
        "error": piece.error,
        "createdAt": iso(piece.created_at),
    }


def _unanswered(contact: Contact, received: Received) -> dict[str, JsonValue]:
    return {
        "contactId": contact.id,
        "channel": type_of(contact.channel),
        "address": contact.address,
        "text": received.text,
        "error": received.error,
        "receivedAt": iso(received.received_at),
    }
