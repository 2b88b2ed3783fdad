"""Tools by which an agent keeps dates for the person it talks to."""

from datetime import date, datetime

import orjson

from dragoman.adapters.tools.memory_desk import (
    DATE,
    ID,
    MOST_FOUND,
    QUERY,
    Declared,
    Desk,
    found_by_words,
)
from dragoman.domain.memories.model import Memory, MemoryFilter, person_of
from dragoman.kit.errors import InvalidInput
from dragoman.kit.jsontypes import JsonObject, JsonValue


async def _create_date(desk: Desk, arguments: JsonObject) -> str:
    saved = await desk.save(_entry(arguments), DATE, None)
    return f"Created with the id {saved.id}."


async def _search_dates(desk: Desk, arguments: JsonObject) -> str:
    return await found_by_words(desk, arguments, DATE, "No calendar entry fits.")


async def _find_dates(desk: Desk, arguments: JsonObject) -> str:
    first, last = _day(arguments.get("from")), _day(arguments.get("to"))
    found = await desk.memories.select(
        desk.scope.caller,
        MemoryFilter(format=DATE, agent_id=desk.scope.agent_id, person=person_of(desk.user)),
    )
    dated = [(day, one) for one in found if (day := _day_of(one)) is not None]
    fitting = [one for day, one in sorted(dated, key=lambda pair: pair[0]) if _within(day, first, last)]
    return await desk.read(fitting[:MOST_FOUND]) or "No calendar entry lies in that time."


async def _update_date(desk: Desk, arguments: JsonObject) -> str:
    known = await desk.own(arguments["id"], DATE)
    before = _decoded(known)
    await desk.change(known, _entry({**before, **arguments}))
    return f"Updated {known.id}."


async def _delete_date(desk: Desk, arguments: JsonObject) -> str:
    known = await desk.own(arguments["id"], DATE)
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


_WHEN: JsonObject = {"type": "string", "description": "ISO-8601 date, or date and time with its zone."}
_TITLE: JsonObject = {
    "type": "string",
    "minLength": 1,
    "maxLength": 200,
    "description": "What it is, in a few words.",
}
_NOTES: JsonObject = {"type": "string", "maxLength": 4000, "description": "Anything else worth knowing."}


CALENDAR = (
    Declared(
        "calendar_create",
        "Puts an entry into this user's calendar.",
        {"title": _TITLE, "date": _WHEN, "notes": _NOTES},
        ("title", "date"),
        _create_date,
        "write",
    ),
    Declared(
        "calendar_search",
        "Looks for calendar entries of this user by words.",
        {"query": QUERY},
        (),
        _search_dates,
        "read",
    ),
    Declared(
        "calendar_find",
        "Gives the calendar entries of this user from one day to another, earliest first.",
        {"from": _WHEN, "to": _WHEN},
        (),
        _find_dates,
        "read",
    ),
    Declared(
        "calendar_update",
        "Changes a calendar entry; what is not given stays.",
        {"id": ID, "title": _TITLE, "date": _WHEN, "notes": _NOTES},
        ("id",),
        _update_date,
        "write",
    ),
    Declared("calendar_delete", "Deletes a calendar entry.", {"id": ID}, ("id",), _delete_date, "write"),
)
