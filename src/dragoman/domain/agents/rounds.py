"""One whole answer: the model and the server's tools in turn, until the model has answered or a bound is reached."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

import structlog

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.agents.calls import Calls, Done
from dragoman.domain.agents.forced import ForcedCall, must_call
from dragoman.domain.agents.ledger import ANSWER_SECONDS, Ledger
from dragoman.domain.agents.limits import Allowance, Bound, reason_of
from dragoman.domain.agents.outcome import DATA_NOTE, forgetting, turns_of
from dragoman.domain.agents.output import StreamFilter, filtered, filters_of, hides_reasoning
from dragoman.domain.agents.pending.service import Hidden, PendingResults
from dragoman.domain.agents.prepare import Prepared
from dragoman.domain.agents.selfcall import PROTOCOL, WrittenCalls, as_text
from dragoman.domain.agents.structured import added
from dragoman.domain.agents.traces.recorder import Recorder
from dragoman.domain.agents.written import SpokenCalls
from dragoman.domain.inference.healing import Healer
from dragoman.domain.inference.ports import ChatRequest, ToolChoice
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

_LAST_ANSWER_SECONDS = 120.0
_NO_MORE_TOOLS = (
    "No further tool can be called, because {reason}. Answer now with what you have, and say what is missing."
)
_UNFINISHED = "I could not finish this: {reason}."


@dataclass(frozen=True, slots=True)
class Rounds:
    """Answers for one run. Hidden tool results belong to ``caller`` and ``agent``; ``earlier`` is what all its tools did."""

    prepared: Prepared
    ledger: Ledger
    pending: PendingResults
    caller: Caller
    agent: str
    calls: Calls
    allowance: Allowance
    recorder: Recorder
    healer: Healer
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
        toolbox = self.prepared.toolbox
        callers = {tool.name for tool in self.prepared.call.tools if self._shown(tool.name)}
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
            async with aclosing(self._ask(behind, progress.number, progress.bound)) as events:
                async for event in events:
                    if isinstance(event, Finished):
                        usage, state = event.usage, "completed"
                        self.recorder.usage = added(self.recorder.usage, usage)
                    yield event
        finally:
            name = self.prepared.model.name
            self.recorder.step("model", name, started_at=started_at, usage=usage, state=state)

    async def _ask(
        self, behind: tuple[Message, ...], number: int, bound: Bound | None
    ) -> AsyncGenerator[Event]:
        prepared, spec = self.prepared, self.prepared.spec
        prefill = spec.prefill if number == 1 and "no_assistant_prefilling" not in spec.flags else None
        asked = await self._request(behind, number, bound)
        if prefill:
            asked = replace(asked, messages=(*asked.messages, Message.of_text("assistant", prefill)))
        filters = filters_of(
            spec.flags,
            prefill=prefill,
            include_prefill=spec.include_prefill,
            hide_reasoning=hides_reasoning(spec.flags),
        )
        written = spec.tools.protocol == PROTOCOL or not prepared.model.profile.tools
        if written and must_call(asked):
            forced = ForcedCall(
                self.ledger, prepared.model, self.healer, native=prepared.model.profile.json_schema
            )
            stream = forced.events(asked)
        else:
            filters += _readers(asked, written=written)
            stream = self.ledger.stream(
                prepared.model, as_text(asked) if written else asked, deadline_seconds=self._seconds(bound)
            )
        async with aclosing(stream), aclosing(filtered(stream, filters)) as events:
            async for event in events:
                yield event

    def _seconds(self, bound: Bound | None) -> float:
        left = _LAST_ANSWER_SECONDS if bound is not None else self.allowance.seconds
        return min(ANSWER_SECONDS, max(1.0, left))

    async def _request(self, behind: tuple[Message, ...], number: int, bound: Bound | None) -> ChatRequest:
        prepared = self.prepared
        call = prepared.call
        turns = forgetting((*call.messages, *behind), prepared.spec.tool_context_count)
        texts = [text for text in (await self._skills(),) if text]
        if prepared.toolbox:
            texts.append(DATA_NOTE)
        tools = (*prepared.toolbox.specs(), *(tool for tool in call.tools if self._shown(tool.name)))
        choice = call.tool_choice
        if bound is not None:
            texts.append(_NO_MORE_TOOLS.format(reason=reason_of(bound)))
            callers = tuple(tool for tool in tools if tool.name not in prepared.toolbox)
            # Providers refuse earlier calls without any tool, so they are only forbidden where the caller has none.
            tools, choice = (callers, None) if callers else (tools, ToolChoice("none"))
        elif number > 1 and choice is not None and choice.mode in ("required", "function"):
            choice = None
        return replace(call, messages=with_system_text(turns, texts), tools=tools, tool_choice=choice)

    def _shown(self, name: str) -> bool:
        return name in self.prepared.own_names or self.prepared.toolbox.sees(name)

    async def _skills(self) -> str | None:
        book = self.prepared.skills
        opened = await book.instructions()
        return "\n\n".join(text for text in (book.listing, opened) if text) or None

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
            last = max(place for place, turn in enumerate(own) if turn.role == "assistant")
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
        reason = "tool_calls" if shown and answer.finish_reason == "stop" else answer.finish_reason
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


def with_system_text(turns: Sequence[Message], texts: Sequence[str]) -> tuple[Message, ...]:
    """The turns with further system text behind the one there is."""
    if not texts:
        return tuple(turns)
    if turns and turns[0].role == "system":
        whole = "\n\n".join((turns[0].text, *texts))
        return (replace(turns[0], parts=(TextPart(whole),)), *turns[1:])
    return (Message.of_text("system", "\n\n".join(texts)), *turns)


def _readers(asked: ChatRequest, *, written: bool) -> list[StreamFilter]:
    if written:
        return [WrittenCalls()]
    choice = asked.tool_choice
    if asked.tools and not (choice is not None and choice.mode == "none"):
        return [SpokenCalls({tool.name for tool in asked.tools})]
    return []


def _turn(answer: Answer, calls: Sequence[ToolCall]) -> Message:
    parts = (TextPart(answer.text),) if answer.text else ()
    return Message("assistant", parts, tool_calls=tuple(calls), reasoning=answer.reasoning or None)
