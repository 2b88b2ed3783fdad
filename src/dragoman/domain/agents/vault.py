"""What of an agent's settings is stored sealed: the values of headers, and a worker script's environment."""

from dataclasses import replace

import orjson

from dragoman.domain.agents.model import AgentSecrets, StoredAgent
from dragoman.domain.agents.spec import AgentSpec
from dragoman.kit.crypto import Sealer
from dragoman.kit.jsonsecrets import put_back, take_out
from dragoman.kit.jsontypes import JsonObject

_SECRETS, _HEADERS = "agent", "agent/headers"
_MEMBERS = frozenset({"headers", "worker_env", "workerEnv"})


class AgentVault:
    """Seals and opens what an agent needs and a copy of the database must not tell."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def seal(self, agent_id: str, secrets: AgentSecrets) -> bytes | None:
        """The agent's secrets sealed; None when there are none."""
        if secrets.endpoint_key is None and not secrets.headers:
            return None
        plain = orjson.dumps({"endpoint_key": secrets.endpoint_key, "headers": dict(secrets.headers)})
        return self._sealer.seal(plain, f"{_SECRETS}:{agent_id}")

    def secrets(self, agent: StoredAgent) -> AgentSecrets:
        """The agent's secrets in clear, for use and never for show.

        Raises:
            Unavailable: they were sealed with another key file.
        """
        if agent.sealed is None:
            return AgentSecrets()
        values = orjson.loads(self._sealer.open(agent.sealed, f"{_SECRETS}:{agent.id}"))
        return AgentSecrets(values.get("endpoint_key"), values.get("headers") or {})

    def closed(self, agent: StoredAgent) -> StoredAgent:
        """The agent as it is stored."""
        whole: JsonObject = {"spec": agent.spec.model_dump(mode="json"), "extensions": agent.extensions}
        rest, secrets = take_out(whole, _MEMBERS)
        if not secrets:
            return replace(agent, sealed_headers=None)
        assert isinstance(rest, dict)
        return replace(
            agent,
            spec=AgentSpec.model_validate(rest["spec"]),
            extensions=rest["extensions"],
            sealed_headers=self._sealer.seal(orjson.dumps(secrets), f"{_HEADERS}:{agent.id}"),
        )

    def opened(self, agent: StoredAgent) -> StoredAgent:
        """The agent as it was given.

        Raises:
            Unavailable: it was sealed with another key file.
        """
        if agent.sealed_headers is None:
            return agent
        secrets = orjson.loads(self._sealer.open(agent.sealed_headers, f"{_HEADERS}:{agent.id}"))
        rest: JsonObject = {"spec": agent.spec.model_dump(mode="json"), "extensions": agent.extensions}
        whole = put_back(rest, secrets)
        assert isinstance(whole, dict)
        return replace(
            agent,
            spec=AgentSpec.model_validate(whole["spec"]),
            extensions=whole["extensions"],
            sealed_headers=None,
        )
