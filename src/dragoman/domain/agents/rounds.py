"""One whole answer: the model and the server's tools in turn, until the model has answered."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from dragoman.domain.agents.ledger import Ledger
from dragoman.domain.agents.output import filtered, filters_of, hides_reasoning
from dragoman.domain.agents.pending import PendingResults
from dragoman.domain.agents.prepare import Prepared
from dragoman.domain.agents.selfcall import PROTOCOL, WrittenCalls, as_text
from dragoman.domain.agents.structured import added
from dragoman.domain.agents.toolbox import Toolbox
from dragoman.domain.inference.ports import ChatRequest
from dragoman.domain.messages.events import CitationsFound, Event, Finished, ToolCallDelta, Usage
from dragoman.domain.messages.fold import Answer, Folder
from dragoman.domain.messages.parts import Message, TextPart, ToolCall
from dragoman.domain.tools.model import ToolResult

_MOST_ROUNDS = 25


@dataclass(frozen=True, slots=True)
class Rounds:
    """Answers for one run. ``owner`` tells whose hidden tool results are whose."""

    prepared: Prepared
    ledger: Ledger
    pending: PendingResults
    owner: str

    async def answer(self, further: tuple[Message, ...] = ()) -> AsyncGenerator[Event]:
        """The events of one answer to the prepared messages and these behind them.

        Raises:
            DragomanError: the model failed.
        """
        messages = (*self.prepared.call.messages, *further)
        usage = Usage()
        for number in range(1, _MOST_ROUNDS + 1):
            folder = Folder()
            async with aclosing(self._ask(messages, number, last=number == _MOST_ROUNDS)) as events:
                async for event in events:
                    folder.add(event)
                    if not self._held_back(event):
                        yield event
            answer = folder.answer()
            usage = added(usage, answer.usage)
            toolbox = self.prepared.toolbox
            hidden = [call for call in answer.tool_calls if call.name in toolbox]
            shown = [call for call in answer.tool_calls if call.name not in toolbox]
            results: list[Message] = []
            for call in hidden:
                async for event in self._carried_out(call, results):
                    yield event
            if shown and hidden:
                self.pending.keep(self.owner, shown, hidden, results)
            if shown or not hidden:
                for event in _last_events(answer, shown, usage, held=bool(toolbox)):
                    yield event
                return
            messages = (*messages, _turn(answer, hidden), *results)
        # Offered no tool of the server any more, the model called one all the same.
        yield Finished("length", usage, self.prepared.model.name)

    def _held_back(self, event: Event) -> bool:
        # Whose tool a call is shows only when the turn is whole.
        return isinstance(event, Finished) or (
            bool(self.prepared.toolbox) and isinstance(event, ToolCallDelta)
        )

    async def _ask(self, messages: tuple[Message, ...], number: int, *, last: bool) -> AsyncGenerator[Event]:
        spec, call = self.prepared.spec, self.prepared.call
        prefill = spec.prefill if number == 1 and "no_assistant_prefilling" not in spec.flags else None
        asked = _round_request(call, self.prepared.toolbox, number, last=last)
        if prefill:
            messages = (*messages, Message.of_text("assistant", prefill))
        filters = filters_of(
            spec.flags,
            prefill=prefill,
            include_prefill=spec.include_prefill,
            hide_reasoning=hides_reasoning(spec.flags),
        )
        asked = replace(asked, messages=messages)
        if spec.tools.protocol == PROTOCOL:
            asked = as_text(asked)
            filters.append(WrittenCalls())
        stream = self.ledger.stream(self.prepared.model, asked)
        async with aclosing(stream), aclosing(filtered(stream, filters)) as events:
            async for event in events:
                yield event

    async def _carried_out(self, call: ToolCall, results: list[Message]) -> AsyncGenerator[Event]:
        async for step in self.prepared.toolbox.run(call):
            if not isinstance(step, ToolResult):
                yield step
                continue
            results.append(Message("tool", (TextPart(step.text),), tool_call_id=call.id, name=call.name))
            if step.citations:
                yield CitationsFound(step.citations)


def _round_request(call: ChatRequest, toolbox: Toolbox, number: int, *, last: bool) -> ChatRequest:
    if last:
        # The model must come to an end: it is offered the caller's tools only.
        return replace(call, tools=tuple(tool for tool in call.tools if tool.name not in toolbox))
    if number > 1 and call.tool_choice is not None and call.tool_choice.mode in ("required", "function"):
        return replace(call, tool_choice=None)
    return call


def _turn(answer: Answer, calls: Sequence[ToolCall]) -> Message:
    parts = (TextPart(answer.text),) if answer.text else ()
    return Message("assistant", parts, tool_calls=tuple(calls), reasoning=answer.reasoning or None)


def _last_events(answer: Answer, shown: Sequence[ToolCall], usage: Usage, *, held: bool) -> list[Event]:
    told: list[Event] = []
    if held:
        told += [ToolCallDelta(index, call.id, call.name, call.arguments) for index, call in enumerate(shown)]
    reason = "tool_calls" if shown and answer.finish_reason == "stop" else answer.finish_reason
    told.append(Finished(reason, usage, answer.model))
    return told
