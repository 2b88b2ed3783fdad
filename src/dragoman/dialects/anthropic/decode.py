"""From this dialect's shape of a request to the domain's."""

from collections.abc import Mapping
from typing import Annotated, Literal, TypeVar

from pydantic import Field, JsonValue, ValidationError, field_validator

from dragoman.dialects.anthropic.content import MessageIn, Text, Wire, turns
from dragoman.domain.agents.run import RunRequest
from dragoman.domain.inference.ports import Sampling, ToolChoice
from dragoman.domain.messages.parts import Message, ToolSpec
from dragoman.kit.errors import InvalidInput
from dragoman.kit.jsonbody import first_problem
from dragoman.kit.jsontypes import JsonObject

DIALECT = "anthropic"
_EFFORTS: Mapping[str, str] = {
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
    "max": "high",
}
_LOW_BUDGET, _MEDIUM_BUDGET = 4096, 12_288


class _Tool(Wire):
    type: str | None = None
    name: str = Field(min_length=1, max_length=128)
    description: str | None = None
    input_schema: dict[str, JsonValue] | None = None
    strict: bool | None = None


class _Choice(Wire):
    type: Literal["auto", "any", "none", "tool"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class _Metadata(Wire):
    user_id: str | None = None


class _Thinking(Wire):
    type: Literal["enabled", "disabled", "adaptive"]
    budget_tokens: int | None = Field(default=None, ge=1)
    display: str | None = None


class _Format(Wire):
    type: Literal["json_schema"]
    schema_: dict[str, JsonValue] = Field(alias="schema")


class _Output(Wire):
    effort: str | None = None
    format: _Format | None = None


class CountRequest(Wire):
    """What a count of tokens looks at."""

    model: str = Field(min_length=1)
    messages: list[MessageIn] = Field(min_length=1)
    system: str | list[Text] | None = None
    tools: list[_Tool] | None = None
    tool_choice: _Choice | None = None
    thinking: _Thinking | None = None
    output_config: _Output | None = None
    output_format: _Format | None = None


class MessagesRequest(CountRequest):
    """The body of a message request; keys without a meaning here are let through unread."""

    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    stream: bool | None = False
    stop_sequences: list[Annotated[str, Field(min_length=1)]] | None = Field(default=None, max_length=16)
    temperature: float | None = Field(default=None, ge=0, le=1)
    top_p: float | None = Field(default=None, ge=0, le=1)
    top_k: int | None = Field(default=None, ge=0)
    metadata: _Metadata | None = None

    @field_validator("temperature", "top_p", mode="before")
    @classmethod
    def _whole_numbers_are_numbers(cls, value: object) -> object:
        return float(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @property
    def shows_thoughts(self) -> bool:
        """Whether the client wants to see what the model thinks."""
        thinking = self.thinking
        return thinking is not None and thinking.type != "disabled" and thinking.display != "omitted"


R = TypeVar("R", bound=CountRequest)


def decode(body: object) -> MessagesRequest:
    """The request of a decoded JSON body.

    Raises:
        InvalidInput: a field is missing, of the wrong type or out of range; ``param`` names it.
    """
    request = _validated(MessagesRequest, body)
    if request.max_tokens is None and request.max_completion_tokens is None:
        raise InvalidInput("max_tokens: Field required", param="max_tokens")
    return request


def decode_count(body: object) -> CountRequest:
    """The same for a count of tokens."""
    return _validated(CountRequest, body)


def _validated(model: type[R], body: object) -> R:
    if not isinstance(body, dict):
        raise InvalidInput("The body must be a JSON object.")
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise first_problem(error, body) from error


def conversation(request: CountRequest) -> tuple[Message, ...]:
    """System text and turns.

    Raises:
        InvalidInput: a block that cannot be used.
    """
    told: list[Message] = []
    system = request.system
    text = system if isinstance(system, str) else "\n\n".join(block.text for block in system or ())
    if text:
        told.append(Message.of_text("system", text))
    for position, item in enumerate(request.messages):
        told += turns(item, f"messages[{position}]")
    return tuple(told)


def tool_specs(request: CountRequest) -> tuple[ToolSpec, ...]:
    """The tools in the domain's words.

    Raises:
        InvalidInput: a tool that Anthropic would carry out itself.
    """
    return tuple(_tool(tool, position) for position, tool in enumerate(request.tools or ()))


def _tool(tool: _Tool, position: int) -> ToolSpec:
    if tool.type not in (None, "custom"):
        raise InvalidInput(
            f"tools[{position}].type: {tool.type!r} is carried out by the provider and not offered here; "
            "tools with an input_schema are.",
            param=f"tools[{position}].type",
        )
    if tool.input_schema is None:
        place = f"tools[{position}].input_schema"
        raise InvalidInput(f"{place}: Field required", param=place)
    return ToolSpec(tool.name, tool.description, tool.input_schema, tool.strict)


def run_request(request: MessagesRequest) -> RunRequest:
    """The request in the domain's words; stop sequences are kept to by who encodes the answer.

    Raises:
        InvalidInput: a block, tool or choice that cannot be used.
    """
    choice = request.tool_choice
    return RunRequest(
        conversation=conversation(request),
        sampling=Sampling(
            temperature=request.temperature,
            top_p=request.top_p,
            top_k=request.top_k,
            max_tokens=request.max_tokens or request.max_completion_tokens,
            reasoning_effort=_effort(request),
        ),
        tools=tool_specs(request),
        tool_choice=_choice(request),
        parallel_tool_calls=False if choice is not None and choice.disable_parallel_tool_use else None,
        response_format=_response_format(request),
        user=request.metadata.user_id if request.metadata else None,
        dialect=DIALECT,
    )


def _choice(request: MessagesRequest) -> ToolChoice | None:
    choice = request.tool_choice
    if choice is None:
        return None
    if choice.type == "tool":
        if choice.name is None:
            raise InvalidInput("tool_choice.name: Field required", param="tool_choice.name")
        return ToolChoice("function", choice.name)
    return ToolChoice("required" if choice.type == "any" else choice.type)


def _effort(request: MessagesRequest) -> str | None:
    asked = request.output_config.effort if request.output_config else None
    if asked is not None:
        return _EFFORTS.get(asked)
    thinking = request.thinking
    if thinking is None or thinking.type != "enabled" or thinking.budget_tokens is None:
        return None
    if thinking.budget_tokens <= _LOW_BUDGET:
        return "low"
    return "medium" if thinking.budget_tokens <= _MEDIUM_BUDGET else "high"


def _response_format(request: MessagesRequest) -> JsonObject | None:
    wanted = (request.output_config.format if request.output_config else None) or request.output_format
    if wanted is None:
        return None
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": wanted.schema_}}
