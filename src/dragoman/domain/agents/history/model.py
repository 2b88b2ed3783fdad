"""A version of an agent."""

from collections.abc import Mapping
from dataclasses import dataclass

from dragoman.domain.agents.spec import AgentSpec
from dragoman.kit.jsontypes import JsonValue


@dataclass(frozen=True, slots=True)
class AgentVersion:
    """What an agent was set to from a moment on, by whom; ``at`` in milliseconds. Secrets are not kept."""

    number: int
    name: str
    spec: AgentSpec
    extensions: Mapping[str, JsonValue]
    changed_by: str
    at: int
