"""Tools by which an agent remembers the person it talks to, and the source of these and the calendar's."""

from collections.abc import Sequence

from dragoman.adapters.tools.calendar import CALENDAR
from dragoman.adapters.tools.memory_desk import ID, QUERY, TEXT, Declared, Desk, MemoryTool, found_by_words
from dragoman.domain.memories.service import LONGEST_BYTES, MOST_DAYS, MemoriesService
from dragoman.domain.tools.model import ServerTool, ToolScope
from dragoman.kit.clock import iso
from dragoman.kit.jsontypes import JsonObject


class MemoryTools:
    """Gives the memory tools to agents with ``remember``, and the calendar's to those with ``calendar``."""

    def __init__(self, memories: MemoriesService) -> None:
        self._memories = memories

    async def tools(self, scope: ToolScope) -> Sequence[ServerTool]:
        """The tools for this scope."""
        builtin = scope.tools.builtin or ()
        options = scope.tools.builtin_options
        desk = Desk(self._memories, scope)
        chosen: list[Declared] = []
        if "remember" in builtin:
            # With all of them in its system text the model has nothing to search for.
            everything = options is not None and options.all_memories
            chosen += [one for one in _MEMORY if not (everything and one.name == "memory_search")]
        if "calendar" in builtin:
            chosen += CALENDAR
        return [MemoryTool(one.spec, desk, one.run, one.risk) for one in chosen]


async def _save(desk: Desk, arguments: JsonObject) -> str:
    saved = await desk.save(str(arguments["memoryData"]), TEXT, _days(arguments))
    until = f" until {iso(saved.expires_at)[:10]}" if saved.expires_at is not None else ""
    return f"Saved with the id {saved.id}{until}."


async def _search(desk: Desk, arguments: JsonObject) -> str:
    return await found_by_words(desk, arguments, TEXT, "Nothing is remembered that fits.")


async def _update(desk: Desk, arguments: JsonObject) -> str:
    known = await desk.own(arguments["id"], TEXT)
    days = _days(arguments) if "retentionDays" in arguments else None
    await desk.change(known, str(arguments["memoryData"]), days)
    return f"Updated {known.id}."


async def _remove(desk: Desk, arguments: JsonObject) -> str:
    known = await desk.own(arguments["id"], TEXT)
    await desk.memories.remove(desk.scope.caller, known.id)
    return f"Removed {known.id}."


async def _clear(desk: Desk, arguments: JsonObject) -> str:
    return f"Removed {await desk.clear(TEXT)} memories."


def _days(arguments: JsonObject) -> int:
    days = arguments.get("retentionDays", 30)
    return days if isinstance(days, int) else 30


_DATA: JsonObject = {
    "type": "string",
    "minLength": 1,
    "description": f"What to remember, in one or a few sentences; at most {LONGEST_BYTES // 1024} KB, nothing sensitive.",
}
_RETENTION: JsonObject = {
    "type": "integer",
    "minimum": 1,
    "maximum": MOST_DAYS,
    "default": 30,
    "description": "For how many days it is kept.",
}

_MEMORY = (
    Declared(
        "memory_save",
        "Keeps something about this user for later conversations: a wish, a fact, a preference. Never keep sensitive data.",
        {"memoryData": _DATA, "retentionDays": _RETENTION},
        ("memoryData",),
        _save,
        "write",
    ),
    Declared(
        "memory_search",
        "Looks for what is remembered of this user.",
        {"query": QUERY},
        (),
        _search,
        "read",
    ),
    Declared(
        "memory_update",
        "Changes something that is remembered of this user.",
        {"id": ID, "memoryData": _DATA, "retentionDays": _RETENTION},
        ("id", "memoryData"),
        _update,
        "write",
    ),
    Declared(
        "memory_remove",
        "Forgets one thing that is remembered of this user.",
        {"id": ID},
        ("id",),
        _remove,
        "write",
    ),
    Declared(
        "memory_clear",
        "Forgets everything that is remembered of this user. Only when the user asks for it.",
        {},
        (),
        _clear,
        "write",
    ),
)
