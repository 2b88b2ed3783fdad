"""Fields of a request that go beyond OpenAI's: what each may be, and the domain's words for it."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue

from dragoman.dialects.openai.words import BUILTIN_SPELLINGS, BUILTIN_TOOLS, MEDIA_KINDS, MEDIA_SPELLINGS
from dragoman.domain.inference.healing import DEFAULT_ATTEMPTS, StructuredOutput, checked_schema
from dragoman.domain.inference.multimodal import MediaKind
from dragoman.domain.tools.spec import BuiltinToolOptions
from dragoman.kit.errors import InvalidInput
from dragoman.kit.jsontypes import JsonObject

_FORMATS = ("text", "json_object", "json_schema")
_STRICT = ConfigDict(strict=True, extra="ignore")


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


class _BuiltinOptionsIn(BaseModel):
    model_config = _STRICT

    web_search_mode: Annotated[Literal["full", "summarized"], BeforeValidator(_lower)] = "full"
    web_search_max_results: int = Field(default=10, ge=1, le=25)
    image_generation_model_name: str | None = None
    image_generation_allow_reference_usage: bool = True
    image_generation_quality: Annotated[
        Literal["low", "medium", "high", "highest"], BeforeValidator(_lower)
    ] = "medium"
    image_generation_max_results: int = Field(default=1, ge=1, le=4)
    image_generation_allow_mature_content: bool = False
    include_all_memory_context: bool = False


class BuiltinToolsIn(BaseModel):
    """``builtin_tools`` of a request."""

    model_config = _STRICT

    tools: list[str] = Field(default_factory=list, max_length=32)
    options: _BuiltinOptionsIn | None = None


class ExtraFields(BaseModel):
    """What a request may hold beside OpenAI's fields."""

    model_config = ConfigDict(extra="allow", strict=True)

    reference: str | None = Field(default=None, max_length=256)
    metadata: dict[str, str] | None = None
    idempotency_key: str | None = Field(default=None, min_length=1, max_length=128)
    response_schema: dict[str, JsonValue] | None = None
    json_only: bool | None = None
    builtin_tools: BuiltinToolsIn | None = None
    multimodal_preprocess: str | list[str] | None = None
    extra_body: dict[str, JsonValue] | None = None
    rendering_mode: Literal["textual_blocks"] | None = None
    tool_invocation_explanations: bool | None = None


def media_kinds(wanted: str | list[str] | None) -> tuple[MediaKind, ...] | None:
    """The kinds of media to become text.

    Raises:
        InvalidInput: a word that is none of the published ones.
    """
    if wanted is None:
        return None
    words = [wanted] if isinstance(wanted, str) else wanted
    for word in words:
        if word.lower() not in MEDIA_KINDS:
            raise InvalidInput(
                f"multimodal_preprocess: {word!r} is none of {MEDIA_SPELLINGS}.",
                param="multimodal_preprocess",
            )
    return tuple(dict.fromkeys(MEDIA_KINDS[word.lower()] for word in words))


def builtin_tools(wanted: BuiltinToolsIn | None) -> tuple[tuple[str, ...] | None, BuiltinToolOptions | None]:
    """The platform's tools asked for and their settings.

    Raises:
        InvalidInput: a tool that is none of the published ones.
    """
    if wanted is None:
        return None, None
    for word in wanted.tools:
        if word.lower() not in BUILTIN_TOOLS:
            raise InvalidInput(
                f"builtin_tools.tools: {word!r} is none of {BUILTIN_SPELLINGS}.", param="builtin_tools.tools"
            )
    names = tuple(dict.fromkeys(BUILTIN_TOOLS[word.lower()] for word in wanted.tools))
    given = wanted.options
    if given is None:
        return names, None
    return names, BuiltinToolOptions(
        web_search_mode=given.web_search_mode,
        web_search_results=given.web_search_max_results,
        image_results=given.image_generation_max_results,
        image_quality=given.image_generation_quality,
        image_mature_content=given.image_generation_allow_mature_content,
        image_references=given.image_generation_allow_reference_usage,
        image_model=given.image_generation_model_name,
        all_memories=given.include_all_memory_context,
    )


def provider_format(response_format: JsonObject | None) -> JsonObject | None:
    """The response format without what is meant for this server."""
    described = (response_format or {}).get("json_schema")
    if response_format is None or not isinstance(described, Mapping) or "healing_options" not in described:
        return response_format
    kept = {name: value for name, value in described.items() if name != "healing_options"}
    return {**response_format, "json_schema": kept}


def check_format(response_format: JsonObject | None) -> None:
    """Returns when there is such a response format.

    Raises:
        InvalidInput: there is none.
    """
    if response_format is None:
        return
    kind = response_format.get("type")
    if kind not in _FORMATS:
        param = "response_format.type"
        raise InvalidInput(f"{param}: must be one of {', '.join(_FORMATS)}.", param=param)
    if kind == "json_schema" and not isinstance(response_format.get("json_schema"), Mapping):
        param = "response_format.json_schema"
        raise InvalidInput(f"{param}: an object with the schema is needed.", param=param)


def structured_output(
    extras: ExtraFields, response_format: JsonObject | None, *, automatic: bool
) -> StructuredOutput | None:
    """The JSON that the answer must be, when the request or the account wants it checked here.

    Raises:
        InvalidInput: the schema or the number of attempts cannot be used.
    """
    check_format(response_format)
    described = (response_format or {}).get("json_schema")
    if not isinstance(described, Mapping):
        described = {}
    attempts = _attempts(described)
    wants_json = (response_format or {}).get("type") in ("json_object", "json_schema")
    if extras.response_schema is not None:
        schema = checked_schema(extras.response_schema, param="response_schema")
    elif extras.json_only or attempts is not None or (automatic and wants_json):
        schema = _schema_of_format(response_format or {}, described)
    else:
        return None
    return StructuredOutput(schema, DEFAULT_ATTEMPTS if attempts is None else attempts)


def _schema_of_format(response_format: JsonObject, described: JsonObject) -> JsonObject:
    if response_format.get("type") == "json_object":
        return {"type": "object"}
    schema = described.get("schema")
    if isinstance(schema, Mapping):
        return checked_schema(schema, param="response_format.json_schema.schema")
    return {}


def _attempts(described: JsonObject) -> int | None:
    param = "response_format.json_schema.healing_options"
    options = described.get("healing_options")
    if options is None:
        return None
    if not isinstance(options, Mapping):
        raise InvalidInput(f"{param}: an object is needed.", param=param)
    attempts = options.get("max_attempts", DEFAULT_ATTEMPTS)
    if not isinstance(attempts, int) or isinstance(attempts, bool) or not 1 <= attempts <= 10:
        raise InvalidInput(
            f"{param}.max_attempts: a whole number from 1 to 10 is needed.", param=f"{param}.max_attempts"
        )
    return attempts
