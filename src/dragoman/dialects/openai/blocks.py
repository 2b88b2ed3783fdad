"""The rendering as textual blocks: reasoning, tool runs and answer in one text, told apart by tags."""

from collections.abc import AsyncGenerator, AsyncIterator
from html import escape

from dragoman.domain.messages.events import (
    Event,
    Finished,
    ReasoningDelta,
    TextDelta,
    ToolRun,
)

_OPENINGS = {"think": "<thinking-group><think>", "answer": "<assistant-answer>"}
_CLOSINGS = {"think": "</think></thinking-group>", "answer": "</assistant-answer>"}


async def as_blocks(events: AsyncIterator[Event]) -> AsyncGenerator[Event]:
    """The events with reasoning, text and tool runs as text in blocks."""
    block: str | None = None
    async for event in events:
        wanted = _block_of(event)
        if wanted is None and not isinstance(event, ToolRun | Finished):
            yield event
            continue
        if block is not None and wanted != block:
            yield TextDelta(_CLOSINGS[block] + "\n")
            block = None
        if wanted is not None and block is None:
            yield TextDelta(_OPENINGS[wanted])
            block = wanted
        if isinstance(event, TextDelta | ReasoningDelta):
            yield TextDelta(event.text)
        elif isinstance(event, ToolRun):
            yield event
            if event.state == "created":
                yield TextDelta(_row(event))
        else:
            yield event


def _block_of(event: Event) -> str | None:
    if isinstance(event, ReasoningDelta):
        return "think"
    return "answer" if isinstance(event, TextDelta) else None


def _row(run: ToolRun) -> str:
    name, reason = escape(run.name), escape(run.reason or "")
    return (
        f'<div class="tool-result reason" data-tool-name="{name}"><b>{name}</b><span>{reason}</span></div>\n'
    )
