"""Who may read a single document. This server's own."""

from typing import cast

from fastapi import APIRouter, Request, Response

from dragoman.dialects.aivax.auth import CollectionId, DocumentId, PrivateCaller, services_of
from dragoman.dialects.aivax.body import json_content, read_body
from dragoman.dialects.aivax.envelope import answer
from dragoman.dialects.aivax.fields import Choice, Items, Member, Record, Switch, Text
from dragoman.domain.knowledge.access import ROLES, DocumentAccess
from dragoman.kit.jsontypes import JsonValue

router = APIRouter()

_NAMES = Items(Text(1, 320), maximum=1000, unique=True)
ACCESS = Record(
    {
        "restricted": Member(Switch(), required=True),
        "users": Member(_NAMES, default=[]),
        "groups": Member(_NAMES, default=[]),
        "roles": Member(Items(Choice(ROLES), unique=True), default=[]),
    }
)


def _told(access: DocumentAccess) -> dict[str, JsonValue]:
    return {
        "restricted": access.restricted,
        "users": list(access.users),
        "groups": list(access.groups),
        "roles": list(access.roles),
    }


@router.get("/collections/{collection_id}/documents/{document_id}/access")
async def view_access(
    request: Request, caller: PrivateCaller, collection_id: CollectionId, document_id: DocumentId
) -> Response:
    """Who may read the document, for who may share its collection.

    Source: this server's own.
    """
    found = await services_of(request).document_access.get(caller, collection_id, document_id)
    return answer(request, _told(found))


@router.put("/collections/{collection_id}/documents/{document_id}/access", openapi_extra=json_content(ACCESS))
async def set_access(
    request: Request, caller: PrivateCaller, collection_id: CollectionId, document_id: DocumentId
) -> Response:
    """Restricts the document to users, groups and roles, or opens it to all who may search the collection.

    Source: this server's own.
    """
    values = cast("dict[str, list[str]]", await read_body(request, ACCESS))
    wanted = DocumentAccess(
        bool(values["restricted"]),
        tuple(values.get("users") or ()),
        tuple(values.get("groups") or ()),
        tuple(values.get("roles") or ()),
    )
    found = await services_of(request).document_access.put(caller, collection_id, document_id, wanted)
    return answer(request, _told(found))
