"""Collections, documents and passages as values."""

from dataclasses import dataclass, field
from typing import Literal

from dragoman.kit.jsontypes import JsonObject, JsonValue

DocumentState = Literal["queued", "parsing", "embedding", "indexed", "failed", "cancelled"]
Visibility = Literal["private", "organisation", "public"]
Outcome = Literal["created", "modified", "unmodified"]


@dataclass(frozen=True, slots=True)
class DocumentCounts:
    """How many documents a collection has, by where they stand. ``waiting`` = queued, parsing or embedding."""

    total: int = 0
    indexed: int = 0
    waiting: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Collection:
    """A set of documents that is searched together. ``key`` is internal, ``id`` is what callers see.

    ``owner_number`` is the owner's decimal id.
    """

    key: int
    id: str
    organisation_id: str
    owner_id: str
    owner_number: int
    name: str
    context: str | None
    tags: tuple[str, ...]
    label: str | None
    visibility: Visibility
    embedder: str | None
    created_at: int
    updated_at: int
    embedder_choice: str | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """One document and where its indexing stands; times in ms since 1970."""

    key: int
    id: str
    collection_key: int
    external_id: str
    name: str
    reference: str | None
    tags: tuple[str, ...]
    metadata: JsonObject
    context: str | None
    media_type: str | None
    size: int
    sha256: str
    blob_key: str | None
    version: int
    state: DocumentState
    state_detail: str | None
    page_count: int | None
    passage_count: int
    embedded_count: int
    token_count: int
    created_at: int
    updated_at: int
    indexed_at: int | None


@dataclass(frozen=True, slots=True)
class DocumentDraft:
    """What a caller says about a document, beside its content. ``external_id`` is the caller's own id, unique in the collection."""

    external_id: str
    name: str
    reference: str | None = None
    tags: tuple[str, ...] = ()
    metadata: JsonObject = field(default_factory=dict[str, JsonValue])
    context: str | None = None


@dataclass(frozen=True, slots=True)
class PassageDraft:
    """A passage before it has a row; offsets point into the document's text."""

    ordinal: int
    text: str
    page: int | None
    heading_path: tuple[str, ...]
    char_start: int
    char_end: int
    token_count: int


@dataclass(frozen=True, slots=True)
class StoredPassage:
    """A passage with its row's key."""

    key: int
    document_key: int
    collection_key: int
    ordinal: int
    text: str
    page: int | None
    heading_path: tuple[str, ...]
    char_start: int
    char_end: int


@dataclass(frozen=True, slots=True)
class Stored:
    """The result of storing a document."""

    document: Document
    outcome: Outcome
