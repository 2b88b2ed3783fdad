"""Stored agents and agents ready to run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from dragoman.domain.agents.spec import AgentSpec
from dragoman.kit.jsontypes import JsonValue

AgentKind = Literal["gateway", "persona", "voice"]


@dataclass(frozen=True, slots=True)
class StoredAgent:
    """An agent as it is kept. ``extensions`` holds, by dialect, keys without a meaning here; ``sealed`` its secrets, encrypted;
    ``sealed_headers``, only while it is stored, what ``AgentVault`` took out of its settings.
    """

    id: str
    organisation_id: str
    owner_id: str
    kind: AgentKind
    name: str
    slug: str
    spec: AgentSpec
    sealed: bytes | None
    extensions: Mapping[str, JsonValue]
    created_at: int
    updated_at: int
    sealed_headers: bytes | None = None


class AgentSummary(NamedTuple):
    """What lists show of an agent; ``endpoint`` None = the platform's models."""

    id: str
    name: str
    slug: str
    model: str
    endpoint: str | None
    created_at: int


@dataclass(frozen=True, slots=True)
class AgentSecrets:
    """What an agent needs and nobody may read back."""

    endpoint_key: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class ResolvedAgent:
    """An agent ready to run: a stored one, or a bare model of the catalogue (``id`` None)."""

    id: str | None
    name: str
    spec: AgentSpec
    endpoint_key: str | None = None
