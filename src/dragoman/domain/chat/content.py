"""Citations as JSON in the database."""

from collections.abc import Sequence

from dragoman.domain.messages.citations import Citation
from dragoman.kit.jsontypes import JsonValue

_SHOWN_CHARACTERS = 2000


def write_citations(citations: Sequence[Citation]) -> list[dict[str, JsonValue]]:
    """What a reader needs to follow a citation, with the beginning of the passage itself."""
    return [
        {
            "number": citation.number,
            "collection_id": citation.collection_id,
            "document_id": citation.document_id,
            "document_name": citation.document_name,
            "page": citation.page,
            "headings": list(citation.heading_path),
            "char_start": citation.char_start,
            "char_end": citation.char_end,
            "score": round(citation.score, 4),
            "text": citation.text[:_SHOWN_CHARACTERS],
        }
        for citation in citations
    ]
