"""Which requests may take the fast line: those in which nothing is injected and nothing inspected."""

from collections.abc import Callable, Mapping

from dragoman.adapters.models.upstream import Endpoint
from dragoman.dialects.openai.passing import passed
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.switches import HEAL_JSON, LOG_CONVERSATIONS
from dragoman.domain.agents.model import ResolvedAgent
from dragoman.domain.agents.service import AgentsService
from dragoman.domain.agents.spec import AgentSpec, SamplingSpec
from dragoman.domain.inference.catalogue import Catalogue
from dragoman.domain.inference.relay import RelayTarget
from dragoman.kit.jsontypes import JsonObject, JsonValue


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
        if caller.key_kind != "private" or body.get("n") not in (None, 1) or self._limited(caller):
            return None
        switches = self._switches(caller)
        if switches is None or switches.get(LOG_CONVERSATIONS) is True:
            # What is not known yet is looked up on the domain's way; conversations that are kept must be read.
            return None
        wanted = passed(body)
        if wanted is None:
            return None
        if wanted.response_format is not None and (
            wanted.keeps_to_schema_here or switches.get(HEAL_JSON) is True
        ):
            return None
        known, agent = self._agents.cached(caller, name)
        if not known:
            # The domain's way looks it up, and it is known from then on.
            return None
        if agent is None:
            return self._models.get(self._catalogue.resolve(name).name)
        if agent.spec.sampling.max_tokens is not None and wanted.max_completion_tokens is not None:
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
