"""Conversations, tools and tool choices in the forms that this dialect's clients send them."""

from collections.abc import Mapping, Sequence

import orjson

from dragoman.domain.inference.ports import ToolChoice
from dragoman.domain.messages.parts import Message, Role, TextPart, ToolCall, ToolSpec
from dragoman.kit.errors import InvalidInput

_ROLES: dict[str, Role] = {
    "me": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "system": "system",
    "developer": "system",
    "tool": "tool",
}


def conversation(raw: object) -> tuple[Message, ...]:
    """The turns of ``message``: one text, a list of ``{user, message}``, OpenAI messages, or JSON text of these.

    Raises:
        InvalidInput: none of these forms, or nothing to answer.
    """
    if isinstance(raw, str):
        decoded = _json_or_none(raw)
        if (
            isinstance(decoded, list) and decoded and all(isinstance(item, Mapping) for item in decoded)
        ) or isinstance(decoded, str):
            raw = decoded
    if isinstance(raw, str):
        if not raw.strip():
            raise InvalidInput("'message' is empty.", param="message")
        return (Message.of_text("user", raw),)
    if isinstance(raw, Mapping):
        raw = [raw]
    if not isinstance(raw, list) or not raw:
        raise InvalidInput("'message' must be a text or a list of turns.", param="message")
    turns = tuple(_turn(item, position) for position, item in enumerate(raw))
    if not any(turn.role == "user" and turn.text.strip() for turn in turns):
        raise InvalidInput("'message' holds no turn of the user.", param="message")
    return turns


def _turn(item: object, position: int) -> Message:
    where = f"message[{position}]"
    if isinstance(item, str):
        return Message.of_text("user", item)
    if not isinstance(item, Mapping):
        raise InvalidInput(f"'{where}' must be an object.", param=where)
    role = _ROLES.get(str(item.get("user", item.get("role", ""))).lower())
    if role is None:
        raise InvalidInput(f"'{where}' must say who speaks: 'me' or 'gpt', or an OpenAI role.", param=where)
    text = _text(item.get("message", item.get("content")), where)
    calls = tuple(_call(call) for call in item.get("tool_calls") or () if isinstance(call, Mapping))
    return Message(
        role,
        (TextPart(text),) if text else (),
        tool_calls=calls,
        tool_call_id=_optional(item.get("tool_call_id")),
    )


def _text(raw: object, where: str) -> str:
    if raw is None:
        return ""
    if isinstance(raw, str):
        return raw
    if isinstance(raw, list):
        texts = [
            part.get("text", "") for part in raw if isinstance(part, Mapping) and part.get("type") == "text"
        ]
        return "\n".join(str(text) for text in texts)
    raise InvalidInput(f"'{where}.message' must be text.", param=f"{where}.message")


def _call(raw: Mapping[str, object]) -> ToolCall:
    function = raw.get("function")
    function = function if isinstance(function, Mapping) else raw
    arguments = function.get("arguments", "")
    text = arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode()
    return ToolCall(str(raw.get("id", "")), str(function.get("name", "")), text)


def _optional(raw: object) -> str | None:
    return None if raw is None else str(raw)


def _json_or_none(text: str) -> object:
    if text.lstrip()[:1] not in ("[", '"'):
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def tool_specs(raw: Sequence[object]) -> tuple[ToolSpec, ...]:
    """Tools in the OpenAI form or the flat ``{name, description, parameters}``.

    Raises:
        InvalidInput: something without a name.
    """
    return tuple(_tool(item, position) for position, item in enumerate(raw))


def _tool(item: object, position: int) -> ToolSpec:
    where = f"tools[{position}]"
    if not isinstance(item, Mapping):
        raise InvalidInput(f"'{where}' must be an object.", param=where)
    function = item.get("function")
    function = function if isinstance(function, Mapping) else item
    name = function.get("name")
    if not isinstance(name, str) or not name:
        raise InvalidInput(f"'{where}' needs a name.", param=f"{where}.name")
    parameters = function.get("parameters", function.get("input_schema"))
    if parameters is not None and not isinstance(parameters, Mapping):
        raise InvalidInput(f"'{where}.parameters' must be an object.", param=f"{where}.parameters")
    description = function.get("description")
    return ToolSpec(name, str(description) if description is not None else None, parameters)


def forced_call(raw: object) -> ToolCall | None:
    """The call whose arguments a tool choice gives already, without an id; None where the model is to write them.

    Raises:
        InvalidInput: arguments that are no object.
    """
    function = raw.get("function") if isinstance(raw, Mapping) else None
    if not isinstance(function, Mapping) or function.get("arguments") is None:
        return None
    arguments = function["arguments"]
    if isinstance(arguments, str):
        try:
            arguments = orjson.loads(arguments)
        except orjson.JSONDecodeError:
            arguments = None
    if not isinstance(arguments, Mapping):
        raise InvalidInput(
            "'tool_choice.function.arguments' must be an object, or its JSON text.",
            param="tool_choice.function.arguments",
        )
    return ToolCall("", str(function.get("name")), orjson.dumps(arguments).decode())


def tool_choice(raw: object) -> ToolChoice | None:
    """``auto``, ``none``, ``required``, or the object that names one function.

    Raises:
        InvalidInput: anything else.
    """
    if raw is None:
        return None
    if raw in ("auto", "none", "required"):
        return ToolChoice(raw)  # pyright: ignore[reportArgumentType]
    if isinstance(raw, Mapping):
        function = raw.get("function")
        name = function.get("name") if isinstance(function, Mapping) else raw.get("name")
        if isinstance(name, str) and name:
            return ToolChoice("function", name)
    raise InvalidInput(
        "'tool_choice' must be auto, none, required, or an object naming a function.", param="tool_choice"
    )
