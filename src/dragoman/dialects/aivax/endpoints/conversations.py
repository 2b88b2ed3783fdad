"""Kept conversations: listed, read, exported, removed. Beyond the published reference, as the vendor's later surface has them."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Request, Response
from starlette.responses import StreamingResponse

from dragoman.dialects.aivax.auth import PrivateCaller, services_of, uuid_in_path
from dragoman.dialects.aivax.body import window
from dragoman.dialects.aivax.conversation_filter import conversation_filter
from dragoman.dialects.aivax.envelope import answer, json_response, said
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.services import Services
from dragoman.domain.usage.conversations.model import Conversation, ConversationSummary
from dragoman.kit.clock import iso, now_ms
from dragoman.kit.errors import InvalidInput
from dragoman.kit.jsontypes import JsonObject, JsonValue

router = APIRouter()

ConversationId = Annotated[str, Depends(uuid_in_path("conversation_id"))]

_MINUTE_MS = 60_000
_PERIODS: Mapping[str, int] = {"2h": 120, "1d": 1440, "7d": 10_080, "30d": 43_200}
_THINKING = ("visible", "all", "none")
_MEDIA = ("text", "include")
_CHARACTERS_PER_TOKEN = 4


def _resources(one: ConversationSummary | Conversation) -> list[JsonValue]:
    named = [("AiGateway", one.agent_id), ("ApiKey", one.api_key_id)]
    if isinstance(one, Conversation):
        named += [("Collection", collection) for collection in one.collections]
    return [{"type": kind, "id": id} for kind, id in named if id is not None]


def _listed(one: ConversationSummary) -> dict[str, JsonValue]:
    return {
        "id": one.id,
        "origin": one.origin,
        "modelName": one.model,
        "preview": one.preview,
        "tokenCount": one.tokens,
        "externalUserId": one.end_user,
        "errorMessage": one.error,
        "resources": _resources(one),
        "createdAt": iso(one.created_at),
        "updatedAt": iso(one.updated_at),
    }


def _viewed(one: Conversation) -> dict[str, JsonValue]:
    usage = one.usage
    cached = usage.get("cached_tokens", 0)
    return {
        "id": one.id,
        "origin": one.origin,
        "modelName": one.model,
        "requestId": one.request_id,
        "idempotencyKey": one.key,
        "calls": one.calls,
        "responseSchema": one.asked_with.get("response_schema"),
        "tools": one.asked_with.get("tools"),
        "usageObject": {
            "prompt_tokens": usage.get("prompt_tokens", 0) - cached,
            "completion_tokens": usage.get("completion_tokens", 0),
            "total_tokens": one.tokens,
            "prompt_tokens_details": {"cached_tokens": cached},
        },
        "resources": _resources(one),
        "createdAt": iso(one.created_at),
        "updatedAt": iso(one.updated_at),
        "tokenCount": one.tokens,
        "externalUserId": one.end_user,
        "errorMessage": one.error,
        "messages": list(one.messages),
        "metadata": dict(one.metadata),
    }


@router.get("/conversations")
async def list_conversations(request: Request, caller: PrivateCaller) -> Response:
    """The account's kept conversations, the one changed last first.

    Source: the vendor's manual for agents, "List Conversations".
    """
    limit, offset = window(request)
    wanted = conversation_filter(request.query_params.get("filter") or "")
    minutes = request.query_params.get("offsetminutes")
    if minutes is not None:
        if not (minutes.isascii() and minutes.isdecimal()) or not 1 <= int(minutes[:10]) <= 525_600:
            raise InvalidInput(
                "offsetminutes must be a whole number from 1 to 525600.", param="offsetminutes"
            )
        wanted = replace(wanted, since=now_ms() - int(minutes) * _MINUTE_MS)
    found = await services_of(request).conversations.select(
        caller, replace(wanted, limit=limit, offset=offset)
    )
    return answer(request, [_listed(one) for one in found])


@router.get("/conversations/management/export.jsonl")
async def export_conversations(request: Request, caller: PrivateCaller) -> Response:
    """The conversations of a period as JSON lines; media are not kept, so that there are none to include.

    Source: the vendor's manual for agents, "Export Conversations".
    """
    since = now_ms() - _PERIODS[_word(request, "period", tuple(_PERIODS), "30d")] * _MINUTE_MS
    thinking = _word(request, "thinking", _THINKING, "visible")
    _word(request, "media", _MEDIA, "text")
    most = _tokens(request)
    lines = _lines(services_of(request), caller, since, thinks=thinking != "none", most_tokens=most)
    return StreamingResponse(
        lines,
        media_type="application/jsonl",
        headers={"Content-Disposition": 'attachment; filename="conversations.jsonl"'},
    )


async def _lines(
    services: Services, caller: Caller, since: int, *, thinks: bool, most_tokens: int
) -> AsyncIterator[bytes]:
    async for one in services.conversations.export(caller, since=since):
        told = _viewed(one)
        told["messages"] = list(_shortened(one.messages, thinks=thinks, most_tokens=most_tokens))
        yield orjson.dumps(told) + b"\n"


def _shortened(messages: tuple[JsonObject, ...], *, thinks: bool, most_tokens: int) -> list[JsonObject]:
    """The messages, without reasoning where it is unwanted, and of a long conversation the latest."""
    told = [
        message if thinks else {name: value for name, value in message.items() if name != "reasoning"}
        for message in messages
    ]
    if not most_tokens:
        return told
    left = most_tokens * _CHARACTERS_PER_TOKEN
    kept: list[JsonObject] = []
    for message in reversed(told):
        left -= len(orjson.dumps(message))
        if left < 0 and kept:
            break
        kept.append(message)
    return kept[::-1]


@router.get("/conversations/{conversation_id}")
async def view_conversation(
    request: Request, caller: PrivateCaller, conversation_id: ConversationId
) -> Response:
    """One conversation with its messages.

    Source: the vendor's manual for agents, "View One Conversation".
    """
    return answer(request, _viewed(await services_of(request).conversations.get(caller, conversation_id)))


@router.get("/conversations/{conversation_id}/export.json")
async def export_conversation(
    request: Request, caller: PrivateCaller, conversation_id: ConversationId
) -> Response:
    """One conversation as a file.

    Source: the vendor's manual for agents, "Export Conversations".
    """
    found = await services_of(request).conversations.get(caller, conversation_id)
    name = f'attachment; filename="conversation-{found.id}.json"'
    return json_response(_viewed(found), headers={"Content-Disposition": name})


@router.delete("/conversations/{conversation_id}")
async def delete_conversation(
    request: Request, caller: PrivateCaller, conversation_id: ConversationId
) -> Response:
    """Removes a conversation.

    Source: the vendor's manual for agents, "Deletion".
    """
    await services_of(request).conversations.delete(caller, conversation_id)
    return said(request, "Conversation deleted.")


def _word(request: Request, name: str, allowed: tuple[str, ...], default: str) -> str:
    value = request.query_params.get(name, default).strip().lower()
    if value not in allowed:
        raise InvalidInput(f"{name} must be one of {', '.join(allowed)}.", param=name)
    return value


def _tokens(request: Request) -> int:
    text = request.query_params.get("truncate", "0")
    if not (text.isascii() and text.isdecimal()):
        raise InvalidInput("truncate must be a whole number, 0 for everything.", param="truncate")
    return min(int(text[:10]), 10**9)
