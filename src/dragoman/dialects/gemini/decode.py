"""From this dialect's shape of a request to the domain's."""

from collections.abc import Mapping
from typing import TypeVar

import orjson
from pydantic import ValidationError

from dragoman.dialects.gemini.wire import (
    Content,
    CountRequest,
    FunctionDeclaration,
    GenerateRequest,
    GenerationConfig,
    PartIn,
    ThinkingConfig,
    Wire,
)
from dragoman.domain.agents.run import RunRequest
from dragoman.domain.inference.ports import Sampling, ToolChoice
from dragoman.domain.messages.parts import (
    AudioPart,
    FilePart,
    ImagePart,
    Message,
    Part,
    TextPart,
    ToolCall,
    ToolSpec,
    VideoPart,
)
from dragoman.kit.errors import InvalidInput
from dragoman.kit.jsonbody import first_problem
from dragoman.kit.jsontypes import JsonObject, JsonValue

DIALECT = "gemini"
_NESTED = ("items", "additionalProperties", "not")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_MODES = {"AUTO": "auto", "VALIDATED": "auto", "ANY": "required", "NONE": "none", "MODE_UNSPECIFIED": "auto"}
_LEVELS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high"}
R = TypeVar("R", bound=Wire)


def _validated(model: type[R], body: object) -> R:
    if not isinstance(body, dict):
        raise InvalidInput("The body must be a JSON object.")
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise first_problem(error, body) from error


def decode(body: object) -> GenerateRequest:
    """The request of a decoded JSON body.

    Raises:
        InvalidInput: a field is missing, of the wrong type or out of range; ``param`` names it.
    """
    request = _validated(GenerateRequest, body)
    if request.cached_content is not None:
        raise InvalidInput(
            "cachedContent: cached contents are not kept here; send the contents.", param="cachedContent"
        )
    return request


def decode_count(body: object) -> GenerateRequest:
    """The request whose tokens are to be counted.

    Raises:
        InvalidInput: neither turns nor a request.
    """
    wanted = _validated(CountRequest, body)
    if wanted.generate_content_request is not None:
        return wanted.generate_content_request
    if not wanted.contents:
        raise InvalidInput("contents: at least one content is needed.", param="contents")
    return GenerateRequest(contents=wanted.contents)


def conversation(request: GenerateRequest) -> tuple[Message, ...]:
    """System text and turns; calls and results without ids are matched by their order and name.

    Raises:
        InvalidInput: a part that cannot be used.
    """
    told: list[Message] = []
    if request.system_instruction is not None:
        text = "\n".join(part.text for part in request.system_instruction.parts if part.text)
        if text:
            told.append(Message.of_text("system", text))
    calls = _Calls()
    for position, content in enumerate(request.contents):
        told += _turns(content, f"contents[{position}]", calls)
    return tuple(told)


class _Calls:
    """Ids for calls that came without one."""

    def __init__(self) -> None:
        self._count = 0
        self._waiting: dict[str, list[str]] = {}

    def called(self, name: str, given: str | None) -> str:
        self._count += 1
        made = given or f"call_{self._count}"
        self._waiting.setdefault(name, []).append(made)
        return made

    def answered(self, name: str, given: str | None) -> str:
        waiting = self._waiting.get(name, [])
        if given:
            if given in waiting:
                waiting.remove(given)
            return given
        return waiting.pop(0) if waiting else f"call_{name}"


def _turns(content: Content, where: str, calls: _Calls) -> list[Message]:
    results: list[Message] = []
    parts: list[Part] = []
    called: list[ToolCall] = []
    thoughts: list[str] = []
    for number, part in enumerate(content.parts):
        if part.function_response is not None:
            answer = part.function_response
            text = orjson.dumps(answer.response or {}).decode()
            told = (TextPart(text),)
            call_id = calls.answered(answer.name, answer.id)
            results.append(Message("tool", told, tool_call_id=call_id, name=answer.name))
        elif part.function_call is not None:
            call = part.function_call
            arguments = orjson.dumps(call.args or {}).decode()
            called.append(ToolCall(calls.called(call.name, call.id), call.name, arguments))
        elif part.thought and part.text is not None:
            thoughts.append(part.text)
        else:
            parts.append(_part(part, f"{where}.parts[{number}]"))
    if parts or called or not results:
        role = "assistant" if content.role == "model" else "system" if content.role == "system" else "user"
        reasoning = "".join(thoughts) or None
        results.append(Message(role, tuple(parts), tool_calls=tuple(called), reasoning=reasoning))
    return results


def _part(part: PartIn, where: str) -> Part:
    if part.text is not None:
        return TextPart(part.text)
    if part.inline_data is not None:
        kind, data = part.inline_data.mime_type.lower(), part.inline_data.data
        if kind.startswith("audio/"):
            return AudioPart(data, kind.removeprefix("audio/"))
        return _addressed(kind, f"data:{kind};base64,{data}")
    if part.file_data is not None:
        if not part.file_data.file_uri.lower().startswith(("http://", "https://")):
            raise InvalidInput(
                f"{where}.fileData.fileUri: an http(s) address is needed; files cannot be uploaded here.",
                param=f"{where}.fileData.fileUri",
            )
        return _addressed((part.file_data.mime_type or "").lower(), part.file_data.file_uri)
    raise InvalidInput(
        f"{where}: text, inlineData, fileData, functionCall or functionResponse is needed.", param=where
    )


def _addressed(kind: str, url: str) -> Part:
    if kind.startswith("image/"):
        return ImagePart(url)
    return VideoPart(url) if kind.startswith("video/") else FilePart(url)


def tool_specs(request: GenerateRequest) -> tuple[ToolSpec, ...]:
    """The functions in the domain's words.

    Raises:
        InvalidInput: a tool that Google would carry out itself.
    """
    found: list[ToolSpec] = []
    for position, tool in enumerate(request.tools or ()):
        others = sorted(tool.model_extra or ())
        if others:
            raise InvalidInput(
                f"tools[{position}].{others[0]}: this is carried out by the provider and not offered here; "
                "functionDeclarations are.",
                param=f"tools[{position}].{others[0]}",
            )
        found += [_tool(declared) for declared in tool.function_declarations or ()]
    return tuple(found)


def _tool(declared: FunctionDeclaration) -> ToolSpec:
    schema = declared.parameters_json_schema
    if schema is None and declared.parameters is not None:
        schema = json_schema(declared.parameters)
    return ToolSpec(declared.name, declared.description, schema)


def json_schema(schema: JsonObject) -> dict[str, JsonValue]:
    """This dialect's schema (types in capitals, ``nullable``) as JSON Schema."""
    made: dict[str, JsonValue] = {}
    for name, value in schema.items():
        if name == "type" and isinstance(value, str):
            made[name] = value.lower()
        elif name == "properties" and isinstance(value, Mapping):
            made[name] = {
                key: json_schema(inner) if isinstance(inner, Mapping) else inner
                for key, inner in value.items()
            }
        elif name in _NESTED and isinstance(value, Mapping):
            made[name] = json_schema(value)
        elif name in _LISTS and isinstance(value, list):
            made[name] = [json_schema(inner) if isinstance(inner, Mapping) else inner for inner in value]
        elif name not in ("nullable", "propertyOrdering"):
            made[name] = value
    if schema.get("nullable") is True and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
    return made


def run_request(request: GenerateRequest) -> RunRequest:
    """The request in the domain's words.

    Raises:
        InvalidInput: a part, tool or setting that cannot be used.
    """
    config = request.generation_config or GenerationConfig()
    return RunRequest(
        conversation=conversation(request),
        sampling=Sampling(
            temperature=config.temperature,
            top_p=config.top_p,
            top_k=None if config.top_k is None else int(config.top_k),
            presence_penalty=config.presence_penalty,
            frequency_penalty=config.frequency_penalty,
            stop=tuple(stop for stop in config.stop_sequences or () if stop),
            max_tokens=config.max_output_tokens,
            seed=config.seed,
            reasoning_effort=_effort(config.thinking_config),
        ),
        tools=tool_specs(request),
        tool_choice=_choice(request),
        response_format=_response_format(config),
        dialect=DIALECT,
    )


def _effort(thinking: ThinkingConfig | None) -> str | None:
    if thinking is None:
        return None
    if thinking.thinking_level is not None:
        return _LEVELS.get(thinking.thinking_level.lower())
    budget = thinking.thinking_budget
    if budget is None or budget <= 0:
        return None
    return "low" if budget <= 4096 else "medium" if budget <= 12_288 else "high"


def _choice(request: GenerateRequest) -> ToolChoice | None:
    config = request.tool_config.function_calling_config if request.tool_config else None
    if config is None or config.mode is None:
        return None
    mode = _MODES.get(config.mode.upper())
    param = "toolConfig.functionCallingConfig"
    if mode is None:
        raise InvalidInput(
            f"{param}.mode: {config.mode!r} is none of AUTO, ANY, NONE.", param=f"{param}.mode"
        )
    names = config.allowed_function_names or []
    known = {tool.name for tool in tool_specs(request)}
    for name in names:
        if name not in known:
            raise InvalidInput(
                f"{param}.allowedFunctionNames: {name!r} is not declared.",
                param=f"{param}.allowedFunctionNames",
            )
    if mode == "required" and len(names) == 1:
        return ToolChoice("function", names[0])
    return ToolChoice(mode)  # pyright: ignore[reportArgumentType]


def _response_format(config: GenerationConfig) -> JsonObject | None:
    schema = config.response_json_schema
    if schema is None and config.response_schema is not None:
        schema = json_schema(config.response_schema)
    if schema is not None:
        return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    if config.response_mime_type == "application/json":
        return {"type": "json_object"}
    return None
