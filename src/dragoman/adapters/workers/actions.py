"""What is sent to workers and what their answers mean, on the wire."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, assert_never

from dragoman.domain.agents.hooks import (
    AddCallback,
    AddMessage,
    AddTool,
    AddToolServer,
    Called,
    Clear,
    Clearable,
    Edit,
    Received,
    RemoveMessage,
)
from dragoman.domain.messages.parts import (
    AudioPart,
    FilePart,
    ImagePart,
    Message,
    Part,
    Role,
    TextPart,
    ToolCall,
    ToolSpec,
    VideoPart,
)
from dragoman.domain.tools.spec import CallbackTool, RemoteSource
from dragoman.kit.errors import InvalidInput
from dragoman.kit.jsontypes import JsonValue

_ROLES: Mapping[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
}
_CLEARED: Mapping[str, Clearable] = {
    "messages": "messages",
    "meta": "meta",
    "system": "system",
    "tools": "tools",
    "skills": "skills",
    "all": "all",
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


def received(action: object) -> Received:
    """What an action says to a message.

    Raises:
        InvalidInput: it is no such action; says what and where.
    """
    data = _data_of(action, "message.received.response")
    rewrites = data.get("rewrites") or []
    if not isinstance(rewrites, list):
        raise InvalidInput("data.rewrites must be a list")
    return Received(True, tuple(_edits(rewrites)))


def called(action: object) -> Called:
    """What an action says to a tool call.

    Raises:
        InvalidInput: it is no such action; says what and where.
    """
    data = _data_of(action, "tool.called.response")
    result, messages = data.get("result"), data.get("messages") or []
    if result is not None and not isinstance(result, str):
        raise InvalidInput("data.result must be a text")
    if not isinstance(messages, list):
        raise InvalidInput("data.messages must be a list")
    read = tuple(_message(one, f"data.messages[{place}]") for place, one in enumerate(messages))
    return Called(True, "" if result is None else result, read)


def _data_of(action: object, kind: str) -> Mapping[str, Any]:
    if not isinstance(action, Mapping) or action.get("type") != kind:
        raise InvalidInput(f"the action's type must be {kind!r}")
    data = action.get("data") or {}
    if not isinstance(data, Mapping):
        raise InvalidInput("data must be an object")
    return data


def _edits(rewrites: Sequence[Any]) -> Iterator[Edit]:
    for place, rewrite in enumerate(rewrites):
        where = f"data.rewrites[{place}]"
        if not isinstance(rewrite, Mapping):
            raise InvalidInput(f"{where} must be an object")
        reader = _REWRITES.get(str(rewrite.get("type")))
        if reader is None:
            raise InvalidInput(f"{where}.type must be one of {', '.join(_REWRITES)}")
        yield reader(rewrite, where)


def _clear(rewrite: Mapping[str, Any], where: str) -> Edit:
    argument = rewrite.get("argument") or "all"
    if argument not in _CLEARED:
        raise InvalidInput(f"{where}.argument must be one of {', '.join(_CLEARED)}")
    return Clear(_CLEARED[argument])


def _add_message(rewrite: Mapping[str, Any], where: str) -> Edit:
    return AddMessage(_message(rewrite.get("message"), f"{where}.message"))


def _remove_message(rewrite: Mapping[str, Any], where: str) -> Edit:
    index = rewrite.get("index")
    if not isinstance(index, int) or isinstance(index, bool):
        raise InvalidInput(f"{where}.index must be a whole number")
    return RemoveMessage(index)


def _add_system(rewrite: Mapping[str, Any], where: str) -> Edit:
    return AddMessage(Message.of_text("system", _text(rewrite, "message", where)))


def _add_tool(rewrite: Mapping[str, Any], where: str) -> Edit:
    tool = _object(rewrite, "tool", where)
    function = tool.get("function", tool)
    if not isinstance(function, Mapping):
        raise InvalidInput(f"{where}.tool.function must be an object")
    parameters, description = function.get("parameters"), function.get("description")
    return AddTool(
        ToolSpec(
            _text(function, "name", f"{where}.tool.function"),
            description if isinstance(description, str) else None,
            dict(parameters) if isinstance(parameters, Mapping) else None,
        )
    )


def _add_callback(rewrite: Mapping[str, Any], where: str) -> Edit:
    tool, where = _object(rewrite, "tool", where), f"{where}.tool"
    schema, description = tool.get("contentFormat"), tool.get("description")
    return AddCallback(
        CallbackTool(
            name=_text(tool, "name", where),
            description=description if isinstance(description, str) else "",
            headers=_headers(tool, where),
            url=_text(tool, "callbackUrl", where),
            parameters=dict(schema) if isinstance(schema, Mapping) else None,
        )
    )


def _add_server(rewrite: Mapping[str, Any], where: str) -> Edit:
    source, where = _object(rewrite, "source", where), f"{where}.source"
    seconds, name = source.get("cacheDuration"), source.get("name")
    url = _text(source, "url", where)
    return AddToolServer(
        RemoteSource(
            name=name if isinstance(name, str) and name else url,
            url=url,
            headers=_headers(source, where),
            cache_seconds=seconds if isinstance(seconds, int) and not isinstance(seconds, bool) else 600,
        )
    )


_REWRITES = {
    "clear": _clear,
    "add-message": _add_message,
    "remove-message": _remove_message,
    "add-system": _add_system,
    "add-tool": _add_tool,
    "add-protocol-tool": _add_callback,
    "add-mcp-source": _add_server,
}


def _text(values: Mapping[str, Any], name: str, where: str) -> str:
    value = values.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidInput(f"{where}.{name} must be a text")
    return value


def _object(values: Mapping[str, Any], name: str, where: str) -> Mapping[str, Any]:
    value = values.get(name)
    if not isinstance(value, Mapping):
        raise InvalidInput(f"{where}.{name} must be an object")
    return value


def _headers(values: Mapping[str, Any], where: str) -> dict[str, str]:
    headers = values.get("headers") or {}
    if not isinstance(headers, Mapping) or not all(isinstance(value, str) for value in headers.values()):
        raise InvalidInput(f"{where}.headers must be texts by name")
    return dict(headers)


def _message(value: object, where: str) -> Message:
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
        _text(call, "id", where),
        _text(function, "name", where),
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
        return ImagePart(_text(_object(part, "image_url", where), "url", where))
    if kind == "input_audio":
        audio = _object(part, "input_audio", where)
        return AudioPart(_text(audio, "data", where), _text(audio, "format", where))
    if kind == "video_url":
        return VideoPart(_text(_object(part, "video_url", where), "url", where))
    if kind == "file":
        file = _object(part, "file", where)
        filename = file.get("filename")
        return FilePart(_text(file, "file_data", where), filename if isinstance(filename, str) else None)
    raise InvalidInput(f"{where}.type is unknown")
