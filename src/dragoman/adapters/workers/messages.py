"""Messages in the OpenAI form, as workers are sent and send them."""

from collections.abc import Mapping, Sequence
from typing import Any, assert_never

from dragoman.domain.messages.parts import (
    AudioPart,
    FilePart,
    ImagePart,
    Message,
    Part,
    Role,
    TextPart,
    ToolCall,
    VideoPart,
)
from dragoman.kit.errors import InvalidInput
from dragoman.kit.jsontypes import JsonValue

_ROLES: Mapping[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
}


def written_message(message: Message) -> dict[str, JsonValue]:
    """A message in the OpenAI form."""
    told: dict[str, JsonValue] = {"role": message.role, "content": _content(message.parts)}
    if message.name is not None:
        told["name"] = message.name
    if message.tool_call_id is not None:
        told["tool_call_id"] = message.tool_call_id
    if message.tool_calls:
        told["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    return told


def _content(parts: Sequence[Part]) -> JsonValue:
    if all(isinstance(part, TextPart) for part in parts):
        return "\n".join(part.text for part in parts if isinstance(part, TextPart))
    return [_written_part(part) for part in parts]


def _written_part(part: Part) -> JsonValue:
    match part:
        case TextPart(text):
            return {"type": "text", "text": text}
        case ImagePart(url):
            return {"type": "image_url", "image_url": {"url": url}}
        case AudioPart(data, form):
            return {"type": "input_audio", "input_audio": {"data": data, "format": form}}
        case VideoPart(url):
            return {"type": "video_url", "video_url": {"url": url}}
        case FilePart(data, filename):
            return {"type": "file", "file": {"file_data": data, "filename": filename}}
        case _:
            assert_never(part)


def text_of(values: Mapping[str, Any], name: str, where: str) -> str:
    """The text of that name.

    Raises:
        InvalidInput: it is none.
    """
    value = values.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidInput(f"{where}.{name} must be a text")
    return value


def object_of(values: Mapping[str, Any], name: str, where: str) -> Mapping[str, Any]:
    """The object of that name.

    Raises:
        InvalidInput: it is none.
    """
    value = values.get(name)
    if not isinstance(value, Mapping):
        raise InvalidInput(f"{where}.{name} must be an object")
    return value


def read_message(value: object, where: str) -> Message:
    """The message that was sent.

    Raises:
        InvalidInput: it is none; says what and where.
    """
    if not isinstance(value, Mapping) or value.get("role") not in _ROLES:
        raise InvalidInput(f"{where}.role must be one of {', '.join(_ROLES)}")
    content, call_id, name = value.get("content"), value.get("tool_call_id"), value.get("name")
    calls = value.get("tool_calls") or []
    if not isinstance(calls, list):
        raise InvalidInput(f"{where}.tool_calls must be a list")
    return Message(
        _ROLES[str(value["role"])],
        _read_parts(content, f"{where}.content"),
        tuple(_read_call(call, f"{where}.tool_calls[{place}]") for place, call in enumerate(calls)),
        call_id if isinstance(call_id, str) else None,
        name if isinstance(name, str) else None,
    )


def _read_call(call: object, where: str) -> ToolCall:
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(call, Mapping) or not isinstance(function, Mapping):
        raise InvalidInput(f"{where}.function must be an object")
    arguments = function.get("arguments")
    return ToolCall(
        text_of(call, "id", where),
        text_of(function, "name", where),
        arguments if isinstance(arguments, str) else "{}",
    )


def _read_parts(content: object, where: str) -> tuple[Part, ...]:
    if content is None:
        return ()
    if isinstance(content, str):
        return (TextPart(content),)
    if not isinstance(content, list):
        raise InvalidInput(f"{where} must be a text or a list of parts")
    return tuple(_read_part(part, f"{where}[{place}]") for place, part in enumerate(content))


def _read_part(part: object, where: str) -> Part:
    if not isinstance(part, Mapping):
        raise InvalidInput(f"{where} must be an object")
    kind = part.get("type")
    if kind == "text":
        text = part.get("text")
        return TextPart(text if isinstance(text, str) else "")
    if kind == "image_url":
        return ImagePart(text_of(object_of(part, "image_url", where), "url", where))
    if kind == "input_audio":
        audio = object_of(part, "input_audio", where)
        return AudioPart(text_of(audio, "data", where), text_of(audio, "format", where))
    if kind == "video_url":
        return VideoPart(text_of(object_of(part, "video_url", where), "url", where))
    if kind == "file":
        file = object_of(part, "file", where)
        filename = file.get("filename")
        return FilePart(text_of(file, "file_data", where), filename if isinstance(filename, str) else None)
    raise InvalidInput(f"{where}.type is unknown")
