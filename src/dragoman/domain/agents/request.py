"""What is asked of an agent for one turn, and what a run tells beside its events."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from dragoman.domain.agents.traces.model import Ending
from dragoman.domain.inference.healing import StructuredOutput
from dragoman.domain.inference.multimodal import MediaKind
from dragoman.domain.inference.ports import Sampling, ToolChoice
from dragoman.domain.inference.pricing import Charge
from dragoman.domain.inference.routing import Complexity
from dragoman.domain.labels.handling import Handling
from dragoman.domain.labels.model import Decision
from dragoman.domain.messages.citations import Citation
from dragoman.domain.messages.parts import Message, ToolSpec
from dragoman.domain.tools.spec import BuiltinToolOptions
from dragoman.domain.usage.budgets.limiter import Reserved
from dragoman.kit.ids import uuid7
from dragoman.kit.jsontypes import JsonObject, JsonValue


@dataclass(frozen=True, slots=True)
class RunRequest:
    """One turn asked of an agent. What is given here goes before the agent's own settings; None = not given.

    ``structured`` asks for JSON of a schema, which ``response_format`` may ask the provider for as well.
    ``extra`` goes to any provider, ``provider_settings`` only to one at an address of the agent's own.
    ``sources`` are passages that the caller found for the question; they are given to the model behind those of the agent's
    collections, and numbered on.
    ``reference`` and ``metadata`` are the caller's own words about the turn; ``idempotency_key`` names the
    stored conversation that repeated calls belong to. ``origin`` is where the conversation takes place (``api``, ``chat``,
    a channel), ``conversation_id`` which one it is. ``streamed``: the caller sees the answer as it comes about. ``refusals``:
    whether a refusal by the agent's worker is an error or a polite text. ``public``: anybody may talk there.
    ``speaker``: a provider outside that is given the answer to speak it.
    """

    conversation: tuple[Message, ...]
    sampling: Sampling = field(default_factory=Sampling)
    sources: tuple[Citation, ...] = ()
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: JsonObject | None = None
    structured: StructuredOutput | None = None
    system_prompt: str | None = None
    media_to_text: tuple[MediaKind, ...] | None = None
    builtin_tools: tuple[str, ...] | None = None
    builtin_options: BuiltinToolOptions | None = None
    explain_tools: bool | None = None
    extra: JsonObject = field(default_factory=dict[str, JsonValue])
    provider_settings: JsonObject | None = None
    user: str | None = None
    reference: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    idempotency_key: str | None = None
    origin: str = "api"
    conversation_id: str | None = None
    streamed: bool = False
    refusals: Literal["error", "text"] = "error"
    public: bool = False
    speaker: str | None = None
    dialect: str = "native"
    application: str | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Tools that could not be offered: whose they are, and why."""

    owner: str
    reason: str


@dataclass(slots=True)
class RunReport:
    """What a run found out on its way, filled while its events are read.

    ``run_id`` names the run's trace, ``ended`` how it came to its end. ``routed``: how difficult the request was found,
    where that chose the model. ``withheld``: the categories for which the request was not passed on. ``charges``: priced
    lines of everything that was used. ``warnings``: what the caller ought to know of limits. ``left_out``: tools of the agent
    that it had to do without.
    ``handling`` has the labels, and what was decided for them; ``reserved``: what was of limits;
    ``receipt_id`` names the receipt; ``tried``: models that failed before another answered, and with which code.
    """

    embedding_down: bool = False
    vectors_down: bool = False
    citations: tuple[Citation, ...] = ()
    model: str | None = None
    routed: Complexity | None = None
    run_id: str = field(default_factory=uuid7)
    ended: Ending = "failed"
    withheld: tuple[str, ...] = ()
    handling: Handling | None = None
    reserved: list[Reserved] = field(default_factory=list[Reserved])
    receipt_id: str | None = None
    tried: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    charges: list[Charge] = field(default_factory=list[Charge])
    warnings: list[str] = field(default_factory=list[str])
    left_out: list[LeftOut] = field(default_factory=list[LeftOut])

    def leave_out(self, owner: str, reason: str) -> None:
        """Notes tools that could not be offered."""
        self.left_out.append(LeftOut(owner, reason))

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that bind what was used."""
        return () if self.handling is None else self.handling.labels

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """What was decided for labels."""
        return () if self.handling is None else self.handling.decisions
