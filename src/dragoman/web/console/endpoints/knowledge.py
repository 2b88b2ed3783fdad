"""Uploads, where documents stand, their passages, and the query lab."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal, get_args

from anyio import open_file, to_thread
from pydantic import Field
from starlette.responses import Response
from starlette.routing import Route

from dragoman.domain.knowledge.model import Document, DocumentDraft, DocumentState, StoredPassage
from dragoman.domain.knowledge.reembed import EmbedderState
from dragoman.domain.knowledge.repository.documents import DocumentFilter
from dragoman.domain.knowledge.retrieve import Hit, RetrievalQuery
from dragoman.domain.labels.model import LabelPolicy, Policies
from dragoman.kit.clock import iso
from dragoman.kit.errors import InvalidInput, TooLarge
from dragoman.kit.jsontypes import JsonValue
from dragoman.web.console.answers import Body, answer, number, read
from dragoman.web.console.gate import Visit, signed_in

_PAGE = 100
_LONGEST_NAME = 256
_STATES: dict[str, DocumentState] = {state: state for state in get_args(DocumentState)}
_UNDONE: tuple[DocumentState, ...] = ("queued", "parsing", "embedding", "failed", "cancelled")


class QueryBody(Body):
    """A question put to a collection."""

    text: str = Field(min_length=1, max_length=20_000)
    limit: int = Field(default=10, ge=1, le=50)
    rerank: Literal["none", "rrf", "lexical", "smart"] = "rrf"


def _document(document: Document) -> dict[str, JsonValue]:
    return {
        "id": document.id,
        "name": document.name,
        "reference": document.reference,
        "tags": list(document.tags),
        "mediaType": document.media_type,
        "size": document.size,
        "state": document.state,
        "stateDetail": document.state_detail,
        "pages": document.page_count,
        "passages": document.passage_count,
        "embedded": document.embedded_count,
        "tokens": document.token_count,
        "createdAt": iso(document.created_at),
        "updatedAt": iso(document.updated_at),
    }


def _states(given: str | None) -> tuple[DocumentState, ...]:
    if not given:
        return ()
    found: tuple[DocumentState, ...] = tuple(_STATES[word] for word in given.split(",") if word in _STATES)
    if not found:
        raise InvalidInput(f"state is of {', '.join(_STATES)}.", param="state")
    return found


async def documents(visit: Visit) -> Response:
    """Documents of a collection, the latest first, a page at a time."""
    query = visit.request.query_params
    collection_id = visit.request.path_params["collection"]
    found = await visit.services.knowledge.documents(
        visit.caller,
        collection_id,
        DocumentFilter(
            name_or_text=query.get("text", "").strip() or None,
            states=_states(query.get("state")),
            descending=True,
            limit=_PAGE,
            offset=number(visit.request, "offset", 0, least=0, most=10_000_000),
        ),
    )
    return answer({"documents": [_document(one) for one in found], "more": len(found) == _PAGE})


async def upload(visit: Visit) -> Response:
    """Takes a file in; the body is its content. Reading and indexing follow in the background."""
    name = visit.request.query_params.get("name", "").strip().replace("\0", "")
    if not 1 <= len(name) <= _LONGEST_NAME:
        raise InvalidInput(f"name has 1 to {_LONGEST_NAME} characters.", param="name")
    collection_id = visit.request.path_params["collection"]
    await visit.services.collections.get(visit.caller, collection_id)
    media_type = visit.request.headers.get("content-type", "").partition(";")[0].strip() or None
    if media_type == "application/octet-stream":
        media_type = None
    async with _received(visit) as path:
        stored = await visit.services.knowledge.put_file(
            visit.caller, collection_id, DocumentDraft(name, name), path, media_type=media_type
        )
    return answer({"document": _document(stored.document), "outcome": stored.outcome}, 201)


@asynccontextmanager
async def _received(visit: Visit) -> AsyncIterator[Path]:
    """The body in a file, which is gone at the end."""
    most, size = visit.services.settings.knowledge.max_upload_bytes, 0
    folder = await to_thread.run_sync(
        lambda: tempfile.TemporaryDirectory(prefix="console-", dir=visit.services.uploads)
    )
    try:
        path = Path(folder.name) / "content"
        async with await open_file(path, "wb") as file:
            async for piece in visit.request.stream():
                size += len(piece)
                if size > most:
                    raise TooLarge(f"A file has at most {most} bytes.", param="file")
                await file.write(piece)
        yield path
    finally:
        await to_thread.run_sync(folder.cleanup)


async def document(visit: Visit) -> Response:
    """A document with its passages."""
    at = visit.request.path_params
    found, _ = await visit.services.knowledge.document(visit.caller, at["collection"], at["document"])
    passages = await visit.services.knowledge.passages(visit.caller, at["collection"], at["document"])
    return answer({**_document(found), "content": [_passage(one) for one in passages]})


def _passage(passage: StoredPassage) -> dict[str, JsonValue]:
    return {
        "number": passage.ordinal,
        "text": passage.text,
        "page": passage.page,
        "headings": list(passage.heading_path),
        "from": passage.char_start,
        "to": passage.char_end,
    }


async def retry(visit: Visit) -> Response:
    """Reads a document that failed once more."""
    at = visit.request.path_params
    queued = await visit.services.knowledge.queue.retry(visit.caller, at["collection"], at["document"])
    return answer(_document(queued))


async def ingestion(visit: Visit) -> Response:
    """What is under way or has failed in all collections, the latest first."""
    states = _states(visit.request.query_params.get("state")) or _UNDONE
    found = await visit.services.knowledge.queue.select(visit.caller, states)
    return answer(
        [
            {**_document(one), "collection": {"id": collection.id, "name": collection.name}}
            for collection, one in found
        ]
    )


async def query(visit: Visit) -> Response:
    """The passages that a question finds, with the scores by which they are in this order."""
    given = await read(visit.request, QueryBody)
    retrieval = await visit.services.retriever.retrieve(
        visit.caller,
        RetrievalQuery(
            terms=(given.text,),
            collection_ids=(visit.request.path_params["collection"],),
            limit=given.limit,
            rerank=given.rerank,
        ),
    )
    return answer(
        {
            "hits": [_hit(place, hit) for place, hit in enumerate(retrieval.hits, 1)],
            "wordsOnly": visit.services.embed.reason or ("" if not retrieval.embedding_down else "down"),
        }
    )


def _hit(place: int, hit: Hit) -> dict[str, JsonValue]:
    return {
        "place": place,
        "score": hit.score,
        "rankScore": hit.rank_score,
        "document": {"id": hit.document.id, "name": hit.document.name},
        **_passage(hit.passage),
    }


class EmbedderBody(Body):
    """The embedder that a collection is to have."""

    embedder: str = Field(default="default", min_length=1, max_length=64)


def _embedder(state: EmbedderState) -> dict[str, JsonValue]:
    return {
        "collection": {"id": state.collection_id, "name": state.name},
        "embedder": state.embedder,
        "available": state.available,
        "choice": state.choice,
        "next": state.next,
        "state": state.state,
        "detail": state.detail,
        "done": state.done,
        "total": state.total,
        "startedAt": None if state.started_at is None else iso(state.started_at),
    }


async def embedders(visit: Visit) -> Response:
    """Whose vectors collections have, what is under way, and the embedders there are."""
    states = await visit.services.reembedding.states(visit.caller)
    return answer(
        {
            "embedders": {name: one.name for name, one in visit.services.embed.profiles().items()},
            "collections": [_embedder(state) for state in states],
        }
    )


async def embedder(visit: Visit) -> Response:
    """Whose vectors a collection has."""
    collection_id = visit.request.path_params["collection"]
    return answer(_embedder(await visit.services.reembedding.state(visit.caller, collection_id)))


async def reembed(visit: Visit) -> Response:
    """Gives a collection another embedder while it goes on answering."""
    given = await read(visit.request, EmbedderBody)
    collection_id = visit.request.path_params["collection"]
    state = await visit.services.reembedding.start(visit.caller, collection_id, given.embedder)
    return answer(_embedder(state), 202)


async def stop_reembedding(visit: Visit) -> Response:
    """Stops such a change; the vectors in use stay."""
    collection_id = visit.request.path_params["collection"]
    return answer(_embedder(await visit.services.reembedding.cancel(visit.caller, collection_id)))


class LabelBody(Body):
    """The label that a collection is to bear; none takes it away."""

    label: str | None = Field(default=None, max_length=64)


def _policy(policy: LabelPolicy, *, described: bool = True) -> dict[str, JsonValue]:
    return {
        "label": policy.label,
        "banner": policy.banner,
        "color": policy.color,
        "description": policy.description,
        "forbids": list(policy.sentences),
        "described": described,
    }


async def labels(visit: Visit) -> Response:
    """The labels there are, and which of the collections that the caller may see bear one."""
    policies = visit.services.labels.policies
    seen = await visit.services.collections.visible(visit.caller)
    borne = {one.id: _borne(policies, one.label) for one in seen if one.label is not None}
    return answer({"labels": [_policy(one) for one in policies.all()], "collections": borne})


def _borne(policies: Policies, label: str) -> dict[str, JsonValue]:
    return _policy(policies.of(label), described=policies.known(label) is not None)


async def put_label(visit: Visit) -> Response:
    """Puts a collection under a label, or under none."""
    given = await read(visit.request, LabelBody)
    changed = await visit.services.collections.set_label(
        visit.caller, visit.request.path_params["collection"], given.label
    )
    return answer({"id": changed.id, "label": changed.label})


ROUTES = [
    Route("/labels", signed_in(labels)),
    Route("/collections/{collection}/label", signed_in(put_label), methods=["PUT"]),
    Route("/collections/{collection}/documents", signed_in(documents), methods=["GET"]),
    Route("/collections/{collection}/files", signed_in(upload), methods=["POST"]),
    Route("/collections/{collection}/query", signed_in(query), methods=["POST"]),
    Route("/collections/{collection}/documents/{document}", signed_in(document), methods=["GET"]),
    Route("/collections/{collection}/documents/{document}/retry", signed_in(retry), methods=["POST"]),
    Route("/collections/{collection}/embedder", signed_in(embedder), methods=["GET"]),
    Route("/collections/{collection}/embedder", signed_in(reembed), methods=["PUT"]),
    Route("/collections/{collection}/embedder/change", signed_in(stop_reembedding), methods=["DELETE"]),
    Route("/embedders", signed_in(embedders)),
    Route("/ingestion", signed_in(ingestion)),
]
