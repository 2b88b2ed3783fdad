"""Results of the server's tools that wait for the caller's.

When a model calls a tool of the server and one of the caller in the same turn, the caller sees only its own
call. Until it comes back with the result, the server's call and result are kept here, and are then put back
into the conversation, so that the model finds its turn as it wrote it.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace

from dragoman.domain.messages.parts import Message, ToolCall

_KEPT = 5000
_SECONDS = 3600.0

_Key = tuple[str, str, str, str]


class PendingResults:
    """Kept in this process, for an hour, the latest first."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._turns: OrderedDict[_Key, tuple[float, Sequence[ToolCall], Sequence[Message]]] = OrderedDict()

    def keep(
        self, owner: str, shown: Sequence[ToolCall], hidden: Sequence[ToolCall], results: Sequence[Message]
    ) -> None:
        """Keeps the hidden calls and their results under the calls that the caller is shown."""
        for call in shown:
            self._turns[_key(owner, call)] = (self._monotonic() + _SECONDS, hidden, results)
        while len(self._turns) > _KEPT:
            self._turns.popitem(last=False)

    def put_back(self, owner: str, conversation: Sequence[Message]) -> tuple[Message, ...]:
        """The conversation with what was hidden from the caller."""
        turns: list[Message] = []
        for message in conversation:
            hidden = self._hidden(owner, message)
            if hidden is None:
                turns.append(message)
            else:
                turns.append(replace(message, tool_calls=(*hidden[0], *message.tool_calls)))
                turns.extend(hidden[1])
        return tuple(turns)

    def _hidden(self, owner: str, message: Message) -> tuple[Sequence[ToolCall], Sequence[Message]] | None:
        for call in message.tool_calls:
            kept = self._turns.get(_key(owner, call))
            if kept is not None and kept[0] > self._monotonic():
                return kept[1], kept[2]
        return None


def _key(owner: str, call: ToolCall) -> _Key:
    # Some providers number their calls anew in every answer: the arguments tell such calls apart.
    return owner, call.id, call.name, call.arguments
