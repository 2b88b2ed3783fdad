"""A tool call that waits for a person, or was decided by one."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

ApprovalState: TypeAlias = Literal["pending", "approved", "rejected", "used", "expired"]


@dataclass(frozen=True, slots=True)
class Approval:
    """One call. ``call`` is a digest that the same call in the same conversation has again; times are in milliseconds.

    ``used``: it was approved and has been carried out. ``reason`` is the model's own word on why it calls.
    """

    id: str
    call: str
    run_id: str
    agent_id: str | None
    agent_name: str
    person: str | None
    conversation_id: str | None
    tool: str
    risk: str
    arguments: str
    reason: str | None
    state: ApprovalState
    created_at: int
    expires_at: int
    decided_at: int | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class ApprovalFilter:
    """Which calls; all conditions must hold."""

    state: ApprovalState | None = None
    agent_id: str | None = None
    limit: int = 100
    offset: int = 0
