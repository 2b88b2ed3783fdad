"""Carrying out the tool calls of one turn: checked, asked about, bounded, recorded, side by side where they may be."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

import orjson
import structlog

from dragoman.domain.agents.arguments import ArgumentReader
from dragoman.domain.agents.consent import Consent
from dragoman.domain.agents.hooks import Called
from dragoman.domain.agents.limits import Allowance
from dragoman.domain.agents.toolbox import EXPLANATIONS, GOAL, REASON, Toolbox, without_explanations
from dragoman.domain.agents.traces.recorder import Recorder
from dragoman.domain.messages.events import Event, ToolRun
from dragoman.domain.messages.parts import Message, ToolCall
from dragoman.domain.tools.model import ServerTool, ToolResult
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import DragomanError, Forbidden, InvalidInput
from dragoman.kit.jsontypes import JsonObject, JsonValue
from dragoman.kit.tasks import TaskOwner

log = structlog.get_logger(__name__)

_WAITING_EVENTS = 256
_CHANGING = ("write", "execute")
_STOPPED = "Error: this call was not allowed; it has not been carried out."

# Asks the agent's worker about a call.
ToolHook = Callable[[str, JsonObject], Awaitable[Called]]
Permit = Callable[[str, str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Done:
    """A call that has ended. ``call`` has its arguments as they were used, ``messages`` are to follow all results."""

    place: int
    call: ToolCall
    result: ToolResult
    messages: tuple[Message, ...] = ()


@dataclass(slots=True)
class _Call:
    """One call on its way."""

    place: int
    wish: ToolCall
    tool: ServerTool | None
    problem: str | None
    arguments: JsonObject = field(default_factory=dict[str, JsonValue])
    own: JsonObject = field(default_factory=dict[str, JsonValue])
    mended: bool = False
    note: str = ""
    failed: bool = True
    made: bool = False
    messages: tuple[Message, ...] = ()

    @property
    def key(self) -> tuple[str, bytes]:
        """Equal for calls that are the same."""
        return self.wish.name, orjson.dumps(self.own, option=orjson.OPT_SORT_KEYS)

    @property
    def changes(self) -> bool:
        """Whether it may change something that other calls see."""
        return self.tool is not None and self.tool.risk in _CHANGING


class Calls:
    """Carries out the server's calls of one run.

    Args:
        consent: asks people; None where nothing needs to be allowed.
        hook: asks the agent's worker; None where there is none.
        permit: raises what forbids a tool of that name and risk for what was used so far; None forbids nothing.
    """

    def __init__(
        self,
        toolbox: Toolbox,
        reader: ArgumentReader,
        allowance: Allowance,
        recorder: Recorder,
        *,
        consent: Consent | None = None,
        hook: ToolHook | None = None,
        permit: Permit | None = None,
    ) -> None:
        self._toolbox = toolbox
        self._reader = reader
        self._allowance = allowance
        self._recorder = recorder
        self._consent = consent
        self._hook = hook
        self._permit = permit
        self._waited: set[str] = set()
        self._slots = asyncio.Semaphore(allowance.limits.parallel)

    async def carried_out(self, wishes: Sequence[ToolCall]) -> AsyncGenerator[Event | Done]:
        """What happens while the calls are carried out, a ``Done`` for each.

        Calls that may change something run one after the other, in their order; all others beside them. A failure is a
        result that the model can read.
        """
        events: asyncio.Queue[Event | Done] = asyncio.Queue(_WAITING_EVENTS)
        calls = [await self._read(place, wish) for place, wish in enumerate(wishes)]
        changing = [call for call in calls if call.changes]
        tasks = TaskOwner()
        try:
            for chain in (*([call] for call in calls if not call.changes), changing):
                if chain:
                    tasks.start(self._chain(chain, events), name="agents.tool")
            left = len(calls)
            while left:
                event = await events.get()
                left -= isinstance(event, Done)
                yield event
        finally:
            await tasks.close()

    async def _read(self, place: int, wish: ToolCall) -> _Call:
        try:
            tool = self._toolbox.find(wish.name)
        except InvalidInput as error:
            return _Call(place, wish, None, error.detail)
        read = await self._reader.read(tool.spec, wish.arguments, besides=EXPLANATIONS)
        problem = read.problem
        if place >= self._allowance.limits.calls_a_turn:
            problem = f"at most {self._allowance.limits.calls_a_turn} calls are carried out in one turn."
        return _Call(place, wish, tool, problem, read.value, without_explanations(read.value), read.mended)

    async def _chain(self, calls: Sequence[_Call], events: asyncio.Queue[Event | Done]) -> None:
        for call in calls:
            try:
                await self._one(call, events)
            except Exception as error:
                # Nothing that goes wrong around one call may end the answer.
                log.exception("tool.crashed", tool=call.wish.name, error=type(error).__name__)
                await self._end(
                    call, self._begun(call), ToolResult("Error: the tool failed."), events, now_ms()
                )

    def _begun(self, call: _Call) -> ToolRun:
        return ToolRun(
            call.wish.id,
            call.wish.name,
            orjson.dumps(call.own).decode(),
            "created",
            reason=_text(call.arguments.get(REASON)),
            goal=_text(call.arguments.get(GOAL)),
        )

    async def _one(self, call: _Call, events: asyncio.Queue[Event | Done]) -> None:
        begun, started_at = self._begun(call), now_ms()
        await events.put(begun)
        result = await self._refused(call, begun, events)
        if result is None:
            await events.put(replace(begun, state="running"))
            assert call.tool is not None
            result = await self._result(call, call.tool)
        await self._end(call, begun, result, events, started_at)

    async def _end(
        self,
        call: _Call,
        begun: ToolRun,
        result: ToolResult,
        events: asyncio.Queue[Event | Done],
        started_at: int,
    ) -> None:
        result = replace(result, text=self._cut(result.text))
        state = "failed" if call.failed else "completed"
        if call.made:
            self._allowance.resulted(call.key, result.text, changes=call.changes)
        self._recorder.step(
            "tool",
            call.wish.name,
            started_at=started_at,
            state=state,
            arguments=begun.arguments if call.problem is None else call.wish.arguments,
            size=len(result.text.encode("utf-8", "surrogatepass")),
            note="; ".join(filter(None, ("arguments mended" if call.mended else "", call.note))),
        )
        ended = replace(
            begun,
            state=state,
            result=result.text,
            duration_ms=max(0, now_ms() - started_at),
        )
        await events.put(ended)
        used = replace(call.wish, arguments=orjson.dumps(call.arguments).decode())
        await events.put(Done(call.place, used, result, call.messages))

    async def _refused(
        self, call: _Call, begun: ToolRun, events: asyncio.Queue[Event | Done]
    ) -> ToolResult | None:
        """The result where the tool is not to be called; None when it is."""
        if call.problem is not None or call.tool is None:
            call.note = "refused"
            self._allowance.repeats((call.wish.name, call.wish.arguments))
            return ToolResult(f"Error: {call.problem}")
        if self._allowance.repeats(call.key):
            call.note = "refused as a repetition"
            return ToolResult(
                "Error: you have made this same call several times with the same result; it was not made again. Use "
                "what you have, or do something else."
            )
        if (result := await self._forbidden(call, call.tool)) is not None:
            return result
        if (result := await self._hooked(call)) is not None:
            return result
        if self._consent is not None and self._consent.needed(call.tool):
            return await self._asked(call, call.tool, self._consent, begun, events)
        return None

    async def _forbidden(self, call: _Call, tool: ServerTool) -> ToolResult | None:
        if self._permit is None:
            return None
        try:
            await self._permit(call.wish.name, tool.risk)
        except Forbidden as error:
            call.note = error.code
            return ToolResult(f"Error: {error.detail}")
        return None

    async def _hooked(self, call: _Call) -> ToolResult | None:
        if self._hook is None:
            return None
        started_at = now_ms()
        said = await self._hook(call.wish.name, call.own)
        state = "rejected" if not said.allowed else "continued" if said.result is None else "answered"
        self._recorder.step("worker", "tool.called", started_at=started_at, state=state, note=said.reason)
        if not said.allowed:
            log.info("worker.stopped_tool", tool=call.wish.name, reason=said.reason)
            call.note = "stopped by the worker"
            return ToolResult(_STOPPED)
        call.messages = said.messages
        if said.result is None:
            return None
        call.note, call.failed = "answered by the worker", False
        return ToolResult(said.result)

    async def _asked(
        self,
        call: _Call,
        tool: ServerTool,
        consent: Consent,
        begun: ToolRun,
        events: asyncio.Queue[Event | Done],
    ) -> ToolResult | None:
        started, started_at = time.monotonic(), now_ms()
        approval = await consent.ask(tool, call.own, begun.reason)
        if approval.state == "pending" and approval.id not in self._waited:
            self._waited.add(approval.id)
            await events.put(replace(begun, state="waiting"))
            approval = await consent.decided(approval)
            self._allowance.waited(time.monotonic() - started)
        refusal = await consent.refusal(approval)
        self._recorder.step(
            "approval",
            call.wish.name,
            started_at=started_at,
            state=approval.state,
            note=f"approval {approval.id}",
        )
        if refusal is None:
            return None
        call.note = f"approval {approval.state}"
        return ToolResult(refusal)

    async def _result(self, call: _Call, tool: ServerTool) -> ToolResult:
        call.made = True
        seconds = min(self._allowance.limits.tool_seconds, self._allowance.seconds)
        try:
            async with self._slots, asyncio.timeout(seconds):
                result = await tool.call(call.own)
            call.failed = False
            return result
        except DragomanError as error:
            log.info("tool.failed", tool=call.wish.name, code=error.code)
            call.note = error.code
            return ToolResult(f"Error: {error.detail}")
        except TimeoutError:
            log.warning("tool.timeout", tool=call.wish.name)
            call.note = "timeout"
            return ToolResult(f"Error: the tool did not answer within {seconds:.0f} seconds.")
        except Exception as error:
            log.exception("tool.crashed", tool=call.wish.name, error=type(error).__name__)
            call.note = type(error).__name__
            return ToolResult("Error: the tool failed.")

    def _cut(self, text: str) -> str:
        kept = self._allowance.taken(len(text))
        if kept == len(text):
            return text
        return f"{text[:kept]}\n[cut here: {kept} of {len(text)} characters are shown]"


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) and value else None
