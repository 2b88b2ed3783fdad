"""Parts, tool calls and messages as JSON in the database."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from dragoman.domain.messages.citations import Citation
from dragoman.domain.messages.events import (
    Attached,
    CitationsFound,
    Event,
    Finished,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolRun,
    Usage,
)
from dragoman.domain.messages.parts import (
    AudioPart,
    FilePart,
    ImagePart,
    Message,
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
_EVENTS: Mapping[str, type[TextDelta | ReasoningDelta | ToolCallDelta | ToolRun]] = {
    "text": TextDelta,
    "reasoning": ReasoningDelta,
    "call": ToolCallDelta,
    "tool": ToolRun,
}
_EVENT_NAMES = {kind: name for name, kind in _EVENTS.items()}
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


def write_messages(messages: Sequence[Message]) -> list[dict[str, JsonValue]]:
    """Messages as JSON."""
    return [
        {
            "role": message.role,
            "parts": write_parts(message.parts),
            "tool_calls": write_calls(message.tool_calls),
            "tool_call_id": message.tool_call_id,
            "name": message.name,
            "reasoning": message.reasoning,
        }
        for message in messages
    ]


def read_messages(stored: Sequence[Mapping[str, Any]]) -> tuple[Message, ...]:
    """The messages of their JSON."""
    return tuple(
        Message(
            one["role"],
            read_parts(one["parts"]),
            read_calls(one["tool_calls"]),
            one["tool_call_id"],
            one["name"],
            one["reasoning"],
        )
        for one in stored
    )


def write_event(event: Event) -> dict[str, Any]:
    """One event of an answer as JSON."""
    match event:
        case Attached():
            return {"kind": "attached", "parts": write_parts(event.parts), "tool": event.tool}
        case CitationsFound():
            return {"kind": "citations", "citations": [asdict(citation) for citation in event.citations]}
        case Finished():
            return {
                "kind": "finished",
                "reason": event.reason,
                "usage": asdict(event.usage),
                "model": event.model,
            }
        case TextDelta() | ReasoningDelta() | ToolCallDelta() | ToolRun():
            return {"kind": _EVENT_NAMES[type(event)], **asdict(event)}


def read_event(stored: Mapping[str, Any]) -> Event:
    """The event of its JSON."""
    kind, fields = stored["kind"], {name: value for name, value in stored.items() if name != "kind"}
    match kind:
        case "attached":
            return Attached(read_parts(fields["parts"]), fields["tool"])
        case "citations":
            return CitationsFound(tuple(_citation(one) for one in fields["citations"]))
        case "finished":
            return Finished(fields["reason"], Usage(**fields["usage"]), fields["model"])
        case _:
            return _EVENTS[kind](**fields)


def _citation(stored: Mapping[str, Any]) -> Citation:
    return replace(Citation(**stored), heading_path=tuple(stored["heading_path"]))
