"""The body of a request for a response."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, JsonValue, Tag, field_validator


class Wire(BaseModel):
    """Strict about what is known, silent about what is not."""

    model_config = ConfigDict(extra="ignore", strict=True, defer_build=True)


class Text(Wire):
    """Text said by either side."""

    type: Literal["input_text", "output_text", "text"]
    text: str


class Refusal(Wire):
    """What a model said instead of an answer."""

    type: Literal["refusal"]
    refusal: str


class Image(Wire):
    """A picture by address."""

    type: Literal["input_image"]
    image_url: str | None = None
    file_id: str | None = None
    detail: str | None = None


class File(Wire):
    """A file by its data or address."""

    type: Literal["input_file"]
    file_data: str | None = None
    file_url: str | None = None
    file_id: str | None = None
    filename: str | None = None


class _Sound(Wire):
    data: str
    format: str


class Audio(Wire):
    """Recorded sound."""

    type: Literal["input_audio"]
    input_audio: _Sound


Part = Annotated[Text | Refusal | Image | File | Audio, Field(discriminator="type")]


class MessageItem(Wire):
    """One turn."""

    type: Literal["message"] = "message"
    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[Part]


class CallItem(Wire):
    """A model's call of a function."""

    type: Literal["function_call"]
    call_id: str = Field(min_length=1)
    name: str = Field(min_length=1)
    arguments: str


class OutputItem(Wire):
    """What a function answered."""

    type: Literal["function_call_output"]
    call_id: str = Field(min_length=1)
    output: str | list[Part]


class ReasoningItem(Wire):
    """What a model thought."""

    type: Literal["reasoning"]
    summary: list[dict[str, JsonValue]] = Field(default_factory=list[dict[str, JsonValue]])
    content: list[dict[str, JsonValue]] | None = None


class OtherItem(Wire):
    """An item of a kind that has no meaning here."""

    type: str


def _kind(value: Any) -> str:
    kind = value.get("type", "message") if isinstance(value, dict) else getattr(value, "type", "message")
    return kind if kind in ("message", "function_call", "function_call_output", "reasoning") else "other"


Item = Annotated[
    Annotated[MessageItem, Tag("message")]
    | Annotated[CallItem, Tag("function_call")]
    | Annotated[OutputItem, Tag("function_call_output")]
    | Annotated[ReasoningItem, Tag("reasoning")]
    | Annotated[OtherItem, Tag("other")],
    Discriminator(_kind),
]


class Tool(Wire):
    """A function, or a search of files or the web."""

    type: str
    name: str | None = Field(default=None, min_length=1, max_length=128)
    description: str | None = None
    parameters: dict[str, JsonValue] | None = None
    strict: bool | None = None
    vector_store_ids: list[str] | None = None
    max_num_results: int | None = Field(default=None, ge=1, le=50)


class Choice(Wire):
    """The one tool that must be called."""

    type: str
    name: str | None = None


class Reasoning(Wire):
    """How much the model thinks, and whether a summary is shown."""

    effort: str | None = None
    summary: str | None = None


class TextConfig(Wire):
    """The form of the answer."""

    format: dict[str, JsonValue] | None = None
    verbosity: str | None = None


class ResponseRequest(Wire):
    """The body; keys without a meaning here are let through unread."""

    model: str = Field(min_length=1)
    input: str | list[Item]
    instructions: str | None = None
    previous_response_id: str | None = None
    store: bool | None = True
    stream: bool | None = False
    background: bool | None = None
    conversation: JsonValue = None
    prompt: JsonValue = None
    tools: list[Tool] | None = None
    tool_choice: Literal["auto", "none", "required"] | Choice | None = None
    parallel_tool_calls: bool | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    max_output_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    max_tokens: int | None = Field(default=None, ge=1)
    reasoning: Reasoning | None = None
    text: TextConfig | None = None
    metadata: dict[str, str] | None = None
    user: str | None = None
    safety_identifier: str | None = None

    @field_validator("temperature", "top_p", mode="before")
    @classmethod
    def _whole_numbers_are_numbers(cls, value: object) -> object:
        return float(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @property
    def most_tokens(self) -> int | None:
        """The bound of the answer, by whichever of its names."""
        return self.max_output_tokens or self.max_completion_tokens or self.max_tokens
