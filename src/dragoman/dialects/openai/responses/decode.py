"""From the shape of a request for a response to the domain's."""

from collections.abc import Mapping, Sequence

from pydantic import TypeAdapter, ValidationError

from dragoman.dialects.openai.responses.wire import (
    Audio,
    CallItem,
    Choice,
    File,
    Image,
    Item,
    MessageItem,
    OtherItem,
    OutputItem,
    Part,
    ReasoningItem,
    Refusal,
    ResponseRequest,
    Text,
    Tool,
)
from dragoman.domain.agents.model import ResolvedAgent
from dragoman.domain.agents.run import RunRequest
from dragoman.domain.agents.spec import KnowledgeSpec
from dragoman.domain.inference.ports import Sampling, ToolChoice
from dragoman.domain.messages import parts as domain
from dragoman.domain.messages.parts import Message, ToolSpec
from dragoman.kit.errors import InvalidInput
from dragoman.kit.jsonbody import first_problem
from dragoman.kit.jsontypes import JsonObject, JsonValue

_ITEMS: TypeAdapter[list[Item]] = TypeAdapter(list[Item])
_SEARCHES = ("web_search", "web_search_preview", "web_search_2025_08_26", "web_search_preview_2025_03_11")
_RESULTS = 10


def decode(body: object) -> ResponseRequest:
    """The request of a decoded JSON body.

    Raises:
        InvalidInput: a field is missing, of the wrong type or out of range; ``param`` names it.
    """
    if not isinstance(body, dict):
        raise InvalidInput("The body must be a JSON object.")
    try:
        request = ResponseRequest.model_validate(body)
    except ValidationError as error:
        raise first_problem(error, body) from error
    for name in ("background", "conversation", "prompt"):
        if getattr(request, name):
            raise InvalidInput(f"{name}: this is not offered here; leave it out.", param=name)
    if not request.input:
        raise InvalidInput("input: text or at least one item is needed.", param="input")
    return request


def asked_items(request: ResponseRequest, body: Mapping[str, JsonValue]) -> list[JsonObject]:
    """The input as items, as it was written."""
    if isinstance(request.input, str):
        told = {"type": "input_text", "text": request.input}
        return [{"type": "message", "role": "user", "content": [told]}]
    given = body["input"]
    assert isinstance(given, list)
    return [item for item in given if isinstance(item, Mapping)]


def conversation(request: ResponseRequest, earlier: Sequence[JsonObject]) -> tuple[Message, ...]:
    """Instructions, what was said in the replies before, and the input.

    Raises:
        InvalidInput: an item that cannot be used.
    """
    told: list[Message] = []
    if request.instructions:
        told.append(Message.of_text("system", request.instructions))
    told += _messages(_ITEMS.validate_python(list(earlier)), "previous")
    if isinstance(request.input, str):
        told.append(Message.of_text("user", request.input))
    else:
        told += _messages(request.input, "input")
    return tuple(told)


def _messages(items: Sequence[Item], where: str) -> list[Message]:
    """The turns; calls and thoughts become part of the assistant's turn that they stand behind or before."""
    told: list[Message] = []
    for number, item in enumerate(items):
        place = f"{where}[{number}]"
        match item:
            case MessageItem():
                told.append(_message(item, place))
            case CallItem():
                call = domain.ToolCall(item.call_id, item.name, item.arguments)
                if told and told[-1].role == "assistant":
                    before = told.pop()
                    told.append(
                        Message(
                            "assistant",
                            before.parts,
                            tool_calls=(*before.tool_calls, call),
                            reasoning=before.reasoning,
                        )
                    )
                else:
                    told.append(Message("assistant", (), tool_calls=(call,)))
            case OutputItem():
                parts = _parts(item.output, f"{place}.output")
                told.append(Message("tool", parts, tool_call_id=item.call_id))
            case ReasoningItem():
                pass  # no model here takes another's thoughts
            case OtherItem():
                raise InvalidInput(
                    f"{place}.type: items of the kind {item.type!r} are not taken here.",
                    param=f"{place}.type",
                )
    return told


def _message(item: MessageItem, where: str) -> Message:
    role = "system" if item.role == "developer" else item.role
    return Message(role, _parts(item.content, f"{where}.content"))


def _parts(content: str | Sequence[Part], where: str) -> tuple[domain.Part, ...]:
    if isinstance(content, str):
        return (domain.TextPart(content),)
    return tuple(_part(part, f"{where}[{number}]") for number, part in enumerate(content))


def _part(part: Part, where: str) -> domain.Part:
    match part:
        case Text(text=text):
            return domain.TextPart(text)
        case Refusal(refusal=refusal):
            return domain.TextPart(refusal)
        case Image(image_url=str(url)):
            return domain.ImagePart(url, part.detail)
        case File(file_data=str(data)) | File(file_url=str(data)):
            return domain.FilePart(data, part.filename)
        case Audio(input_audio=sound):
            return domain.AudioPart(sound.data, sound.format)
        case Image() | File():
            raise InvalidInput(
                f"{where}: the data or an address is needed; files cannot be uploaded here.", param=where
            )


def run_request(request: ResponseRequest, earlier: Sequence[JsonObject]) -> RunRequest:
    """The request in the domain's words.

    Raises:
        InvalidInput: an item, tool or choice that cannot be used.
    """
    tools = [tool for tool in request.tools or () if tool.type == "function"]
    searches = any(tool.type in _SEARCHES for tool in request.tools or ())
    return RunRequest(
        conversation=conversation(request, earlier),
        sampling=Sampling(
            temperature=request.temperature,
            top_p=request.top_p,
            max_tokens=request.most_tokens,
            reasoning_effort=request.reasoning.effort if request.reasoning else None,
            verbosity=request.text.verbosity if request.text else None,
        ),
        tools=tuple(_tool(tool, position) for position, tool in enumerate(tools)),
        tool_choice=_choice(request),
        parallel_tool_calls=request.parallel_tool_calls,
        response_format=_format(request),
        builtin_tools=("web_search",) if searches else None,
        user=request.user or request.safety_identifier,
        metadata=request.metadata or {},
        dialect="openai",
    )


def _tool(tool: Tool, position: int) -> ToolSpec:
    if tool.name is None:
        place = f"tools[{position}].name"
        raise InvalidInput(f"{place}: Field required", param=place)
    return ToolSpec(tool.name, tool.description, tool.parameters, tool.strict)


def searching(agent: ResolvedAgent, request: ResponseRequest) -> ResolvedAgent:
    """The agent with the collections that the request wants searched.

    Raises:
        InvalidInput: a tool that is not offered here.
    """
    stores: list[str] = []
    limit = _RESULTS
    for position, tool in enumerate(request.tools or ()):
        if tool.type == "file_search":
            stores += tool.vector_store_ids or []
            limit = tool.max_num_results or limit
        elif tool.type != "function" and tool.type not in _SEARCHES:
            place = f"tools[{position}].type"
            raise InvalidInput(
                f"{place}: {tool.type!r} is not offered here; function, file_search and web_search are.",
                param=place,
            )
    if not stores:
        return agent
    knowledge = KnowledgeSpec(collection_ids=tuple(dict.fromkeys(stores)), maximum_results=limit)
    spec = agent.spec.model_copy(update={"knowledge": knowledge})
    return ResolvedAgent(agent.id, agent.name, spec, agent.endpoint_key)


def _choice(request: ResponseRequest) -> ToolChoice | None:
    choice = request.tool_choice
    if not isinstance(choice, Choice):
        return None if choice is None else ToolChoice(choice)
    if choice.type != "function":
        return None
    if choice.name is None:
        raise InvalidInput("tool_choice.name: Field required", param="tool_choice.name")
    return ToolChoice("function", choice.name)


def _format(request: ResponseRequest) -> JsonObject | None:
    wanted = request.text.format if request.text else None
    if wanted is None or wanted.get("type") == "text":
        return None
    if wanted.get("type") == "json_object":
        return {"type": "json_object"}
    if wanted.get("type") != "json_schema" or not isinstance(wanted.get("schema"), Mapping):
        raise InvalidInput(
            "text.format: text, json_object or json_schema with a schema is needed.", param="text.format"
        )
    described = {name: wanted[name] for name in ("name", "schema", "strict", "description") if name in wanted}
    return {"type": "json_schema", "json_schema": {"name": "answer", **described}}
