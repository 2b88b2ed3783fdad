"""Settings of agents at work: bounds of a run, approvals, traces."""

from typing import Literal

from pydantic import Field

from dragoman.settings.groups import Group


class AgentsSettings(Group):
    """Agents at work with tools."""

    max_rounds: int = Field(default=25, ge=1, le=1000, description="Most turns of the model for one answer.")
    tool_seconds: float = Field(default=120, gt=0, le=3600, description="Longest time for one tool call.")
    run_seconds: float = Field(
        default=900, gt=0, le=86_400, description="Longest time for one answer, waiting for people apart."
    )
    tool_characters: int = Field(
        default=60_000,
        ge=100,
        le=10_000_000,
        description="Most characters of one tool's result that a model gets.",
    )
    run_characters: int = Field(
        default=600_000, ge=100, le=100_000_000, description="Most characters of all results of one answer."
    )
    run_usd: float = Field(
        default=0,
        ge=0,
        le=1_000_000,
        description="Cost at which an answer calls no more tools; 0 is no bound.",
    )
    parallel_tools: int = Field(default=8, ge=1, le=64, description="Tool calls carried out side by side.")
    approve_tools: list[str] = Field(
        default_factory=list,
        description="Names, or patterns such as crm_*, of tools that a person must allow for every agent.",
    )
    approve_risks: list[Literal["read", "write", "outside", "execute"]] = Field(
        default_factory=list, description="Kinds of tools that a person must allow for every agent."
    )
    approval_days: float = Field(
        default=7, gt=0, le=90, description="How long a call can be decided, and then be carried out."
    )
    approval_stream_seconds: float = Field(
        default=120, ge=0, le=3600, description="How long a streamed answer waits for a person."
    )
    approval_whole_seconds: float = Field(
        default=20, ge=0, le=3600, description="How long an answer that comes whole waits for a person."
    )
    trace_days: int = Field(
        default=30, ge=0, le=3650, description="How long the steps of an answer can be read; 0 keeps none."
    )
