"""What is sent to workers and what their answers mean, on the wire."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dragoman.adapters.workers.messages import object_of, read_message, text_of
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
from dragoman.domain.messages.parts import Message, ToolSpec
from dragoman.domain.tools.spec import CallbackTool, RemoteSource
from dragoman.kit.errors import InvalidInput

_CLEARED: Mapping[str, Clearable] = {
    "messages": "messages",
    "meta": "meta",
    "system": "system",
    "tools": "tools",
    "skills": "skills",
    "all": "all",
}


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
    read = tuple(read_message(one, f"data.messages[{place}]") for place, one in enumerate(messages))
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
    return AddMessage(read_message(rewrite.get("message"), f"{where}.message"))


def _remove_message(rewrite: Mapping[str, Any], where: str) -> Edit:
    index = rewrite.get("index")
    if not isinstance(index, int) or isinstance(index, bool):
        raise InvalidInput(f"{where}.index must be a whole number")
    return RemoveMessage(index)


def _add_system(rewrite: Mapping[str, Any], where: str) -> Edit:
    return AddMessage(Message.of_text("system", text_of(rewrite, "message", where)))


def _add_tool(rewrite: Mapping[str, Any], where: str) -> Edit:
    tool = object_of(rewrite, "tool", where)
    function = tool.get("function", tool)
    if not isinstance(function, Mapping):
        raise InvalidInput(f"{where}.tool.function must be an object")
    parameters, description = function.get("parameters"), function.get("description")
    return AddTool(
        ToolSpec(
            text_of(function, "name", f"{where}.tool.function"),
            description if isinstance(description, str) else None,
            dict(parameters) if isinstance(parameters, Mapping) else None,
        )
    )


def _add_callback(rewrite: Mapping[str, Any], where: str) -> Edit:
    tool, where = object_of(rewrite, "tool", where), f"{where}.tool"
    schema, description = tool.get("contentFormat"), tool.get("description")
    return AddCallback(
        CallbackTool(
            name=text_of(tool, "name", where),
            description=description if isinstance(description, str) else "",
            headers=_headers(tool, where),
            url=text_of(tool, "callbackUrl", where),
            parameters=dict(schema) if isinstance(schema, Mapping) else None,
        )
    )


def _add_server(rewrite: Mapping[str, Any], where: str) -> Edit:
    source, where = object_of(rewrite, "source", where), f"{where}.source"
    seconds, name = source.get("cacheDuration"), source.get("name")
    url = text_of(source, "url", where)
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


def _headers(values: Mapping[str, Any], where: str) -> dict[str, str]:
    headers = values.get("headers") or {}
    if not isinstance(headers, Mapping) or not all(isinstance(value, str) for value in headers.values()):
        raise InvalidInput(f"{where}.headers must be texts by name")
    return dict(headers)
