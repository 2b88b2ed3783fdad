"""Folding a stream of events into the whole answer."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import assert_never

from dragoman.domain.messages.citations import Citation
from dragoman.domain.messages.events import (
    Attached,
    CitationsFound,
    Event,
    Finished,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolRun,
    Usage,
)
from dragoman.domain.messages.parts import Part, ToolCall


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer: what folding its stream gives. ``tool_runs`` are those that have ended, ``attachments`` what they made."""

    text: str
    reasoning: str
    tool_calls: tuple[ToolCall, ...]
    citations: tuple[Citation, ...]
    finish_reason: FinishReason
    usage: Usage
    model: str
    tool_runs: tuple[ToolRun, ...] = ()
    attachments: tuple[Part, ...] = ()


@dataclass(slots=True)
class _Call:
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list[str])


class Folder:
    """Takes events one by one; ``answer()`` after the last is the whole."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: dict[int, _Call] = {}
        self._citations: tuple[Citation, ...] = ()
        self._runs: list[ToolRun] = []
        self._attached: list[Part] = []
        self._finished: Finished | None = None

    def add(self, event: Event) -> None:
        """Takes the next event."""
        match event:
            case TextDelta(text):
                self._text.append(text)
            case ReasoningDelta(text):
                self._reasoning.append(text)
            case ToolCallDelta():
                call = self._calls.setdefault(event.index, _Call())
                call.id = event.id or call.id
                call.name = event.name or call.name
                call.arguments.append(event.arguments)
            case ToolRun():
                if event.state in ("completed", "failed"):
                    self._runs.append(event)
            case Attached(parts):
                self._attached.extend(parts)
            case CitationsFound(citations):
                self._citations = citations
            case Finished():
                self._finished = event
            case _:
                assert_never(event)

    def answer(self) -> Answer:
        """The whole answer.

        Raises:
            RuntimeError: the stream had no ``Finished``.
        """
        if self._finished is None:
            raise RuntimeError("the stream ended without Finished")
        calls = tuple(
            ToolCall(call.id, call.name, "".join(call.arguments)) for _, call in sorted(self._calls.items())
        )
        return Answer(
            text="".join(self._text),
            reasoning="".join(self._reasoning),
            tool_calls=calls,
            citations=self._citations,
            finish_reason=self._finished.reason,
            usage=self._finished.usage,
            model=self._finished.model,
            tool_runs=tuple(self._runs),
            attachments=tuple(self._attached),
        )


def fold(events: Iterable[Event]) -> Answer:
    """The whole answer of a finished stream."""
    folder = Folder()
    for event in events:
        folder.add(event)
    return folder.answer()


async def fold_stream(events: AsyncIterator[Event]) -> Answer:
    """The whole answer of a live stream."""
    folder = Folder()
    async for event in events:
        folder.add(event)
    return folder.answer()
