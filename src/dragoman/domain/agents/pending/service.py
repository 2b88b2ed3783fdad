"""Keeping results of the server's tools until the caller comes back with those of its own.

When a model calls tools of the server and then, or in the same turn, one of the caller, the caller sees only its own
call. Until it comes back with the result, the server's turns are kept here, and are then put back into the conversation,
so that the model finds it as it was.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from dragoman.db.database import Database
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.agents.pending import repository
from dragoman.domain.messages.parts import Message, ToolCall
from dragoman.domain.messages.stored import read_calls, read_messages, write_calls, write_messages
from dragoman.kit.clock import now_ms

_MS = 24 * 3_600_000
_LOOKED_AT = 200


@dataclass(frozen=True, slots=True)
class Hidden:
    """What stands around a caller's call: turns before its turn, calls within it, turns behind it."""

    before: tuple[Message, ...]
    calls: tuple[ToolCall, ...]
    behind: tuple[Message, ...]


class PendingResults:
    """Hidden turns by caller, kept for a day. Without a database none are."""

    def __init__(self, database: Database | None = None, *, clock_ms: Callable[[], int] = now_ms) -> None:
        self._database = database
        self._clock_ms = clock_ms

    async def keep(self, caller: Caller, agent: str, shown: Sequence[ToolCall], hidden: Hidden) -> None:
        """Keeps the turns under the calls that the caller is shown; a killed process cannot lose them once this returns.

        Raises:
            Unavailable: the database cannot be written to.
        """
        if self._database is None:
            return
        content: dict[str, Any] = {
            "before": write_messages(hidden.before),
            "calls": write_calls(hidden.calls),
            "behind": write_messages(hidden.behind),
        }
        now = self._clock_ms()
        keys = list(dict.fromkeys(_key(caller, agent, call) for call in shown))
        await self._database.write(repository.put, caller, keys, content, now=now, expires_at=now + _MS)

    async def put_back(
        self, caller: Caller, agent: str, conversation: Sequence[Message]
    ) -> tuple[tuple[Message, ...], bool]:
        """The conversation with what was hidden from the caller, and whether anything was."""
        calls = [call for message in conversation for call in message.tool_calls][-_LOOKED_AT:]
        if not calls or self._database is None:
            return tuple(conversation), False
        keys = [_key(caller, agent, call) for call in calls]
        found = await self._database.read(repository.select, caller, keys, self._clock_ms())
        if not found:
            return tuple(conversation), False
        return tuple(_with_hidden(conversation, lambda call: found.get(_key(caller, agent, call)))), True


def _with_hidden(
    conversation: Sequence[Message], content: Callable[[ToolCall], Mapping[str, Any] | None]
) -> list[Message]:
    turns: list[Message] = []
    later: list[Message] = []
    for message in conversation:
        if message.role != "tool":
            turns += later
            later = []
        hidden = next((one for call in message.tool_calls if (one := content(call)) is not None), None)
        if hidden is None:
            turns.append(message)
            continue
        behind = read_messages(hidden["behind"])
        turns += read_messages(hidden["before"])
        turns.append(replace(message, tool_calls=(*read_calls(hidden["calls"]), *message.tool_calls)))
        turns += [turn for turn in behind if turn.role == "tool"]
        # Providers take nothing between a call and its result.
        later = [turn for turn in behind if turn.role != "tool"]
    return turns + later


def _key(caller: Caller, agent: str, call: ToolCall) -> str:
    # Some providers number their calls anew in every answer: the arguments tell such calls apart.
    parts = (caller.user_id, agent, call.id, call.name, call.arguments)
    return hashlib.sha256(orjson.dumps(parts)).hexdigest()
