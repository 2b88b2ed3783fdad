"""Documents of a collection."""

from typing import Any

from anyio import to_thread
from fastapi import APIRouter, Request, Response

from dragoman.dialects.aivax import encode
from dragoman.dialects.aivax.auth import CollectionId, DocumentId, PrivateCaller, services_of
from dragoman.dialects.aivax.body import json_content, read_body, window
from dragoman.dialects.aivax.envelope import answer, said
from dragoman.dialects.aivax.fields import Mapped, Member, Record, Text
from dragoman.dialects.aivax.filters import document_filter
from dragoman.dialects.aivax.jsonl import check_import
from dragoman.dialects.aivax.multipart import uploaded_file
from dragoman.dialects.aivax.tags import Tags
from dragoman.domain.knowledge.model import DocumentDraft
from dragoman.kit.errors import InvalidInput

router = APIRouter()

_COUNTED_AS = "gpt-4o"
WRITE = Record(
    {
        "contents": Member(Text(0, 100_000_000), required=True),
        "name": Member(Text(1, 256), required=True),
        "reference": Member(Text(0, 64, nullable=True)),
        "tags": Member(Tags()),
        "metadata": Member(Mapped(maximum=1000, nullable=True)),
    }
)


@router.get("/collections/{collection_id}/documents")
async def list_documents(request: Request, caller: PrivateCaller, collection_id: CollectionId) -> Response:
    """The documents that match the filter, in the order asked for.

    Source: AIVAX API, "Browse Documents".
    """
    limit, offset = window(request)
    query = request.query_params
    wanted = document_filter(
        text=query.get("filter"),
        order_by=query.get("order_by"),
        state=query.get("state"),
        limit=limit,
        offset=offset,
    )
    knowledge = services_of(request).knowledge
    listed = await knowledge.documents(caller, collection_id, wanted)
    previews = await knowledge.previews(listed, length=encode.PREVIEW_CHARACTERS)
    return answer(request, [encode.listed_document(one, previews.get(one.key, "")) for one in listed])


def _deletes_absent(request: Request) -> bool:
    mode = request.query_params.get("insert-mode")
    if mode is not None and mode.strip().lower() != "sync":
        raise InvalidInput("insert-mode must be sync, or left out.", param="insert-mode")
    return mode is not None


@router.post("/collections/{collection_id}/documents")
async def import_documents(request: Request, caller: PrivateCaller, collection_id: CollectionId) -> Response:
    """Takes a JSONL file in: nothing when one line is wrong, else what is new or changed.

    Source: AIVAX API, "Index Documents (JSONL)".
    """
    delete_absent = _deletes_absent(request)
    services = services_of(request)
    bounds = services.settings.knowledge
    await services.collections.get(caller, collection_id)
    async with uploaded_file(request, "documents", maximum_bytes=bounds.max_upload_bytes) as path:
        plan = await to_thread.run_sync(lambda: check_import(path, maximum_lines=bounds.max_import_lines))
        if delete_absent and not plan.lines:
            raise InvalidInput(
                "The file holds no documents; insert-mode=sync would delete all there are: use reset-only.",
                param="documents",
            )
        done = await services.knowledge.import_texts(
            caller, collection_id, plan.items(), delete_absent=delete_absent
        )
    return answer(request, {"enqueued": done.enqueued, "skipped": done.skipped + plan.repeated})


@router.put("/collections/{collection_id}/documents", openapi_extra=json_content(WRITE))
async def put_document(request: Request, caller: PrivateCaller, collection_id: CollectionId) -> Response:
    """Creates the document of that name, or replaces it.

    Source: AIVAX API, "Create or Update Document".
    """
    values: dict[str, Any] = await read_body(request, WRITE)
    draft = DocumentDraft(
        values["name"],
        values["name"],
        reference=values.get("reference") or None,
        tags=tuple(values.get("tags") or ()),
        metadata=values.get("metadata") or {},
    )
    stored = await services_of(request).knowledge.put_text(caller, collection_id, draft, values["contents"])
    return answer(request, {"documentId": stored.document.id, "state": stored.outcome.capitalize()})


@router.get("/collections/{collection_id}/documents/{document_id}")
async def view_document(
    request: Request, caller: PrivateCaller, collection_id: CollectionId, document_id: DocumentId
) -> Response:
    """One document with its text and counts.

    Source: AIVAX API, "Get Document".
    """
    services = services_of(request)
    document, text = await services.knowledge.document(caller, collection_id, document_id)
    counted = await services.tokens.total([text], _COUNTED_AS)
    return answer(request, encode.viewed_document(document, text, tokens=counted.tokens))


@router.delete("/collections/{collection_id}/documents/{document_id}")
async def delete_document(
    request: Request, caller: PrivateCaller, collection_id: CollectionId, document_id: DocumentId
) -> Response:
    """Removes a document at once.

    Source: AIVAX API, "Delete Document".
    """
    await services_of(request).knowledge.delete_document(caller, collection_id, document_id)
    return said(request, "Document removed")
