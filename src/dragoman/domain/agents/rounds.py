"""One whole answer: the model and the server's tools in turn, until the model has answered or a bound is reached."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

import structlog

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.agents.calls import Calls, Done
from dragoman.domain.agents.limits import Allowance, Bound, reason_of
from dragoman.domain.agents.outcome import turns_of
from dragoman.domain.agents.pending.service import Hidden, PendingResults
from dragoman.domain.agents.prepare import Prepared
from dragoman.domain.agents.structured import added
from dragoman.domain.agents.traces.recorder import Recorder
from dragoman.domain.agents.turns import ModelTurns
from dragoman.domain.messages.events import (
    Attached,
    CitationsFound,
    Event,
    Finished,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from dragoman.domain.messages.fold import Answer, Folder
from dragoman.domain.messages.parts import Message, TextPart, ToolCall
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import DeadlineExceeded

log = structlog.get_logger(__name__)

_UNFINISHED = "I could not finish this: {reason}."


@dataclass(frozen=True, slots=True)
class Rounds:
    """Answers for one run. Hidden tool results belong to ``caller`` and ``agent``; ``earlier`` is what all its tools did."""

    prepared: Prepared
    pending: PendingResults
    caller: Caller
    agent: str
    calls: Calls
    allowance: Allowance
    recorder: Recorder
    turns: ModelTurns
    earlier: list[Message] = field(default_factory=list[Message])

    async def answer(self, further: tuple[Message, ...] = ()) -> AsyncGenerator[Event]:
        """The events of one answer to the prepared messages and these behind them.

        A bound that is reached takes the tools away: the model answers with what it has, and the run says how it ended.

        Raises:
            DragomanError: the model failed.
        """
        progress = _Progress()
        while not progress.over:
            progress.number += 1
            self.recorder.round += 1
            async with aclosing(self._round(further, progress)) as events:
                async for event in events:
                    yield event

    async def _round(self, further: tuple[Message, ...], progress: "_Progress") -> AsyncGenerator[Event]:
        folder = Folder()
        async with aclosing(self._heard(further, progress, folder)) as events:
            async for event in events:
                yield event
        if progress.over:
            return
        answer = folder.answer()
        progress.usage = added(progress.usage, answer.usage)
        hidden, shown = self._sorted(answer.tool_calls)
        if progress.bound is not None:
            progress.cut_off, hidden = bool(hidden), []
        if hidden:
            done: list[Done] = []
            async for event in self._carried_out(hidden, done):
                yield event
            done.sort(key=lambda one: one.place)
            turns = (_turn(answer, [one.call for one in done]), *self._results(done))
            progress.own += turns
            self.earlier.extend(turns)
        if shown:
            await self._keep(progress.own, hidden, shown)
        for event in self._decided(answer, hidden, shown, progress):
            yield event

    async def _heard(
        self, further: tuple[Message, ...], progress: "_Progress", folder: Folder
    ) -> AsyncGenerator[Event]:
        """The model's turn; its last event stays in the folder."""
        before = self.earlier[: len(self.earlier) - len(progress.own)]
        try:
            async with aclosing(self._turn((*before, *further, *progress.own), progress)) as events:
                async for event in events:
                    folder.add(event)
                    progress.said = progress.said or isinstance(event, TextDelta)
                    if not self._held_back(event):
                        yield event
        except DeadlineExceeded:
            if progress.number == 1:
                raise
            for event in self._unfinished(progress.bound or "time", progress):
                yield event

    def _decided(
        self, answer: Answer, hidden: Sequence[ToolCall], shown: Sequence[ToolCall], progress: "_Progress"
    ) -> list[Event]:
        """What a turn leads to: the end of the answer with its events, or nothing and another turn."""
        if shown or not (hidden or progress.cut_off):
            progress.over = True
            return self._last_events(answer, shown, progress)
        if progress.bound is not None:
            return self._unfinished(progress.bound, progress)
        progress.bound = self.allowance.reached(progress.number)
        return self._unfinished("cost", progress) if progress.bound == "cost" else []

    def _sorted(self, wishes: Sequence[ToolCall]) -> tuple[list[ToolCall], list[ToolCall]]:
        """The calls for the server and those for the caller. Where the server has tools, unknown ones are its to refuse."""
        toolbox, choice = self.prepared.toolbox, self.prepared.call.tool_choice
        if choice is not None and choice.mode == "none":
            # A model that calls all the same is not let: the server's tools stay untouched.
            wishes = [wish for wish in wishes if wish.name not in toolbox]
            return [], wishes
        callers = {tool.name for tool in self.prepared.callers}
        hidden = [wish for wish in wishes if wish.name in toolbox or (toolbox and wish.name not in callers)]
        return hidden, [wish for wish in wishes if wish not in hidden]

    def _held_back(self, event: Event) -> bool:
        # Whose tool a call is shows only when the turn is whole.
        return isinstance(event, Finished) or (
            bool(self.prepared.toolbox) and isinstance(event, ToolCallDelta)
        )

    async def _turn(self, behind: tuple[Message, ...], progress: "_Progress") -> AsyncGenerator[Event]:
        """One answer of the model, taken down."""
        started_at, usage, state = now_ms(), Usage(), "failed"
        try:
            async with aclosing(self.turns.events(behind, progress.number, progress.bound)) as events:
                async for event in events:
                    if isinstance(event, Finished):
                        usage, state = event.usage, "completed"
                        self.recorder.usage = added(self.recorder.usage, usage)
                    yield event
        finally:
            name = self.prepared.model.name
            self.recorder.step("model", name, started_at=started_at, usage=usage, state=state)

    async def _carried_out(self, wishes: Sequence[ToolCall], done: list[Done]) -> AsyncGenerator[Event]:
        async with aclosing(self.calls.carried_out(wishes)) as steps:
            async for step in steps:
                if not isinstance(step, Done):
                    yield step
                    continue
                done.append(step)
                if step.result.citations:
                    yield CitationsFound(step.result.citations)
                if step.result.attachments:
                    yield Attached(step.result.attachments, step.call.name)

    def _results(self, done: Sequence[Done]) -> list[Message]:
        return turns_of(done, media=self.prepared.takes_media)

    async def _keep(
        self, own: Sequence[Message], hidden: Sequence[ToolCall], shown: Sequence[ToolCall]
    ) -> None:
        """Keeps what the caller does not see of the conversation until it comes back with its results."""
        if not own:
            return
        if hidden:
            # The last turn called tools of both sides: it is the caller's turn that is added to.
            last = max(place for place, turn in enumerate(own) if turn.tool_calls)
            kept = Hidden(tuple(own[:last]), own[last].tool_calls, tuple(own[last + 1 :]))
        else:
            kept = Hidden(tuple(own), (), ())
        await self.pending.keep(self.caller, self.agent, shown, kept)

    def _last_events(self, answer: Answer, shown: Sequence[ToolCall], progress: "_Progress") -> list[Event]:
        self.recorder.ending = progress.bound or ("client_tools" if shown else "answered")
        told: list[Event] = []
        if self.prepared.toolbox:
            told += [
                ToolCallDelta(index, call.id, call.name, call.arguments) for index, call in enumerate(shown)
            ]
        reason = answer.finish_reason
        if reason in ("stop", "tool_calls"):
            # Some providers say the one and mean the other.
            reason = "tool_calls" if shown else "stop"
        told.append(Finished(reason, progress.usage, answer.model))
        return told

    def _unfinished(self, bound: Bound, progress: "_Progress") -> list[Event]:
        progress.over = True
        self.recorder.ending = bound
        log.info("agents.bound_reached", bound=bound)
        told: list[Event] = [] if progress.said else [TextDelta(_UNFINISHED.format(reason=reason_of(bound)))]
        return [*told, Finished("length", progress.usage, self.prepared.model.name)]


@dataclass(slots=True)
class _Progress:
    """How far one answer is. ``own``: the turns of its tools; ``cut_off``: it called a tool when none was left to call."""

    own: list[Message] = field(default_factory=list[Message])
    usage: Usage = field(default_factory=Usage)
    said: bool = False
    bound: Bound | None = None
    number: int = 0
    cut_off: bool = False
    over: bool = False


def _turn(answer: Answer, calls: Sequence[ToolCall]) -> Message:
    parts = (TextPart(answer.text),) if answer.text else ()
    return Message("assistant", parts, tool_calls=tuple(calls), reasoning=answer.reasoning or None)
