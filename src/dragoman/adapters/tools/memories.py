"""Tools by which an agent remembers the person it talks to: texts, and dates to be reminded of."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import orjson

from dragoman.domain.memories.model import Memory, MemoryFilter, MemoryFormat, person_of
from dragoman.domain.memories.service import LONGEST_BYTES, MOST_DAYS, MemoriesService, MemoryDraft
from dragoman.domain.messages.parts import ToolSpec
from dragoman.domain.tools.model import Risk, ServerTool, ToolResult, ToolScope
from dragoman.kit.clock import iso
from dragoman.kit.errors import InvalidInput
from dragoman.kit.jsontypes import JsonObject, JsonValue

_OWNER = "built-in functions"
_MOST_FOUND = 50
_TEXT: MemoryFormat = "text"
_DATE: MemoryFormat = "date_reminder"

Run = Callable[["_Desk", JsonObject], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class _Desk:
    """The memories of one person, as one agent sees them."""

    memories: MemoriesService
    scope: ToolScope

    @property
    def user(self) -> str:
        """Whose memories.

        Raises:
            InvalidInput: nobody is known.
        """
        person = self.scope.person
        if person is None or not person_of(person):
            raise InvalidInput(
                "Nobody in particular is talking here, so nothing can be remembered: the request names no user."
            )
        return person

    def wanted(self, kind: MemoryFormat) -> MemoryFilter:
        """What this agent may see of the person's memories."""
        return MemoryFilter(format=kind, agent_id=self.scope.agent_id)

    async def own(self, memory_id: JsonValue, kind: MemoryFormat) -> Memory:
        """The person's memory of that id.

        Raises:
            InvalidInput: there is none.
        """
        found = await self.memories.select(
            self.scope.caller,
            MemoryFilter(format=kind, agent_id=self.scope.agent_id, person=person_of(self.user)),
        )
        known = next((one for one in found if one.id == memory_id), None)
        if known is None:
            raise InvalidInput(f"There is no entry with the id {memory_id!r}.")
        return known

    async def save(self, content: str, kind: MemoryFormat, days: int | None) -> Memory:
        """A new memory."""
        draft = MemoryDraft(self.user, content, kind, days, self.scope.agent_id)
        return await self.memories.save(self.scope.caller, draft)

    async def clear(self, kind: MemoryFormat) -> int:
        """Removes what this agent sees of one kind; gives how many there were."""
        found = await self.memories.select(
            self.scope.caller,
            MemoryFilter(format=kind, agent_id=self.scope.agent_id, person=person_of(self.user)),
        )
        for one in found:
            await self.memories.remove(self.scope.caller, one.id)
        return len(found)


@dataclass(frozen=True, slots=True)
class MemoryTool:
    """One of the tools."""

    spec: ToolSpec
    desk: _Desk
    run: Run
    risk: Risk

    @property
    def owner(self) -> str:
        """Where it comes from."""
        return _OWNER

    async def call(self, arguments: JsonObject) -> ToolResult:
        """Carries it out.

        Raises:
            InvalidInput: nobody is known, or there is no such entry.
        """
        return ToolResult(await self.run(self.desk, arguments))


class MemoryTools:
    """Gives the memory tools to agents with ``remember``, and the calendar's to those with ``calendar``."""

    def __init__(self, memories: MemoriesService) -> None:
        self._memories = memories

    async def tools(self, scope: ToolScope) -> Sequence[ServerTool]:
        """The tools for this scope."""
        builtin = scope.tools.builtin or ()
        options = scope.tools.builtin_options
        desk = _Desk(self._memories, scope)
        chosen: list[_Declared] = []
        if "remember" in builtin:
            # With all of them in its system text the model has nothing to search for.
            everything = options is not None and options.all_memories
            chosen += [one for one in _MEMORY if not (everything and one.name == "memory_search")]
        if "calendar" in builtin:
            chosen += _CALENDAR
        return [MemoryTool(one.spec, desk, one.run, one.risk) for one in chosen]


@dataclass(frozen=True, slots=True)
class _Declared:
    """A tool before it has a scope."""

    name: str
    description: str
    properties: Mapping[str, JsonValue]
    required: tuple[str, ...]
    run: Run
    risk: Risk

    @property
    def spec(self) -> ToolSpec:
        """The tool as the model sees it."""
        schema: JsonObject = {
            "type": "object",
            "properties": dict(self.properties),
            "required": list(self.required),
            "additionalProperties": False,
        }
        return ToolSpec(self.name, self.description, schema)


def _told(memory: Memory) -> str:
    return f"[{memory.id}] {memory.content}"


async def _save(desk: _Desk, arguments: JsonObject) -> str:
    saved = await desk.save(str(arguments["memoryData"]), _TEXT, _days(arguments))
    until = f" until {iso(saved.expires_at)[:10]}" if saved.expires_at is not None else ""
    return f"Saved with the id {saved.id}{until}."


async def _search(desk: _Desk, arguments: JsonObject) -> str:
    return await _found(desk, arguments, _TEXT, "Nothing is remembered that fits.")


async def _found(desk: _Desk, arguments: JsonObject, kind: MemoryFormat, nothing: str) -> str:
    found = await desk.memories.search(
        desk.scope.caller,
        desk.user,
        str(arguments.get("query") or ""),
        wanted=desk.wanted(kind),
        most=_MOST_FOUND,
    )
    return "\n".join(map(_told, found)) or nothing


async def _update(desk: _Desk, arguments: JsonObject) -> str:
    known = await desk.own(arguments["id"], _TEXT)
    days = _days(arguments) if "retentionDays" in arguments else None
    await desk.memories.update(desk.scope.caller, known.id, str(arguments["memoryData"]), days=days)
    return f"Updated {known.id}."


async def _remove(desk: _Desk, arguments: JsonObject) -> str:
    known = await desk.own(arguments["id"], _TEXT)
    await desk.memories.remove(desk.scope.caller, known.id)
    return f"Removed {known.id}."


async def _clear(desk: _Desk, arguments: JsonObject) -> str:
    return f"Removed {await desk.clear(_TEXT)} memories."


def _days(arguments: JsonObject) -> int:
    days = arguments.get("retentionDays", 30)
    return days if isinstance(days, int) else 30


async def _create_date(desk: _Desk, arguments: JsonObject) -> str:
    saved = await desk.save(_entry(arguments), _DATE, None)
    return f"Created with the id {saved.id}."


async def _search_dates(desk: _Desk, arguments: JsonObject) -> str:
    return await _found(desk, arguments, _DATE, "No calendar entry fits.")


async def _find_dates(desk: _Desk, arguments: JsonObject) -> str:
    first, last = _day(arguments.get("from")), _day(arguments.get("to"))
    found = await desk.memories.select(
        desk.scope.caller,
        MemoryFilter(format=_DATE, agent_id=desk.scope.agent_id, person=person_of(desk.user)),
    )
    dated = [(day, one) for one in found if (day := _day_of(one)) is not None]
    fitting = [one for day, one in sorted(dated, key=lambda pair: pair[0]) if _within(day, first, last)]
    return "\n".join(map(_told, fitting[:_MOST_FOUND])) or "No calendar entry lies in that time."


async def _update_date(desk: _Desk, arguments: JsonObject) -> str:
    known = await desk.own(arguments["id"], _DATE)
    before = _decoded(known)
    await desk.memories.update(desk.scope.caller, known.id, _entry({**before, **arguments}))
    return f"Updated {known.id}."


async def _delete_date(desk: _Desk, arguments: JsonObject) -> str:
    known = await desk.own(arguments["id"], _DATE)
    await desk.memories.remove(desk.scope.caller, known.id)
    return f"Deleted {known.id}."


def _entry(arguments: JsonObject) -> str:
    _day(arguments.get("date"))
    entry = {name: arguments.get(name) for name in ("title", "date", "notes")}
    return orjson.dumps(entry).decode()


def _decoded(memory: Memory) -> JsonObject:
    try:
        entry = orjson.loads(memory.content)
    except orjson.JSONDecodeError:
        return {"title": memory.content}
    return entry if isinstance(entry, dict) else {"title": memory.content}


def _day(value: JsonValue) -> date | None:
    if value is None:
        return None
    try:
        return datetime.fromisoformat(str(value)).date()
    except ValueError as error:
        raise InvalidInput(
            f"{value!r} is no date; write it as 2030-01-31 or 2030-01-31T09:00:00+00:00."
        ) from error


def _day_of(memory: Memory) -> date | None:
    try:
        return _day(_decoded(memory).get("date"))
    except InvalidInput:
        return None


def _within(day: date, first: date | None, last: date | None) -> bool:
    return (first is None or day >= first) and (last is None or day <= last)


_ID: JsonObject = {"type": "string", "description": "The entry's id, as it is told in square brackets."}
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
_QUERY: JsonObject = {"type": "string", "description": "Words to look for; empty gives the latest."}
_WHEN: JsonObject = {"type": "string", "description": "ISO-8601 date, or date and time with its zone."}
_TITLE: JsonObject = {
    "type": "string",
    "minLength": 1,
    "maxLength": 200,
    "description": "What it is, in a few words.",
}
_NOTES: JsonObject = {"type": "string", "maxLength": 4000, "description": "Anything else worth knowing."}

_MEMORY = (
    _Declared(
        "memory_save",
        "Keeps something about this user for later conversations: a wish, a fact, a preference. Never keep sensitive data.",
        {"memoryData": _DATA, "retentionDays": _RETENTION},
        ("memoryData",),
        _save,
        "write",
    ),
    _Declared(
        "memory_search",
        "Looks for what is remembered of this user.",
        {"query": _QUERY},
        (),
        _search,
        "read",
    ),
    _Declared(
        "memory_update",
        "Changes something that is remembered of this user.",
        {"id": _ID, "memoryData": _DATA, "retentionDays": _RETENTION},
        ("id", "memoryData"),
        _update,
        "write",
    ),
    _Declared(
        "memory_remove",
        "Forgets one thing that is remembered of this user.",
        {"id": _ID},
        ("id",),
        _remove,
        "write",
    ),
    _Declared(
        "memory_clear",
        "Forgets everything that is remembered of this user. Only when the user asks for it.",
        {},
        (),
        _clear,
        "write",
    ),
)
_CALENDAR = (
    _Declared(
        "calendar_create",
        "Puts an entry into this user's calendar.",
        {"title": _TITLE, "date": _WHEN, "notes": _NOTES},
        ("title", "date"),
        _create_date,
        "write",
    ),
    _Declared(
        "calendar_search",
        "Looks for calendar entries of this user by words.",
        {"query": _QUERY},
        (),
        _search_dates,
        "read",
    ),
    _Declared(
        "calendar_find",
        "Gives the calendar entries of this user from one day to another, earliest first.",
        {"from": _WHEN, "to": _WHEN},
        (),
        _find_dates,
        "read",
    ),
    _Declared(
        "calendar_update",
        "Changes a calendar entry; what is not given stays.",
        {"id": _ID, "title": _TITLE, "date": _WHEN, "notes": _NOTES},
        ("id",),
        _update_date,
        "write",
    ),
    _Declared("calendar_delete", "Deletes a calendar entry.", {"id": _ID}, ("id",), _delete_date, "write"),
)
