"""AgentSpec: who answers, with what prompt, model, tools and knowledge."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from dragoman.domain.tools.spec import RemoteSource, ToolsSpec

_STRICT = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class KnowledgeSpec(BaseModel):
    """What the agent may look up. ``collection_ids`` empty = nothing is retrieved.

    ``grounding``: ``strict`` = answer from the passages and nothing else, ``open`` = the passages may help.
    """

    model_config = _STRICT

    collection_ids: tuple[str, ...] = ()
    maximum_results: int = Field(default=5, ge=1, le=128)
    minimum_score: float = Field(default=0.4, ge=0, le=1)
    use_references: bool = False
    use_metadata: bool = False
    strategy: Literal["plain", "concatenate", "user_rewrite", "full_rewrite", "query_function"] = "plain"
    rewrite_window: int = Field(default=3, ge=1, le=100)
    concatenate_window: int = Field(default=3, ge=1, le=100)
    rerank: Literal["none", "rrf", "lexical", "smart"] = "rrf"
    grounding: Literal["strict", "open"] = "strict"


class SamplingSpec(BaseModel):
    """Sampling defaults of the agent; null = not sent."""

    model_config = _STRICT

    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    stop: tuple[str, ...] = ()
    max_tokens: int | None = None
    reasoning_effort: str | None = None
    verbosity: str | None = None


class SkillsSpec(BaseModel):
    """Instruction sets the agent can open, by id or name.

    With ``hide_tools``, until one is open the model is offered only ``always_visible_tools`` and what opens
    skills.
    """

    model_config = _STRICT

    skills: tuple[str, ...] = ()
    hide_tools: bool = False
    always_visible_tools: tuple[str, ...] = ()


class ModerationSpec(BaseModel):
    """Scores from 1 to 100 at which a request is withheld, by category; 0 = not looked at."""

    model_config = _STRICT

    violence: int = Field(default=0, ge=0, le=100)
    sexual: int = Field(default=0, ge=0, le=100)
    political: int = Field(default=0, ge=0, le=100)
    dangerous: int = Field(default=0, ge=0, le=100)
    jailbreak: int = Field(default=0, ge=0, le=100)


class RoutedModel(BaseModel):
    """The model for one level of difficulty."""

    model_config = _STRICT

    model: str
    reasoning_effort: str | None = None


class RoutingSpec(BaseModel):
    """Models by the difficulty of the latest request."""

    model_config = _STRICT

    low: RoutedModel
    medium: RoutedModel
    high: RoutedModel


class AgentSpec(BaseModel):
    """An agent's settings. ``endpoint`` None = a model of the catalogue, else an OpenAI-compatible address.

    ``user_prompt_template`` replaces ``{prompt}`` in every user turn. ``prefill`` starts the assistant's.
    ``worker`` is the address, or the script, that sees messages and tool calls before they go on;
    a script is given ``worker_env``.
    ``media_to_text`` names kinds of media that become text for the model. ``flags`` name habits of the model
    and its provider.
    """

    model_config = _STRICT

    model: str
    endpoint: str | None = None
    system_prompt: str | None = None
    instruction_sources: tuple[RemoteSource, ...] = ()
    user_prompt_template: str | None = None
    prefill: str | None = None
    include_prefill: bool = False
    sampling: SamplingSpec = SamplingSpec()
    knowledge: KnowledgeSpec = KnowledgeSpec()
    skills: SkillsSpec = SkillsSpec()
    tools: ToolsSpec = ToolsSpec()
    moderation: ModerationSpec | None = None
    routing: RoutingSpec | None = None
    worker: str | None = None
    worker_env: dict[str, JsonValue] = Field(default_factory=dict)
    media_to_text: tuple[Literal["image", "audio", "video", "file", "other", "all"], ...] = ()
    context_tokens: int | None = None
    overflow: Literal["refuse", "truncate"] = "refuse"
    tool_context_count: int | None = None
    flags: tuple[str, ...] = ()
    provider_settings: dict[str, JsonValue] = Field(default_factory=dict)
