"""The request of this dialect as it is sent: camelCase, and the snake_case that some clients write."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator
from pydantic.alias_generators import to_camel


class Wire(BaseModel):
    """Strict about what is known, silent about what is not."""

    model_config = ConfigDict(
        extra="ignore", strict=True, defer_build=True, alias_generator=to_camel, populate_by_name=True
    )


class Blob(Wire):
    """Data with its media type."""

    mime_type: str
    data: str


class FileData(Wire):
    """A file by address."""

    file_uri: str
    mime_type: str | None = None


class FunctionCall(Wire):
    """A model's wish to call a function."""

    name: str = Field(min_length=1)
    args: dict[str, JsonValue] | None = None
    id: str | None = None


class FunctionResponse(Wire):
    """What a function answered."""

    name: str = Field(min_length=1)
    response: dict[str, JsonValue] | None = None
    id: str | None = None


class PartIn(Wire):
    """One part of a turn."""

    text: str | None = None
    thought: bool | None = None
    inline_data: Blob | None = None
    file_data: FileData | None = None
    function_call: FunctionCall | None = None
    function_response: FunctionResponse | None = None


class Content(Wire):
    """One turn."""

    role: Literal["user", "model", "function", "system"] | None = None
    parts: list[PartIn] = Field(default_factory=list[PartIn])


class FunctionDeclaration(Wire):
    """A function that the model may call."""

    name: str = Field(min_length=1, max_length=128)
    description: str | None = None
    parameters: dict[str, JsonValue] | None = None
    parameters_json_schema: dict[str, JsonValue] | None = None


class ToolIn(Wire):
    """Functions, or a tool of the provider's own."""

    model_config = ConfigDict(extra="allow")

    function_declarations: list[FunctionDeclaration] | None = None


class CallingConfig(Wire):
    """Whether and which functions are called."""

    mode: str | None = None
    allowed_function_names: list[str] | None = None


class ToolConfig(Wire):
    """How tools are used."""

    function_calling_config: CallingConfig | None = None


class ThinkingConfig(Wire):
    """How much the model thinks, and whether that is shown."""

    include_thoughts: bool | None = None
    thinking_budget: int | None = None
    thinking_level: str | None = None


class GenerationConfig(Wire):
    """Sampling and the form of the answer."""

    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    top_k: float | None = Field(default=None, ge=0)
    candidate_count: int | None = Field(default=None, ge=1, le=1)
    max_output_tokens: int | None = Field(default=None, ge=1)
    stop_sequences: list[str] | None = Field(default=None, max_length=16)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    seed: int | None = None
    response_mime_type: str | None = None
    response_schema: dict[str, JsonValue] | None = None
    response_json_schema: JsonValue = None
    thinking_config: ThinkingConfig | None = None

    @field_validator("temperature", "top_p", "top_k", "presence_penalty", "frequency_penalty", mode="before")
    @classmethod
    def _whole_numbers_are_numbers(cls, value: object) -> object:
        return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


class GenerateRequest(Wire):
    """The body of a request for content."""

    contents: list[Content] = Field(min_length=1)
    system_instruction: Content | None = None
    tools: list[ToolIn] | None = None
    tool_config: ToolConfig | None = None
    generation_config: GenerationConfig | None = None
    cached_content: str | None = None

    @field_validator("contents", mode="before")
    @classmethod
    def _one_content_is_a_list(cls, value: object) -> object:
        return [value] if isinstance(value, dict) else value

    @field_validator("system_instruction", mode="before")
    @classmethod
    def _text_is_a_content(cls, value: object) -> object:
        return {"parts": [{"text": value}]} if isinstance(value, str) else value


class CountRequest(Wire):
    """The body of a count of tokens: turns alone, or a whole request."""

    contents: list[Content] | None = None
    generate_content_request: GenerateRequest | None = None
