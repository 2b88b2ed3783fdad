"""One turn of the model in a run: what it is asked now, and its answer with calls read out of its text."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from dragoman.domain.agents.forced import ForcedCall, must_call
from dragoman.domain.agents.ledger import ANSWER_SECONDS, Ledger
from dragoman.domain.agents.limits import Allowance, Bound, reason_of
from dragoman.domain.agents.outcome import DATA_NOTE, forgetting
from dragoman.domain.agents.output import StreamFilter, filtered, filters_of, hides_reasoning
from dragoman.domain.agents.prepare import Prepared
from dragoman.domain.agents.selfcall import PROTOCOL, WrittenCalls, as_text
from dragoman.domain.agents.written import SpokenCalls
from dragoman.domain.inference.healing import Healer
from dragoman.domain.inference.ports import ChatRequest, ToolChoice
from dragoman.domain.messages.events import Event
from dragoman.domain.messages.parts import Message, TextPart

_LAST_ANSWER_SECONDS = 120.0
_NO_MORE_TOOLS = (
    "No further tool can be called, because {reason}. Answer now with what you have, and say what is missing."
)
_LEFT_OUT = (
    "The tools of these could not be reached and are missing now: {owners}. Where the answer would need them, say so; "
    "never make up what they would have given."
)


@dataclass(frozen=True, slots=True)
class ModelTurns:
    """Asks the model of one run."""

    prepared: Prepared
    ledger: Ledger
    allowance: Allowance
    healer: Healer

    async def events(
        self, behind: tuple[Message, ...], number: int, bound: Bound | None
    ) -> AsyncGenerator[Event]:
        """The answer to the prepared messages and those behind them; with a ``bound`` the model gets no tools of the server.

        Raises:
            DragomanError: the model failed.
        """
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
        if left_out := self.ledger.report.left_out:
            texts.append(_LEFT_OUT.format(owners=", ".join(one.owner for one in left_out)))
        tools, choice = prepared.offered, call.tool_choice
        if bound is not None:
            texts.append(_NO_MORE_TOOLS.format(reason=reason_of(bound)))
            callers = prepared.callers
            # Providers refuse earlier calls without any tool, so they are only forbidden where the caller has none.
            tools, choice = (callers, None) if callers else (tools, ToolChoice("none"))
        elif number > 1 and choice is not None and choice.mode in ("required", "function"):
            choice = None
        return replace(call, messages=with_system_text(turns, texts), tools=tools, tool_choice=choice)

    async def _skills(self) -> str | None:
        book = self.prepared.skills
        opened = await book.instructions()
        return "\n\n".join(text for text in (book.listing, opened) if text) or None


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
