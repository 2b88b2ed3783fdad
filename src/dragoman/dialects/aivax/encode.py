"""Domain values in the published form."""

from collections.abc import Sequence

from dragoman.domain.accounts.model import ApiKey
from dragoman.domain.agents.model import AgentSummary
from dragoman.domain.knowledge.model import Collection, Document, DocumentCounts, DocumentState
from dragoman.domain.knowledge.retrieve import Hit
from dragoman.kit.clock import iso
from dragoman.kit.jsontypes import JsonValue

PREVIEW_CHARACTERS = 200
_STATES: dict[DocumentState, str] = {
    "queued": "Queued",
    "parsing": "Queued",
    "embedding": "Queued",
    "indexed": "Indexed",
    "failed": "Cancelled",
    "cancelled": "Cancelled",
}


def _time(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else iso(milliseconds)


def api_key(key: ApiKey) -> dict[str, JsonValue]:
    """A key without its secret part."""
    return {
        "id": key.id,
        "label": key.label,
        "key": f"...{key.last_six}",
        "type": key.kind.capitalize(),
        "createdAt": iso(key.created_at),
        "expiresAt": _time(key.expires_at),
        "usedAt": _time(key.used_at),
    }


def listed_collection(collection: Collection, counts: DocumentCounts) -> dict[str, JsonValue]:
    """A collection as lists have it."""
    return {
        "id": collection.id,
        "name": collection.name,
        "context": collection.context or None,
        "tags": list(collection.tags),
        "createdAt": iso(collection.created_at),
        "documentCount": {
            "totalDocuments": counts.total,
            "indexedDocuments": counts.indexed,
            "queuedDocuments": counts.waiting,
        },
    }


def viewed_collection(collection: Collection, counts: DocumentCounts) -> dict[str, JsonValue]:
    """A collection with where its documents stand."""
    return {
        "id": collection.id,
        "name": collection.name,
        "context": collection.context or None,
        "createdAt": iso(collection.created_at),
        "state": {"total": counts.total, "indexed": counts.indexed, "queued": counts.waiting},
        "tags": list(collection.tags),
    }


def listed_document(document: Document, preview: str) -> dict[str, JsonValue]:
    """A document as lists have it."""
    return {
        "id": document.id,
        "updatedAt": iso(document.updated_at),
        "name": document.name,
        "reference": document.reference,
        "tags": list(document.tags),
        "contentsPreview": preview,
        "indexState": _STATES[document.state],
    }


def viewed_document(document: Document, text: str, *, tokens: int) -> dict[str, JsonValue]:
    """A document with its text and counts."""
    return {
        "id": document.id,
        "name": document.name,
        "state": _STATES[document.state],
        "stateDetail": document.state_detail,
        "contents": text,
        "reference": document.reference,
        "tags": list(document.tags),
        "createdAt": iso(document.created_at),
        "updatedAt": iso(document.updated_at),
        "indexedAt": _time(document.indexed_at),
        "characterCount": len(text),
        "wordCount": len(text.split()),
        "approximateTokenCount": tokens,
        "metadata": dict(document.metadata),
    }


def found(hit: Hit, siblings: Sequence[tuple[Document, str]]) -> dict[str, JsonValue]:
    """A search result."""
    return {
        "documentId": hit.document.id,
        "documentName": hit.document.name,
        "documentContent": hit.passage.text,
        "score": hit.score,
        "metadata": dict(hit.document.metadata),
        "collectionId": hit.collection.id,
        "referencedDocuments": [
            {"documentId": document.id, "documentName": document.name, "documentContent": text}
            for document, text in siblings
        ],
    }


def listed_gateway(gateway: AgentSummary, *, base_address: str) -> dict[str, JsonValue]:
    """A gateway as lists have it."""
    return {
        "id": gateway.id,
        "name": gateway.name,
        "inferenceEndpoint": base_address,
        "modelName": gateway.model,
        "slug": gateway.slug,
    }
