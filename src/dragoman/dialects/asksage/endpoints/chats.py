"""Chats that clients keep here: list, read, add to, rename, replace, delete, and give a copy away."""

from collections.abc import Mapping

import orjson

from dragoman.dialects.asksage.dates import http_date
from dragoman.dialects.asksage.decode import Field
from dragoman.dialects.asksage.operation import CHANGE, READ, Call, operation
from dragoman.domain.chat.transcripts.model import Transcript
from dragoman.kit.errors import InvalidInput, NotFound
from dragoman.kit.ids import is_uuid
from dragoman.kit.jsontypes import JsonObject

_ID = Field("session_id", aliases=("chat_id",))
_LONGEST_TITLE = 20
_UNTITLED = "New Chat"


def _object(chat: Transcript, *, whole: bool = True) -> dict[str, object]:
    told: dict[str, object] = {
        "session_id": chat.id,
        "id": chat.id,
        "title": chat.title,
        "chat_title": chat.title,
        "date_time": http_date(chat.updated_at),
        "date_creation": http_date(chat.created_at),
        "date_modification": http_date(chat.updated_at),
    }
    if whole:
        told |= {"chats": chat.turns, "json_data": chat.turns}
    return told


@operation("get-chats", methods=READ, sections=("user",))
async def get_chats(call: Call) -> dict[str, object]:
    """All the caller's chats as JSON text, the latest first; ``buttons`` are short names of the same.

    Source: Ask Sage User API, second version, "get-chats".
    """
    found = await call.services.transcripts.select(call.caller)
    buttons = [_object(chat, whole=False) for chat in found]
    text = orjson.dumps({"chats": [_object(chat) for chat in found], "buttons": buttons}).decode()
    return {"response": text}


@operation("get-chat-session", methods=READ, fields=(_ID,), sections=("user",))
async def get_chat_session(call: Call) -> dict[str, object]:
    """One of the caller's chats with its messages.

    Source: Ask Sage User API, second version, "get-chat-session".
    """
    return {"response": _object(await call.services.transcripts.get(call.caller, _id(call)))}


@operation("create-chat-session", methods=CHANGE, fields=(Field("title"),), sections=("user",))
async def create_chat_session(call: Call) -> dict[str, object]:
    """A new, empty chat.

    Source: Ask Sage User API, second version, "create-chat-session".
    """
    made = await call.services.transcripts.create(call.caller, call.inputs.text("title") or _UNTITLED)
    return {"response": _object(made), "session_id": made.id}


@operation("delete-chat-session", methods=frozenset({"POST", "DELETE"}), fields=(_ID,), sections=("user",))
async def delete_chat_session(call: Call) -> dict[str, object]:
    """Removes one of the caller's chats.

    Source: Ask Sage User API, second version, "delete-chat-session".
    """
    await call.services.transcripts.delete(call.caller, _id(call))
    return {"response": "OK"}


@operation(
    "append-chat",
    methods=CHANGE,
    fields=(_ID, Field("message", "json"), Field("chat_title"), Field("chats", "json")),
    sections=("user",),
)
async def append_chat(call: Call) -> dict[str, object]:
    """Adds messages to a chat, by its id or by its title; a title that is new makes a chat.

    Source: Ask Sage User API, "append-chat".
    """
    if call.inputs.text("session_id"):
        turns = _turns(call.inputs.values.get("message"), "message")
        await call.services.transcripts.append(call.caller, _id(call), turns)
        return {"response": "OK"}
    title = call.inputs.text("chat_title").strip()
    if not title or len(title) > _LONGEST_TITLE:
        raise InvalidInput(
            f"'chat_title' has 1 to {_LONGEST_TITLE} characters; or give 'session_id' and 'message'.",
            param="chat_title",
        )
    chats = call.inputs.values.get("chats")
    if isinstance(chats, Mapping):
        chats = chats.get("chats")
    await call.services.transcripts.append_titled(call.caller, title, _turns(chats, "chats"))
    return {"response": "OK"}


@operation(
    "update-chat-session-title",
    methods=CHANGE,
    fields=(_ID, Field("new_title", aliases=("title",))),
    sections=("user",),
    in_body=True,
)
async def update_title(call: Call) -> dict[str, object]:
    """Renames one of the caller's chats; always HTTP 200, the outcome is ``status``.

    Source: Ask Sage User API, second version, "update-chat-session-title".
    """
    title = call.inputs.text("new_title").strip()
    if not title or not call.inputs.text("session_id"):
        raise InvalidInput("Missing data", param="new_title")
    try:
        await call.services.transcripts.rename(call.caller, call.inputs.text("session_id"), title)
    except NotFound:
        return {"response": "Session not found", "error": "Session not found", "status": 404}
    return {"response": "Title updated"}


@operation(
    "update-chat-session-json",
    methods=CHANGE,
    fields=(_ID, Field("title"), Field("json_data", "json")),
    sections=("user",),
    in_body=True,
)
async def update_json(call: Call) -> dict[str, object]:
    """Replaces a chat's title and messages, or makes one of this id; always HTTP 200, the outcome is ``status``.

    Source: Ask Sage User API, second version, "update-chat-session-json".
    """
    data = call.inputs.values.get("json_data")
    if not call.inputs.text("session_id") or not isinstance(data, list | None):
        raise InvalidInput("Invalid input", param="json_data")
    title = call.inputs.text("title") or _UNTITLED
    await call.services.transcripts.put(
        call.caller, _id(call), title, _turns(data, "json_data") if data else ()
    )
    return {"response": "Chat content updated"}


@operation("copy-chat", methods=CHANGE, fields=(_ID, Field("email")), sections=("user",), in_body=True)
async def copy_chat(call: Call) -> dict[str, object]:
    """Gives a copy of a chat to a colleague; always HTTP 200, the outcome is ``status``.

    Source: Ask Sage User API, second version, "copy-chat".
    """
    if not call.inputs.text("email").strip():
        raise InvalidInput("'email' is required.", param="email")
    recipient = await call.services.sharing.colleague(call.caller, call.inputs.text("email"))
    await call.services.transcripts.give(call.caller, _id(call), recipient)
    return {"response": "Chats copied"}


def _id(call: Call) -> str:
    given = call.inputs.text("session_id").strip()
    if not given:
        raise InvalidInput("'session_id' is required.", param="session_id")
    if not is_uuid(given):
        raise InvalidInput("Invalid session_id", param="session_id")
    return given.lower()


def _turns(raw: object, name: str) -> list[JsonObject]:
    """Messages as objects; a text is one of the person's."""
    items = raw if isinstance(raw, list) else [raw]
    turns: list[JsonObject] = []
    for position, item in enumerate(items):
        if isinstance(item, str) and item.strip():
            turns.append({"user": "me", "message": item})
        elif isinstance(item, Mapping):
            turns.append(item)
        else:
            raise InvalidInput(f"'{name}[{position}]' must be a message.", param=name)
    return turns
