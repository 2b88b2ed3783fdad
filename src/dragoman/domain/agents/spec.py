"""AgentSpec: who answers, with what prompt, model, tools and knowledge."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from dragoman.kit.jsontypes import JsonValue


class KnowledgeSpec(BaseModel):
    """What the agent may look up. ``collection_ids`` empty = nothing is retrieved."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    collection_ids: tuple[str, ...] = ()
    maximum_results: int = Field(default=5, ge=1, le=128)
    minimum_score: float = Field(default=0.4, ge=0, le=1)
    use_references: bool = False
    use_metadata: bool = False
    strategy: Literal["plain", "concatenate", "user_rewrite", "full_rewrite", "query_function"] = "plain"
    rewrite_window: int = Field(default=3, ge=1, le=100)
    concatenate_window: int = Field(default=3, ge=1, le=100)
    rerank: Literal["none", "rrf", "lexical", "smart"] = "rrf"


class SamplingSpec(BaseModel):
    """Sampling defaults of the agent; null = not sent."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    stop: tuple[str, ...] = ()
    max_tokens: int | None = None
    reasoning_effort: str | None = None
    verbosity: str | None = None


class AgentSpec(BaseModel):
    """An agent's settings. ``endpoint`` None = a model of the catalogue, else an OpenAI-compatible base address.

    ``user_prompt_template`` replaces ``{prompt}`` in every user turn. ``prefill`` starts the assistant's turn.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    endpoint: str | None = None
    system_prompt: str | None = None
    user_prompt_template: str | None = None
    prefill: str | None = None
    include_prefill: bool = False
    sampling: SamplingSpec = SamplingSpec()
    knowledge: KnowledgeSpec = KnowledgeSpec()
    context_tokens: int | None = None
    overflow: Literal["refuse", "truncate"] = "refuse"
    tool_context_count: int | None = None
    tools: tuple[dict[str, JsonValue], ...] = ()
    flags: frozenset[str] = frozenset()
    provider_settings: dict[str, JsonValue] = Field(default_factory=dict)
