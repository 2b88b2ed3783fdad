"""Tools that are commands of the shell: called from inside a program, under the same rules as calls of the model itself."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import orjson

from dragoman.domain.agents.consent import Consent
from dragoman.domain.agents.hooks import Called
from dragoman.domain.agents.traces.recorder import Recorder
from dragoman.domain.messages.parts import ToolSpec
from dragoman.domain.tools.model import Risk, ServerTool, ToolResult
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import Forbidden, InvalidInput
from dragoman.kit.jsontypes import JsonObject

_WHERE = "in the shell"


@dataclass(frozen=True, slots=True)
class MovedRules:
    """What holds for such calls in one run.

    ``sees`` says whether the model may use the tool of that name now; ``hook`` asks the agent's worker; ``consent`` asks people;
    ``permit`` raises what labels forbid.
    """

    sees: Callable[[str], bool]
    recorder: Recorder
    hook: Callable[[str, JsonObject], Awaitable[Called]] | None
    consent: Consent | None
    permit: Callable[[str, str], Awaitable[None]]

    async def carry_out(self, tool: ServerTool, arguments: JsonObject) -> ToolResult:
        """The tool's result, once it may be called.

        Raises:
            InvalidInput: the model does not see the tool now.
            Forbidden: the worker, a person or a label does not allow the call.
            DragomanError: the tool failed.
        """
        name = tool.spec.name
        if not self.sees(name):
            raise InvalidInput("This command is not available now.", code="unknown_tool")
        await self.permit(name, tool.risk)
        answer = await self._hooked(name, arguments)
        if answer is not None:
            return ToolResult(answer)
        await self._allowed(tool, arguments)
        return await self._recorded(tool, arguments)

    async def _hooked(self, name: str, arguments: JsonObject) -> str | None:
        if self.hook is None:
            return None
        started_at = now_ms()
        said = await self.hook(name, arguments)
        state = "rejected" if not said.allowed else "continued" if said.result is None else "answered"
        self.recorder.step("worker", "tool.called", started_at=started_at, state=state, note=said.reason)
        if not said.allowed:
            raise Forbidden("This call was not allowed; it has not been carried out.", code="worker_rejected")
        return said.result

    async def _allowed(self, tool: ServerTool, arguments: JsonObject) -> None:
        if self.consent is None or not self.consent.needed(tool):
            return
        started_at = now_ms()
        approval = await self.consent.ask(tool, arguments, None)
        if approval.state == "pending":
            approval = await self.consent.decided(approval)
        refusal = await self.consent.refusal(approval)
        self.recorder.step(
            "approval",
            tool.spec.name,
            started_at=started_at,
            state=approval.state,
            note=f"approval {approval.id}",
        )
        if refusal is not None:
            raise Forbidden(refusal, code="approval_missing")

    async def _recorded(self, tool: ServerTool, arguments: JsonObject) -> ToolResult:
        started_at, state, size = now_ms(), "failed", 0
        try:
            result = await tool.call(arguments)
            state, size = "completed", len(result.text.encode("utf-8", "surrogatepass"))
            return result
        finally:
            self.recorder.step(
                "tool",
                tool.spec.name,
                started_at=started_at,
                state=state,
                arguments=orjson.dumps(arguments).decode(),
                size=size,
                note=_WHERE,
            )


@dataclass(slots=True)
class Overseer:
    """Holds the rules of a run, which are known only after its tools."""

    rules: MovedRules | None = None


@dataclass(frozen=True, slots=True)
class MovedTool:
    """A tool in the shell. Before its run has rules it is never called."""

    tool: ServerTool
    overseer: Overseer

    @property
    def spec(self) -> ToolSpec:
        """The tool as a command takes it."""
        return self.tool.spec

    @property
    def owner(self) -> str:
        """Where it comes from."""
        return self.tool.owner

    @property
    def risk(self) -> Risk:
        """What it can do to the world."""
        return self.tool.risk

    async def call(self, arguments: JsonObject) -> ToolResult:
        """Carries it out under the rules.

        Raises:
            DragomanError: it may not be called, or failed.
        """
        rules = self.overseer.rules
        if rules is None:
            raise Forbidden("This command is not available now.")
        return await rules.carry_out(self.tool, arguments)
