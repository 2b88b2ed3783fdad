"""Memories: what agents keep of the people they talk to."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from dragoman.dialects.aivax.auth import PrivateCaller, services_of, uuid_in_path
from dragoman.dialects.aivax.body import window
from dragoman.dialects.aivax.envelope import answer
from dragoman.dialects.aivax.fields import Choice, Uuid
from dragoman.domain.memories.model import Memory, MemoryFilter, MemoryFormat, person_of
from dragoman.kit.clock import iso
from dragoman.kit.errors import InvalidInput
from dragoman.kit.jsontypes import JsonValue

router = APIRouter()

_LISTED_CHARACTERS = 120
_FORMATS: dict[str, MemoryFormat] = {"Text": "text", "DateReminder": "date_reminder"}
_FORMAT = Choice(tuple(_FORMATS))
_PUBLISHED = {own: word for word, own in _FORMATS.items()}
MemoryId = Annotated[str, Depends(uuid_in_path("memory_id"))]


def _format(request: Request) -> MemoryFormat | None:
    given = request.query_params.get("format")
    return None if given is None or not given.strip() else _FORMATS[str(_FORMAT.read(given, "format"))]


def _uuid(request: Request, name: str) -> str | None:
    given = request.query_params.get(name)
    return None if given is None else str(Uuid().read(given.strip(), name))


def _listed(memory: Memory) -> dict[str, JsonValue]:
    return {
        "id": memory.id,
        "externalUserId": memory.external_user_id,
        "content": memory.content[:_LISTED_CHARACTERS],
        "format": _PUBLISHED[memory.format],
    }


@router.get("/memories")
async def list_memories(request: Request, caller: PrivateCaller) -> Response:
    """The memories that match, newest first, long ones cut.

    Source: AIVAX API, "List Memories".
    """
    limit, offset = window(request)
    wanted = MemoryFilter(
        text=(request.query_params.get("filter") or "").strip() or None,
        format=_format(request),
        agent_id=_uuid(request, "gatewayId"),
        limit=limit,
        offset=offset,
    )
    found = await services_of(request).memories.select(caller, wanted)
    return answer(request, [_listed(memory) for memory in found])


@router.delete("/memories")
async def delete_memories(request: Request, caller: PrivateCaller) -> Response:
    """Removes one memory by id, or all of a person's of one format.

    Source: AIVAX API, "Delete Memories".
    """
    memory_id, user = _uuid(request, "id"), request.query_params.get("externalUserId")
    if (memory_id is None) == (user is None):
        raise InvalidInput("Give either id, or externalUserId with format.", param="id")
    memories = services_of(request).memories
    if memory_id is not None:
        gone = await memories.remove(caller, memory_id)
        return answer(request, _removed(1, gone.external_user_id, gone.format))
    kind = _format(request)
    if kind is None:
        raise InvalidInput("format is required with externalUserId: Text or DateReminder.", param="format")
    if user is None or not person_of(user):
        raise InvalidInput("externalUserId names nobody.", param="externalUserId")
    return answer(request, _removed(await memories.clear(caller, user, kind), user, kind))


def _removed(count: int, user: str, kind: MemoryFormat) -> dict[str, JsonValue]:
    return {
        "message": "Memories deleted successfully.",
        "removedCount": count,
        "externalUserId": user,
        "format": _PUBLISHED[kind],
    }


@router.get("/memories/{memory_id}")
async def view_memory(request: Request, caller: PrivateCaller, memory_id: MemoryId) -> Response:
    """One memory in full.

    Source: AIVAX API, "Get Memory".
    """
    memory = await services_of(request).memories.get(caller, memory_id)
    end = memory.expires_at
    return answer(
        request,
        {
            **_listed(memory),
            "content": memory.content,
            "createdAt": iso(memory.created_at),
            "expiresAt": None if end is None else iso(end),
        },
    )
