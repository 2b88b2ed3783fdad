"""Collections of documents."""

from collections.abc import AsyncIterator

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from dragoman.dialects.aivax import encode
from dragoman.dialects.aivax.auth import CollectionId, PrivateCaller, services_of
from dragoman.dialects.aivax.body import json_content, read_body, window
from dragoman.dialects.aivax.envelope import answer, said
from dragoman.dialects.aivax.fields import Member, Record, Text
from dragoman.dialects.aivax.jsonl import export_line
from dragoman.dialects.aivax.tags import Tags
from dragoman.domain.knowledge.model import Document
from dragoman.kit.jsontypes import JsonObject

router = APIRouter()

WRITE = Record(
    {
        "collectionName": Member(Text(1, 255), required=True),
        "context": Member(Text(0, 100_000, nullable=True)),
        "tags": Member(Tags()),
    }
)


def _text(values: JsonObject, name: str) -> str | None:
    value = values.get(name)
    return value if isinstance(value, str) else None


def _tags(values: JsonObject) -> tuple[str, ...]:
    value = values.get("tags")
    return tuple(str(tag) for tag in value) if isinstance(value, list) else ()


@router.get("/collections")
async def list_collections(request: Request, caller: PrivateCaller) -> Response:
    """Every collection the caller may search, with its number of documents.

    Source: AIVAX API, "List Collections".
    """
    limit, offset = window(request)
    collections = services_of(request).collections
    listed = (await collections.visible(caller))[offset : offset + limit]
    counts = await collections.counts(caller, listed)
    return answer(request, [encode.listed_collection(one, counts[one.key]) for one in listed])


@router.post("/collections", openapi_extra=json_content(WRITE))
async def create_collection(request: Request, caller: PrivateCaller) -> Response:
    """A new, empty collection.

    Source: AIVAX API, "Create Collection".
    """
    values = await read_body(request, WRITE)
    made = await services_of(request).collections.create(
        caller, str(values["collectionName"]), context=_text(values, "context") or None, tags=_tags(values)
    )
    return answer(request, {"collectionId": made.id})


@router.put("/collections/{collection_id}", openapi_extra=json_content(WRITE))
async def edit_collection(request: Request, caller: PrivateCaller, collection_id: CollectionId) -> Response:
    """Sets the name; context and tags stay when they are left out and go when they are null.

    Source: AIVAX API, "Edit Collection".
    """
    values = await read_body(request, WRITE)
    await services_of(request).collections.update(
        caller,
        collection_id,
        name=str(values["collectionName"]),
        context=(_text(values, "context") or "") if "context" in values else None,
        tags=_tags(values) if "tags" in values else None,
    )
    return said(request, "Collection saved successfully")


@router.get("/collections/{collection_id}")
async def view_collection(request: Request, caller: PrivateCaller, collection_id: CollectionId) -> Response:
    """One collection and where its documents stand.

    Source: AIVAX API, "Get Collection Details".
    """
    collections = services_of(request).collections
    viewed = await collections.get(caller, collection_id)
    counts = await collections.counts(caller, [viewed])
    return answer(request, encode.viewed_collection(viewed, counts[viewed.key]))


@router.delete("/collections/{collection_id}")
async def delete_collection(request: Request, caller: PrivateCaller, collection_id: CollectionId) -> Response:
    """Removes a collection with all its documents.

    Source: AIVAX API, "Delete Collection".
    """
    await services_of(request).collections.delete(caller, collection_id)
    return said(request, "Collection deleted successfully")


@router.delete("/collections/{collection_id}/reset-only")
async def reset_collection(request: Request, caller: PrivateCaller, collection_id: CollectionId) -> Response:
    """Removes all documents and keeps the collection.

    Source: AIVAX API, "Reset Collection".
    """
    await services_of(request).collections.reset(caller, collection_id)
    return said(request, "Collection cleaned successfully")


@router.delete("/collections/{collection_id}/vectors-only")
async def reset_vectors(request: Request, caller: PrivateCaller, collection_id: CollectionId) -> Response:
    """Drops the vectors and queues all documents for new ones.

    Source: AIVAX API, "Update Collection Vectors".
    """
    await services_of(request).collections.reindex(caller, collection_id)
    return said(request, "Outdated documents enqueued")


async def _lines(pairs: AsyncIterator[tuple[Document, str]]) -> AsyncIterator[bytes]:
    async for document, text in pairs:
        yield export_line(document, text)


@router.get("/collections/{collection_id}/export.jsonl")
async def export_collection(request: Request, caller: PrivateCaller, collection_id: CollectionId) -> Response:
    """All documents as JSON lines that the import takes; never wrapped.

    Source: AIVAX API, "Export Collection".
    """
    pairs = await services_of(request).knowledge.export(caller, collection_id)
    name = f'attachment; filename="{collection_id}.jsonl"'
    return StreamingResponse(
        _lines(pairs), media_type="application/jsonl", headers={"Content-Disposition": name}
    )
