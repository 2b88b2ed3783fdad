"""Stop sequences kept to here, so that an answer can say which of them ended it, whatever model wrote it."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass

from dragoman.domain.messages.events import Event, Finished, TextDelta


@dataclass(slots=True)
class Stopping:
    """Which of the sequences came; None while none has."""

    sequences: tuple[str, ...]
    found: str | None = None

    async def cut(self, events: AsyncIterator[Event]) -> AsyncGenerator[Event]:
        """The events up to the first stop sequence; the text from there on is not shown.

        The model goes unasked for more: whoever reads closes ``events`` when ``found`` is set.
        """
        held = ""
        async for event in events:
            if not isinstance(event, TextDelta):
                if held and isinstance(event, Finished):
                    yield TextDelta(held)
                    held = ""
                yield event
                continue
            held += event.text
            at, self.found = first_of(held, self.sequences)
            if self.found is not None:
                if at:
                    yield TextDelta(held[:at])
                return
            safe = len(held) - _possible_start(held, self.sequences)
            if safe:
                yield TextDelta(held[:safe])
                held = held[safe:]


def first_of(text: str, sequences: Sequence[str]) -> tuple[int, str | None]:
    """Where the earliest sequence begins, and which it is."""
    places = [(text.find(sequence), sequence) for sequence in sequences if sequence in text]
    return min(places, default=(-1, None))


def _possible_start(text: str, sequences: Sequence[str]) -> int:
    """How many characters at the end may be the beginning of a sequence."""
    longest = max(map(len, sequences), default=0)
    for length in range(min(longest - 1, len(text)), 0, -1):
        end = text[-length:]
        if any(sequence.startswith(end) for sequence in sequences):
            return length
    return 0
