"""From the OpenAI shape of a chat request to the domain's."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, field_validator

from dragoman.dialects.openai.extras import (
    ExtraFields,
    builtin_tools,
    media_kinds,
    provider_format,
    structured_output,
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

_PASSED_ON = ("logit_bias", "logprobs", "top_logprobs", "service_tier", "prediction", "modalities", "store")


_LENIENT = ConfigDict(extra="allow", strict=True, defer_build=True)


class _Wire(BaseModel):
    model_config = _LENIENT


class _Text(_Wire):
    type: Literal["text"]
    text: str


class _ImageUrl(_Wire):
    url: str
    detail: str | None = None


class _Image(_Wire):
    type: Literal["image_url"]
    image_url: _ImageUrl


class _InputAudio(_Wire):
    data: str
    format: str


class _Audio(_Wire):
    type: Literal["input_audio"]
    input_audio: _InputAudio


class _VideoUrl(_Wire):
    url: str


class _Video(_Wire):
    type: Literal["video_url"]
    video_url: _VideoUrl


class _FileData(_Wire):
    filename: str | None = None
    file_data: str | None = None
    file_id: str | None = None


class _File(_Wire):
    type: Literal["file"]
    file: _FileData


_Content = Annotated[_Text | _Image | _Audio | _Video | _File, Field(discriminator="type")]


class _Function(_Wire):
    name: str
    arguments: str = ""


class _Call(_Wire):
    id: str
    type: Literal["function"] = "function"
    function: _Function


class MessageHead(BaseModel, frozen=True):
    """What is told of a message at a glance, whatever its parts and calls are."""

    model_config = _LENIENT

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | Sequence[Any] | None = None
    name: str | None = None
    tool_calls: Sequence[Any] | None = None
    tool_call_id: str | None = None

    @property
    def lacks(self) -> Literal["tool_call_id", "content"] | None:
        """The field without which such a message means nothing."""
        if self.role in ("tool", "function") and not (self.tool_call_id or self.name):
            return "tool_call_id"
        if self.content is None and not self.tool_calls and self.role != "assistant":
            return "content"
        return None


class MessageIn(MessageHead, frozen=True):
    """One message of the request."""

    content: str | list[_Content] | None = None
    tool_calls: list[_Call] | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None


class _ToolFunction(_Wire):
    name: str = Field(min_length=1, max_length=128)
    description: str | None = None
    parameters: dict[str, JsonValue] | None = None
    strict: bool | None = None


class ToolIn(_Wire):
    """One tool of the request."""

    type: Literal["function"]
    function: _ToolFunction


class _NamedFunction(_Wire):
    name: str


class _NamedChoice(_Wire):
    type: Literal["function"]
    function: _NamedFunction


class _StreamOptions(_Wire):
    include_usage: bool = False


class SharedFields(BaseModel):
    """The fields of a request that are neither its messages nor this server's own."""

    model_config = ConfigDict(extra="ignore", strict=True, defer_build=True)

    stream: bool | None = False
    stream_options: _StreamOptions | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    top_k: int | None = Field(default=None, ge=0)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    stop: str | list[str] | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    seed: int | None = None
    n: int | None = Field(default=None, ge=1, le=1)
    tools: list[ToolIn] | None = None
    tool_choice: Literal["auto", "none", "required"] | _NamedChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: dict[str, JsonValue] | None = None
    reasoning_effort: str | None = None
    verbosity: str | None = None
    user: str | None = None

    @field_validator("temperature", "top_p", "presence_penalty", "frequency_penalty", mode="before")
    @classmethod
    def _whole_numbers_are_numbers(cls, value: object) -> object:
        return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


class CompletionRequest(SharedFields, ExtraFields):
    """The body of a chat completion; keys without a meaning here are let through unread."""

    model_config = ConfigDict(extra="allow", strict=True, defer_build=False)

    model: str = Field(min_length=1)
    messages: list[MessageIn] | None = None
    prompt: str | None = None


def decode(body: object) -> CompletionRequest:
    """The request of a decoded JSON body.

    Raises:
        InvalidInput: a field is missing, of the wrong type or out of range; ``param`` names it.
    """
    if not isinstance(body, dict):
        raise InvalidInput("The body must be a JSON object.")
    try:
        request = CompletionRequest.model_validate(body)
    except ValidationError as error:
        raise first_problem(error, body) from error
    if request.messages is not None and request.prompt is not None:
        raise InvalidInput("Give either messages or prompt, not both.", param="prompt")
    if not request.messages and request.prompt is None:
        raise InvalidInput("messages: at least one message is needed.", param="messages")
    return request


def run_request(request: CompletionRequest, *, automatic_healing: bool = False) -> RunRequest:
    """The request in the domain's words.

    Args:
        request: as decoded.
        automatic_healing: whether the account wants every JSON answer checked here.

    Raises:
        InvalidInput: a content part or an extra field that cannot be used.
    """
    if request.prompt is not None:
        conversation: tuple[Message, ...] = (Message.of_text("user", request.prompt),)
    else:
        conversation = tuple(_message(item, position) for position, item in enumerate(request.messages or ()))
    stop = request.stop
    extra = {name: value for name, value in (request.model_extra or {}).items() if name in _PASSED_ON}
    tools, options = builtin_tools(request.builtin_tools)
    return RunRequest(
        conversation=conversation,
        sampling=Sampling(
            temperature=request.temperature,
            top_p=request.top_p,
            top_k=request.top_k,
            presence_penalty=request.presence_penalty,
            frequency_penalty=request.frequency_penalty,
            stop=(stop,) if isinstance(stop, str) else tuple(stop or ()),
            max_tokens=request.max_completion_tokens or request.max_tokens,
            seed=request.seed,
            reasoning_effort=request.reasoning_effort,
            verbosity=request.verbosity,
        ),
        tools=tuple(tool_spec(tool) for tool in request.tools or ()),
        tool_choice=_choice(request),
        parallel_tool_calls=request.parallel_tool_calls,
        response_format=provider_format(request.response_format),
        structured=structured_output(request, request.response_format, automatic=automatic_healing),
        media_to_text=media_kinds(request.multimodal_preprocess),
        builtin_tools=tools,
        builtin_options=options,
        explain_tools=request.tool_invocation_explanations,
        user=request.user,
        reference=request.reference,
        metadata=request.metadata or {},
        idempotency_key=request.idempotency_key,
        conversation_id=request.idempotency_key,
        streamed=bool(request.stream),
        extra=extra,
        provider_settings=request.extra_body,
        dialect="openai",
    )


def tool_spec(tool: ToolIn) -> ToolSpec:
    """A tool in the domain's words."""
    function = tool.function
    return ToolSpec(function.name, function.description, function.parameters, function.strict)


def _choice(request: CompletionRequest) -> ToolChoice | None:
    choice = request.tool_choice
    if choice is None:
        return None
    if not isinstance(choice, str):
        return ToolChoice("function", choice.function.name)
    return ToolChoice(choice)


def _message(item: MessageIn, position: int) -> Message:
    where = f"messages[{position}]"
    role = {"developer": "system", "function": "tool"}.get(item.role, item.role)
    lacks = item.lacks
    if lacks == "tool_call_id":
        raise InvalidInput(
            f"{where}.tool_call_id: a tool's result must name the call.", param=f"{where}.tool_call_id"
        )
    if lacks == "content":
        raise InvalidInput(f"{where}.content: a {item.role} message needs content.", param=f"{where}.content")
    parts = (
        (TextPart(item.content),)
        if isinstance(item.content, str)
        else tuple(
            _part(content, f"{where}.content[{number}]") for number, content in enumerate(item.content or ())
        )
    )
    calls = tuple(
        ToolCall(call.id, call.function.name, call.function.arguments) for call in item.tool_calls or ()
    )
    return Message(
        role=role,  # pyright: ignore[reportArgumentType]
        parts=parts,
        tool_calls=calls,
        tool_call_id=item.tool_call_id or (item.name if role == "tool" else None),
        name=item.name,
        reasoning=item.reasoning or item.reasoning_content,
    )


def _part(content: _Text | _Image | _Audio | _Video | _File, where: str) -> Part:
    match content:
        case _Text():
            return TextPart(content.text)
        case _Image():
            return ImagePart(content.image_url.url, content.image_url.detail)
        case _Audio():
            return AudioPart(content.input_audio.data, content.input_audio.format)
        case _Video():
            return VideoPart(content.video_url.url)
        case _File():
            if content.file.file_data is None:
                raise InvalidInput(
                    f"{where}.file.file_data: the file's data or address is needed.", param=where
                )
            return FilePart(content.file.file_data, content.file.filename)
