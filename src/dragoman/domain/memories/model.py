"""A memory."""

from dataclasses import dataclass
from typing import Literal

MemoryFormat = Literal["text", "date_reminder"]


@dataclass(frozen=True, slots=True)
class Memory:
    """Something to remember of a person. Times are in milliseconds; ``expires_at`` None = never.

    ``labels``: those that the conversation bore in which it was written.
    """

    id: str
    external_user_id: str
    person: str
    agent_id: str | None
    format: MemoryFormat
    content: str
    created_at: int
    updated_at: int
    expires_at: int | None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MemoryFilter:
    """Which memories; all conditions must hold. ``text`` is contained in content or person, or is the id."""

    text: str | None = None
    format: MemoryFormat | None = None
    person: str | None = None
    agent_id: str | None = None
    limit: int = 10_000
    offset: int = 0


def person_of(external_user_id: str) -> str:
    """The human behind an external id: what stands before the first ``@``."""
    return external_user_id.partition("@")[0].strip()
