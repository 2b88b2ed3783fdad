"""Which requests may take the fast line: those in which nothing is injected and nothing inspected."""

from collections.abc import Callable, Mapping
from types import NoneType
from typing import cast

from dragoman.adapters.models.upstream import Endpoint
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.switches import HEAL_JSON, LOG_CONVERSATIONS
from dragoman.domain.agents.model import ResolvedAgent
from dragoman.domain.agents.service import AgentsService
from dragoman.domain.agents.spec import AgentSpec, SamplingSpec
from dragoman.domain.inference.catalogue import Catalogue
from dragoman.domain.inference.relay import RelayTarget
from dragoman.kit.jsontypes import JsonObject, JsonValue

# Body fields that mean something to this server, so that it must read the answer or change the question.
_OURS = frozenset(
    {
        "prompt",
        "reference",
        "metadata",
        "idempotency_key",
        "response_schema",
        "json_only",
        "builtin_tools",
        "multimodal_preprocess",
        "tool_invocation_explanations",
        "rendering_mode",
        "extra_body",
    }
)

_ROLES = frozenset(("system", "developer", "user", "assistant", "tool", "function"))
_CONTENT = (str, list, NoneType)


def _are_messages(value: JsonValue) -> bool:
    """Whether the value is a list of at least one message, as far as can be seen at a glance."""
    if not isinstance(value, list) or not value:
        return False
    return all(
        isinstance(one, dict)
        and isinstance(one.get("role"), str)
        and one["role"] in _ROLES
        and isinstance(one.get("content"), _CONTENT)
        for one in value
    )


def _number(low: float, high: float) -> Callable[[JsonValue], bool]:
    return lambda value: (
        isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
    )


def _whole_number(value: JsonValue) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _count(value: JsonValue) -> bool:
    return _whole_number(value) and cast("int", value) >= 1


def _truth(value: JsonValue) -> bool:
    return isinstance(value, bool)


def _text(value: JsonValue) -> bool:
    return isinstance(value, str)


def _stops(value: JsonValue) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(map(_text, value)))


def _functions(value: JsonValue) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, dict) and one.get("type") == "function" and isinstance(one.get("function"), dict)
        for one in value
    )


def _format(value: JsonValue) -> bool:
    return isinstance(value, dict) and value.get("type") in ("text", "json_object", "json_schema")


# What is none of these takes the domain's way, which says what is wrong with it: a provider might not.
_CHECKS: Mapping[str, Callable[[JsonValue], bool]] = {
    "stream": _truth,
    "stream_options": lambda value: isinstance(value, dict),
    "temperature": _number(0, 2),
    "top_p": _number(0, 1),
    "presence_penalty": _number(-2, 2),
    "frequency_penalty": _number(-2, 2),
    "max_tokens": _count,
    "max_completion_tokens": _count,
    "seed": _whole_number,
    "stop": _stops,
    "tools": _functions,
    "response_format": _format,
    "parallel_tool_calls": _truth,
    "reasoning_effort": _text,
    "verbosity": _text,
    "user": _text,
}


def _is_sound(body: JsonObject) -> bool:
    """Whether the fields that are read here are what they may be, as far as can be seen at a glance."""
    for name, value in body.items():
        check = _CHECKS.get(name)
        if check is not None and value is not None and not check(value):
            return False
    return True


def _chooses_what_is_there(body: JsonObject) -> bool:
    """Whether no call is demanded of a tool that the request does not bring along, as far as can be seen at a glance."""
    choice = body.get("tool_choice")
    if choice is None or choice in ("auto", "none"):
        return True
    tools = body.get("tools")
    functions = (
        [one.get("function") for one in tools if isinstance(one, dict)] if isinstance(tools, list) else []
    )
    names = [function.get("name") for function in functions if isinstance(function, dict)]
    if not isinstance(choice, dict):
        return choice == "required" and bool(names)
    wanted = choice.get("function")
    return isinstance(wanted, dict) and wanted.get("name") in names


def is_plain(spec: AgentSpec) -> bool:
    """Whether an agent only chooses a model and its sampling settings."""
    bare = AgentSpec(model=spec.model, endpoint=spec.endpoint)
    return spec.model_copy(update={"sampling": SamplingSpec(), "provider_settings": {}}) == bare


def _settings(spec: AgentSpec) -> dict[str, JsonValue]:
    sampling = spec.sampling
    given: dict[str, JsonValue] = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
        "stop": list(sampling.stop) or None,
        "max_tokens": sampling.max_tokens,
        "reasoning_effort": sampling.reasoning_effort,
        "verbosity": sampling.verbosity,
    }
    # Only a provider at the agent's own address may be told more than the sampling settings.
    own = spec.provider_settings if spec.endpoint is not None else {}
    return {**own, **{name: value for name, value in given.items() if value is not None}}


def _keeps_to_schema_here(body: JsonObject) -> bool:
    """Whether the request itself asks for its JSON to be checked here."""
    wanted = body.get("response_format")
    described = wanted.get("json_schema") if isinstance(wanted, Mapping) else None
    return isinstance(described, Mapping) and "healing_options" in described


class RelayPlan:
    """Answers from memory where a request is relayed to, or that it is not.

    Args:
        switches: the switches of the caller's account; None while they are not in memory.
        limited: whether what the caller uses has to be watched.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        agents: AgentsService,
        relayed: Mapping[str, Endpoint],
        switches: Callable[[Caller], Mapping[str, JsonValue] | None],
        limited: Callable[[Caller], bool] = lambda caller: False,
    ) -> None:
        self._catalogue = catalogue
        self._agents = agents
        self._switches = switches
        self._limited = limited
        self._models = {name: _target(endpoint) for name, endpoint in relayed.items()}
        self._targets: dict[str, tuple[ResolvedAgent, RelayTarget | None]] = {}

    def __call__(self, caller: Caller, name: str, body: JsonObject) -> RelayTarget | None:
        """The target, or None when the request takes the domain's way.

        Raises:
            NotFound: the caller has no such agent and there is no such model.
        """
        if (
            not _OURS.isdisjoint(body)
            or not _are_messages(body.get("messages"))
            or not _is_sound(body)
            or not _chooses_what_is_there(body)
        ):
            # The domain's way says what is wrong with them.
            return None
        if caller.key_kind != "private" or body.get("n") not in (None, 1) or self._limited(caller):
            return None
        switches = self._switches(caller)
        if switches is None or switches.get(LOG_CONVERSATIONS) is True:
            # What is not known yet is looked up on the domain's way; conversations that are kept must be read.
            return None
        if body.get("response_format") is not None and (
            _keeps_to_schema_here(body) or switches.get(HEAL_JSON) is True
        ):
            return None
        known, agent = self._agents.cached(caller, name)
        if not known:
            # The domain's way looks it up, and it is known from then on.
            return None
        if agent is None:
            return self._models.get(self._catalogue.resolve(name).name)
        if agent.spec.sampling.max_tokens is not None and body.get("max_completion_tokens") is not None:
            # Two names of one setting: the domain's way sends the request's.
            return None
        return self._of_agent(agent)

    def _of_agent(self, agent: ResolvedAgent) -> RelayTarget | None:
        assert agent.id is not None
        cached = self._targets.get(agent.id)
        if cached is None or cached[0] is not agent:
            cached = self._targets[agent.id] = (agent, self._made(agent))
        return cached[1]

    def _made(self, agent: ResolvedAgent) -> RelayTarget | None:
        spec = agent.spec
        if not is_plain(spec):
            return None
        extra = _settings(spec)
        if spec.endpoint is not None:
            return RelayTarget(
                base_url=spec.endpoint,
                model=spec.model,
                name=spec.model,
                api_key=agent.endpoint_key,
                extra=extra,
                agent_id=agent.id,
                user_given=True,
            )
        found = self._models.get(self._catalogue.resolve(spec.model).name)
        if found is None:
            return None
        return RelayTarget(
            base_url=found.base_url,
            model=found.model,
            name=found.name,
            api_key=found.api_key,
            extra=extra,
            agent_id=agent.id,
        )


def _target(endpoint: Endpoint) -> RelayTarget:
    return RelayTarget(
        base_url=endpoint.base_url, model=endpoint.model, name=endpoint.name, api_key=endpoint.key
    )
