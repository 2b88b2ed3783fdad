"""What becomes of a model's stream before a caller sees it: reasoning split off, prefill added, drafts dropped."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from typing import Protocol

from dragoman.domain.messages.events import Event, Finished, ReasoningDelta, TextDelta

_OPEN, _CLOSE = "<think>", "</think>"


class StreamFilter(Protocol):
    """Changes the events of one answer. ``end`` gives what was held back, before the last event."""

    def feed(self, event: Event) -> Iterator[Event]:
        """What the event becomes."""
        ...

    def end(self) -> Iterator[Event]:
        """What was held back."""
        ...


async def filtered(events: AsyncIterator[Event], filters: Sequence[StreamFilter]) -> AsyncGenerator[Event]:
    """The events after all filters, in their order."""
    async for event in events:
        if isinstance(event, Finished):
            for position, one in enumerate(filters):
                for held in one.end():
                    for out in _through(held, filters[position + 1 :]):
                        yield out
            yield event
            return
        for out in _through(event, filters):
            yield out


def _through(event: Event, filters: Sequence[StreamFilter]) -> Iterator[Event]:
    if not filters:
        yield event
        return
    for out in filters[0].feed(event):
        yield from _through(out, filters[1:])


class Thinking:
    """Turns text between ``<think>`` and ``</think>`` into reasoning, wherever the pieces are cut."""

    def __init__(self) -> None:
        self._held = ""
        self._inside = False
        self._after_thinking = False

    def feed(self, event: Event) -> Iterator[Event]:
        if not isinstance(event, TextDelta):
            yield event
            return
        self._held += event.text
        while True:
            tag = _CLOSE if self._inside else _OPEN
            before, found, after = self._held.partition(tag)
            if not found:
                break
            yield from self._piece(before)
            self._held = after
            self._inside = not self._inside
            self._after_thinking = not self._inside
        keep = _overlap(self._held, _CLOSE if self._inside else _OPEN)
        ready, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        yield from self._piece(ready)

    def end(self) -> Iterator[Event]:
        yield from self._piece(self._held)
        self._held = ""

    def _piece(self, text: str) -> Iterator[Event]:
        if self._after_thinking and not self._inside:
            # The line breaks between the thoughts and the answer belong to neither.
            text = text.lstrip()
        if text:
            self._after_thinking = False
            yield ReasoningDelta(text) if self._inside else TextDelta(text)


def _overlap(text: str, tag: str) -> int:
    """How many characters at the end of the text may be the tag's beginning."""
    for length in range(min(len(tag) - 1, len(text)), 0, -1):
        if tag.startswith(text[-length:]):
            return length
    return 0


class Prefill:
    """Puts the prefill before the answer, or leaves it out, also where the provider repeats it.

    Args:
        prefill: what the model was given as the beginning of its turn.
        include: whether the caller sees it.
    """

    def __init__(self, prefill: str, *, include: bool) -> None:
        self._prefill = prefill
        self._include = include
        self._held: str | None = ""

    def feed(self, event: Event) -> Iterator[Event]:
        if self._held is None or not isinstance(event, TextDelta):
            yield event
            return
        self._held += event.text
        if len(self._held) >= len(self._prefill) or not self._prefill.startswith(self._held):
            yield from self.end()

    def end(self) -> Iterator[Event]:
        if self._held is None:
            return
        rest, self._held = self._held.removeprefix(self._prefill), None
        text = self._prefill + rest if self._include else rest
        if text:
            yield TextDelta(text)


class Drafts:
    """For models whose every piece of text is the whole answer anew: only the last one counts."""

    def __init__(self) -> None:
        self._latest = ""

    def feed(self, event: Event) -> Iterator[Event]:
        if isinstance(event, TextDelta):
            self._latest = event.text
        else:
            yield event

    def end(self) -> Iterator[Event]:
        if self._latest:
            yield TextDelta(self._latest)
            self._latest = ""


class Silence:
    """Drops reasoning."""

    def feed(self, event: Event) -> Iterator[Event]:
        if not isinstance(event, ReasoningDelta):
            yield event

    def end(self) -> Iterator[Event]:
        yield from ()


def filters_of(
    flags: Sequence[str], *, prefill: str | None, include_prefill: bool, hide_reasoning: bool
) -> list[StreamFilter]:
    """The filters for a model with these habits; ``prefill`` is what this call was given."""
    filters: list[StreamFilter] = []
    if "diffusing_stream" in flags:
        filters.append(Drafts())
    if prefill:
        filters.append(Prefill(prefill, include=include_prefill))
    if "thinking_process" in flags and "preserve_thinking_tokens" not in flags:
        filters.append(Thinking())
    if hide_reasoning:
        filters.append(Silence())
    return filters


def hides_reasoning(flags: Sequence[str]) -> bool:
    """Whether a caller is not shown the model's reasoning.

    An agent without any flag says nothing of its model's habits: what the provider gives is passed on. One
    with flags shows reasoning when they say so.
    """
    return "disable_reasoning_summary" in flags or (bool(flags) and "return_reasoning_tokens" not in flags)
