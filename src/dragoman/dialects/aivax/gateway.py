"""A gateway's published parameters to the domain's agent and back, without loss.

What the domain has no place for stays verbatim in the agent's ``extensions["aivax"]``: unknown keys, and
values that the domain cannot tell from null, such as an empty list of tools.
"""

from collections.abc import Mapping

from dragoman.dialects.aivax.functions import Function
from dragoman.dialects.aivax.parameters import APPROVALS, INTEGRATED, MASK, PUBLISHED, RERANKER
from dragoman.dialects.aivax.translate import (
    Each,
    EmptyIsNull,
    Only,
    Place,
    Shape,
    Words,
    put_all,
    take_all,
)
from dragoman.dialects.aivax.words import (
    BUILTIN_FUNCTIONS,
    GATEWAY_FLAGS,
    IMAGE_QUALITIES,
    QUERY_STRATEGIES,
    WEB_SEARCH_MODES,
    snaked,
)
from dragoman.domain.agents.model import AgentSummary, StoredAgent
from dragoman.domain.agents.spec import AgentSpec
from dragoman.kit.jsontypes import JsonObject, JsonValue

EXTENSION = "aivax"
_REST = "parameters"

_SOURCE = Shape(
    {
        "name": Place("name"),
        "description": Place("description"),
        "url": Place("url"),
        "headers": Place("headers"),
        "cacheDuration": Place("cache_seconds"),
    }
)
_FUNCTION = Function(
    Shape(
        {
            "name": Place("name"),
            "description": Place("description"),
            "headers": Place("headers"),
            "callbackUrl": Place("url"),
            "contentFormat": Place("parameters"),
        }
    )
)
_APPROVALS_SHAPE = Shape({"names": Place("names"), "risks": Place("risks")})
_SHELL = Shape(
    {
        "allowDataPersistence": Place("persistent"),
        "toolList": Place("tools"),
        "toolExclusionMode": Place("moves", Words({"WhiteList": "listed", "BlackList": "unlisted"})),
    }
)
_BUILTIN = Shape(
    {
        "webSearchMode": Place("web_search_mode", Words(snaked(WEB_SEARCH_MODES))),
        "webSearchMaxResults": Place("web_search_results"),
        "imageGenerationMaxResults": Place("image_results"),
        "imageGenerationQuality": Place("image_quality", Words(snaked(IMAGE_QUALITIES))),
        "imageGenerationAllowMatureContent": Place("image_mature_content"),
        "imageGenerationAllowReferenceUsage": Place("image_references"),
        "imageGenerationModelName": Place("image_model"),
        "includeAllMemoryContext": Place("all_memories"),
    }
)
_MODERATION = Shape(
    {
        "violenceThreshold": Place("violence"),
        "sexualExplicitThreshold": Place("sexual"),
        "politicalThreshold": Place("political"),
        "dangerousContentThreshold": Place("dangerous"),
        "jailbreakThreshold": Place("jailbreak"),
    }
)
_ROUTING = Shape(
    {
        f"{level}ComplexityModel{part}": Place(f"{level}.{own}")
        for level in ("low", "medium", "high")
        for part, own in (("Name", "model"), ("ReasoningEffort", "reasoning_effort"))
    }
)
_MULTIMODAL = Words(
    {
        "Image": "image",
        "Audio": "audio",
        "Video": "video",
        "File": "file",
        "OtherFiles": "other",
        "All": "all",
    }
)


class _Address:
    """The platform's own models have no address in the domain."""

    def inward(self, value: JsonValue) -> JsonValue:
        return None if str(value).strip().lower() == INTEGRATED else value

    def outward(self, value: JsonValue) -> JsonValue:
        return INTEGRATED if value is None else value


class _Functions:
    """The object around the list of built-in functions."""

    _names = Each(Words(snaked(BUILTIN_FUNCTIONS)))

    def inward(self, value: JsonValue) -> JsonValue:
        return self._names.inward(value["enabledFunctions"]) if isinstance(value, Mapping) else None

    def outward(self, value: JsonValue) -> JsonValue:
        return None if value is None else {"enabledFunctions": self._names.outward(value)}


class _ToolProtocol:
    """The published name of calls as text; any other name is kept as it is."""

    _published, _own = "react.v1.selfcall", "text"

    def inward(self, value: JsonValue) -> JsonValue:
        return self._own if value == self._published else value

    def outward(self, value: JsonValue) -> JsonValue:
        return self._published if value == self._own else value


PLACES: dict[str, Place] = {
    "baseAddress": Place("endpoint", _Address()),
    "skills": Place("skills.skills"),
    "hideToolsWithoutSkill": Place("skills.hide_tools"),
    "alwaysVisibleTools": Place("skills.always_visible_tools"),
    "enableBash": Place("tools.shell"),
    "bashOptions": Place("tools.shell_options", _SHELL),
    "knowledgeCollections": Place("knowledge.collection_ids"),
    "knowledgeBaseMaximumResults": Place("knowledge.maximum_results"),
    "knowledgeBaseMinimumScore": Place("knowledge.minimum_score"),
    "knowledgeUseReferences": Place("knowledge.use_references"),
    "knowledgeUseMetaDescriptions": Place("knowledge.use_metadata"),
    "queryStrategy": Place("knowledge.strategy", Words(snaked(QUERY_STRATEGIES))),
    "modelName": Place("model"),
    "temperature": Place("sampling.temperature"),
    "topP": Place("sampling.top_p"),
    "presencePenalty": Place("sampling.presence_penalty"),
    "frequencyPenalty": Place("sampling.frequency_penalty"),
    "stop": Place("sampling.stop", Only()),
    "maxCompletionTokens": Place("sampling.max_tokens"),
    "contextMaximumSize": Place("context_tokens"),
    "contextOverflowAction": Place("overflow", Words({"Throw": "refuse", "Truncate": "truncate"})),
    "systemInstruction": Place("system_prompt"),
    "workerScriptSource": Place("worker"),
    "userPromptTemplate": Place("user_prompt_template"),
    "assistantPrefill": Place("prefill"),
    "includePrefillingInMessages": Place("include_prefill"),
    "reasoningEffort": Place("sampling.reasoning_effort"),
    "verbosity": Place("sampling.verbosity"),
    "flags": Place("flags", Each(Words(snaked(GATEWAY_FLAGS)))),
    "tools": Place("tools.client", EmptyIsNull([])),
    "protocolFunctions": Place("tools.callbacks", Each(_FUNCTION)),
    "protocolFunctionSources": Place("tools.callback_sources"),
    "mcpSources": Place("tools.mcp_sources", Each(_SOURCE)),
    "systemInstructionsSources": Place("instruction_sources", Each(_SOURCE)),
    "enabledMultimodalFeatures": Place("media_to_text", Each(_MULTIMODAL)),
    "toolContextCount": Place("tool_context_count"),
    "sentinelOptions": Place("tools.builtin", _Functions()),
    "builtinFunctionsOptions": Place("tools.builtin_options", _BUILTIN),
    "moderationParameters": Place("moderation", _MODERATION),
    "knownToolHandlerName": Place("tools.protocol", _ToolProtocol()),
    "toolInvocationExplanations": Place("tools.explain"),
    "modelRoutingParameters": Place("routing", _ROUTING),
    "additionalSettings": Place("provider_settings", EmptyIsNull({})),
}
# A member of the additional settings that is for the worker's script and never for a provider.
_WORKER_ENV = "workerEnv"
_WINDOWS = {
    "rewriteContextSize": Place("knowledge.rewrite_window"),
    "concatenateContextSize": Place("knowledge.concatenate_window"),
}
_OWN = {RERANKER: Place("knowledge.rerank"), APPROVALS: Place("tools.approvals", _APPROVALS_SHAPE)}


def to_agent(parameters: JsonObject) -> tuple[AgentSpec, dict[str, JsonValue]]:
    """The domain's settings and what has no place among them; ``parameters`` are complete and checked."""
    windows = parameters["queryStrategyParameters"]
    assert isinstance(windows, Mapping)
    own = put_all({**parameters, **windows}, {**PLACES, **_WINDOWS, **_OWN})
    own["provider_settings"], own["worker_env"] = _parted(own["provider_settings"])
    spec = AgentSpec.model_validate(own)
    told = _of_spec(spec)
    rest = {
        name: value
        for name, value in parameters.items()
        if name != "apiKey" and (name not in PUBLISHED or (told[name] is None and value is not None))
    }
    return spec, {EXTENSION: {_REST: rest}}


def from_agent(agent: StoredAgent) -> dict[str, JsonValue]:
    """The published parameters of an agent, in the published order; the key of the endpoint is masked."""
    told = _of_spec(agent.spec)
    told["apiKey"] = None if agent.sealed is None else MASK
    rest = _rest(agent)
    known = {name: rest.get(name) if told[name] is None else told[name] for name in PUBLISHED}
    if RERANKER in rest or agent.spec.knowledge.rerank != "rrf":
        known[RERANKER] = agent.spec.knowledge.rerank
    if agent.spec.tools.approvals is not None:
        known[APPROVALS] = _APPROVALS_SHAPE.outward(agent.spec.tools.approvals.model_dump(mode="json"))
    return {**known, **{name: value for name, value in rest.items() if name not in known}}


def base_address(agent: AgentSummary) -> str:
    """The published address of an agent's models."""
    return agent.endpoint or INTEGRATED


def _parted(settings: JsonValue) -> tuple[JsonValue, JsonValue]:
    """What is for the provider, and what is for the worker's script."""
    assert isinstance(settings, Mapping)
    env = settings.get(_WORKER_ENV)
    if not isinstance(env, Mapping) or not env:
        return settings, {}
    return {name: value for name, value in settings.items() if name != _WORKER_ENV}, env


def _of_spec(spec: AgentSpec) -> dict[str, JsonValue]:
    own = spec.model_dump(mode="json")
    if spec.worker_env:
        own["provider_settings"] = {**own["provider_settings"], _WORKER_ENV: own["worker_env"]}
    return {**take_all(own, PLACES), "queryStrategyParameters": take_all(own, _WINDOWS)}


def _rest(agent: StoredAgent) -> Mapping[str, JsonValue]:
    extension = agent.extensions.get(EXTENSION)
    rest = extension.get(_REST) if isinstance(extension, Mapping) else None
    return rest if isinstance(rest, Mapping) else {}
