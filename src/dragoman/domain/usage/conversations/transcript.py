"""Messages as they are kept: their words, and of media only what they were."""

from collections.abc import Iterable, Sequence

from dragoman.domain.messages.fold import Answer
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
from dragoman.kit.jsontypes import JsonObject, JsonValue

_PREVIEW = 200
_ADDRESS = 2000


def kept_messages(
    said: Iterable[Message], answer: Answer | None, *, most_characters: int
) -> list[JsonObject]:
    """The conversation with its answer as JSON; of a long one the oldest messages go, of one long message its end."""
    messages = [kept_message(message) for message in said]
    if answer is not None:
        messages += [_tool_run(run.name, run.arguments, run.result) for run in answer.tool_runs]
        messages.append(_answer(answer))
    kept: list[JsonObject] = []
    left = most_characters
    for message in reversed(messages):
        if left <= 0:
            break
        cut = _within(message, left)
        left -= _size(cut)
        kept.append(cut)
    return kept[::-1]


def preview(said: Sequence[Message]) -> str:
    """The beginning of what the user said last."""
    for message in reversed(said):
        if message.role == "user" and message.text:
            return _storable(" ".join(message.text[: 4 * _PREVIEW].split())[:_PREVIEW])
    return ""


def kept_message(message: Message) -> JsonObject:
    """One message."""
    texts = [part for part in message.parts if isinstance(part, TextPart)]
    only_text = len(texts) == len(message.parts)
    content: JsonValue = _storable(message.text) if only_text else [_part(part) for part in message.parts]
    told: dict[str, JsonValue] = {"role": message.role, "content": content}
    if message.reasoning:
        told["reasoning"] = _storable(message.reasoning)
    if message.tool_calls:
        told["tool_calls"] = [_call(call) for call in message.tool_calls]
    if message.tool_call_id:
        told["tool_call_id"] = _storable(message.tool_call_id)
    return told


def _part(part: Part) -> JsonObject:
    match part:
        case TextPart():
            return {"type": "text", "text": _storable(part.text)}
        case ImagePart() | VideoPart():
            kind = "image" if isinstance(part, ImagePart) else "video"
            return {"type": kind, "url": _address(part.url)}
        case AudioPart():
            return {"type": "audio", "format": part.format}
        case FilePart():
            return {"type": "file", "filename": part.filename, "url": _address(part.data)}


def _address(url: str) -> str | None:
    """An address as it is; data itself is not kept."""
    return None if url[:5].lower() == "data:" or "://" not in url[:20] else _storable(url[:_ADDRESS])


def _call(call: ToolCall) -> JsonObject:
    return {"id": call.id, "name": _storable(call.name), "arguments": _storable(call.arguments)}


def _tool_run(name: str, arguments: str, result: str) -> JsonObject:
    return {
        "role": "tool",
        "name": name,
        "arguments": _storable(arguments),
        "content": _storable(result),
    }


def _answer(answer: Answer) -> JsonObject:
    told: dict[str, JsonValue] = {"role": "assistant", "content": _storable(answer.text)}
    if answer.reasoning:
        told["reasoning"] = _storable(answer.reasoning)
    if answer.tool_calls:
        told["tool_calls"] = [_call(call) for call in answer.tool_calls]
    told["finish_reason"] = answer.finish_reason
    return told


def _size(message: JsonObject) -> int:
    return 20 + sum(len(value) if isinstance(value, str) else len(str(value)) for value in message.values())


def _within(message: JsonObject, most: int) -> JsonObject:
    """The message with its texts cut to the bound."""
    if _size(message) <= most:
        return message
    content = message.get("content")
    if not isinstance(content, str):
        content = "\n".join(
            text
            for part in (content if isinstance(content, list) else ())
            if isinstance(part, dict) and isinstance(text := part.get("text"), str)
        )
    return {"role": message["role"], "content": content[:most], "truncated": True}


def _storable(text: str) -> str:
    """The text as both databases can hold it."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
