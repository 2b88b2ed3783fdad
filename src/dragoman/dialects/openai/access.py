"""What a public key may ask for: a gateway by its id, with few settings, and without the server's tools."""

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.agents.model import ResolvedAgent
from dragoman.domain.agents.spec import AgentSpec, SkillsSpec
from dragoman.domain.tools.spec import ToolsSpec
from dragoman.kit.errors import Forbidden
from dragoman.kit.ids import is_uuid
from dragoman.kit.jsontypes import JsonObject

_ALLOWED = frozenset(
    {
        "model",
        "messages",
        "prompt",
        "temperature",
        "top_p",
        "top_k",
        "reference",
        "tools",
        "reasoning_effort",
        "max_completion_tokens",
        "stream",
    }
)


def check_public(caller: Caller, body: JsonObject) -> None:
    """Refuses what a public key may not ask for; private keys may ask for everything.

    Raises:
        Forbidden: a setting that is not for public keys, or no full gateway id.
    """
    if caller.key_kind != "public":
        return
    others = sorted(set(body) - _ALLOWED)
    if others:
        raise Forbidden(
            f"A public key may not set {', '.join(others)}.", param=others[0], code="parameter_not_public"
        )
    if not is_uuid(str(body.get("model"))):
        raise Forbidden(
            "A public key reaches a gateway by its full id only.", param="model", code="gateway_id_needed"
        )


def for_caller(caller: Caller, agent: ResolvedAgent) -> ResolvedAgent:
    """The agent as this key may use it.

    Raises:
        Forbidden: a public key and no gateway.
    """
    if caller.key_kind != "public":
        return agent
    if agent.id is None:
        raise Forbidden("A public key reaches gateways only.", param="model", code="gateway_id_needed")
    return ResolvedAgent(agent.id, agent.name, _without_server_tools(agent.spec), agent.endpoint_key)


def _without_server_tools(spec: AgentSpec) -> AgentSpec:
    changes: dict[str, object] = {"tools": ToolsSpec(client=spec.tools.client), "skills": SkillsSpec()}
    if spec.knowledge.strategy == "query_function":
        changes["knowledge"] = spec.knowledge.model_copy(update={"strategy": "plain"})
    return spec.model_copy(update=changes)
