"""A run of an agent as it is kept for those who want to know what it did."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

StepKind: TypeAlias = Literal["model", "tool", "worker", "approval", "decision"]
# How a run came to its end; the five bounds are those of ``limits.Bound``.
Ending: TypeAlias = Literal[
    "answered",
    "client_tools",
    "withheld",
    "rejected",
    "failed",
    "cancelled",
    "rounds",
    "time",
    "output",
    "cost",
    "repetition",
]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a run did. Times are in milliseconds, ``bytes`` is the size of what came of it.

    ``state`` is a word (``completed``, ``failed``, ``approved``), ``note`` a sentence for people.
    """

    kind: StepKind
    name: str
    round: int
    started_at: int
    duration_ms: int = 0
    state: str = "completed"
    arguments: str = ""
    bytes: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class RunTrace:
    """A run that has ended. ``person`` is the end user it was for."""

    id: str
    agent_id: str | None
    agent_name: str
    model: str
    dialect: str
    origin: str
    conversation_id: str | None
    person: str | None
    started_at: int
    ended_at: int
    ended: Ending
    rounds: int
    prompt_tokens: int
    completion_tokens: int
    cost_micro_usd: int
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class TraceFilter:
    """Which runs; all conditions must hold."""

    agent_id: str | None = None
    person: str | None = None
    ended: str | None = None
    limit: int = 100
    offset: int = 0
