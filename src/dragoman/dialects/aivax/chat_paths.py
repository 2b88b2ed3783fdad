"""The two spellings of web chat paths, and the things they name."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends

from dragoman.dialects.aivax.auth import uuid_in_path

_SINGULAR, _PLURAL = "/web-chat-client", "/web-chat-clients"

ClientId = Annotated[str, Depends(uuid_in_path("client_id"))]
SessionId = Annotated[str, Depends(uuid_in_path("session_id"))]
ScheduleId = Annotated[str, Depends(uuid_in_path("schedule_id"))]


def route(
    router: APIRouter, verb: str, path: str, *, plural: bool = False, **extra: Any
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Routes a function under both spellings; the published one is in the OpenAPI document.

    Args:
        path: what follows ``web-chat-client``.
        plural: whether the published spelling is the plural.
    """

    def add(endpoint: Callable[..., Any]) -> Callable[..., Any]:
        for base in (_SINGULAR, _PLURAL):
            router.add_api_route(
                base + path,
                endpoint,
                methods=[verb],
                include_in_schema=(base == _PLURAL) == plural,
                **extra,
            )
        return endpoint

    return add
