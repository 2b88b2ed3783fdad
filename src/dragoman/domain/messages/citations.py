"""A citation: the number in the answer and the place in a document it stands for."""

from dataclasses import dataclass, field

from dragoman.kit.jsontypes import JsonObject, JsonValue


@dataclass(frozen=True, slots=True)
class Citation:
    """One numbered reference.

    ``number`` is the ``[n]`` mark in the answer, from 1. ``char_start`` and ``char_end`` are offsets (in characters, end
    exclusive) into the document's extracted text; ``page`` counts from 1 and is None for formats without pages. ``score`` is
    the similarity of the passage to the question, 0..1. What was found outside of collections has an empty ``collection_id``.
    ``label`` binds the text to where it may go.
    """

    number: int
    collection_id: str
    document_id: str
    document_name: str
    passage_id: str
    text: str
    char_start: int
    char_end: int
    page: int | None
    heading_path: tuple[str, ...]
    score: float
    metadata: JsonObject = field(default_factory=dict[str, JsonValue])
    reference: str | None = None
    context: str | None = None
    label: str | None = None
