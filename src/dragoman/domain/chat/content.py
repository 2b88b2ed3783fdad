"""Parts, tool calls and citations as JSON in the database."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from dragoman.domain.messages.citations import Citation
from dragoman.domain.messages.parts import (
    AudioPart,
    FilePart,
    ImagePart,
    Part,
    TextPart,
    ToolCall,
    VideoPart,
)
from dragoman.kit.jsontypes import JsonValue

_KINDS: Mapping[str, type[Part]] = {
    "text": TextPart,
    "image": ImagePart,
    "audio": AudioPart,
    "video": VideoPart,
    "file": FilePart,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def write_parts(parts: Sequence[Part]) -> list[dict[str, JsonValue]]:
    """The parts as JSON."""
    return [{"kind": _NAMES[type(part)], **asdict(part)} for part in parts]


def read_parts(stored: Sequence[Mapping[str, Any]]) -> tuple[Part, ...]:
    """The parts of their JSON."""
    return tuple(
        _KINDS[part["kind"]](**{name: value for name, value in part.items() if name != "kind"})
        for part in stored
    )


def write_calls(calls: Sequence[ToolCall]) -> list[dict[str, JsonValue]]:
    """Tool calls as JSON."""
    return [asdict(call) for call in calls]


def read_calls(stored: Sequence[Mapping[str, Any]]) -> tuple[ToolCall, ...]:
    """The tool calls of their JSON."""
    return tuple(ToolCall(**call) for call in stored)


def write_citations(citations: Sequence[Citation]) -> list[dict[str, JsonValue]]:
    """What a reader needs to follow a citation, without the passage itself."""
    return [
        {
            "number": citation.number,
            "collection_id": citation.collection_id,
            "document_id": citation.document_id,
            "document_name": citation.document_name,
            "page": citation.page,
            "score": round(citation.score, 4),
        }
        for citation in citations
    ]
