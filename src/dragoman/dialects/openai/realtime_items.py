"""The thread of a realtime conversation: its items in order, and what a model is given of them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from dragoman.dialects.openai.realtime_events import Event, new_id
from dragoman.domain.messages.parts import Message, ToolCall
from dragoman.kit.errors import InvalidInput, NotFound

_MOST_ITEMS = 1000
_ROLES = ("user", "assistant", "system")
_FIRST = "root"
Transcribe = Callable[[str, str], Awaitable[str]]


@dataclass(slots=True)
class Thread:
    """Items by their ids. ``sound_ms`` is how long the agent's spoken items are."""

    items: dict[str, Event] = field(default_factory=dict[str, Event])
    sound_ms: dict[str, int] = field(default_factory=dict[str, int])

    @property
    def last(self) -> str | None:
        """The id of the last item."""
        return next(reversed(self.items), None)

    def add(self, item: Event, after: str | None = None) -> str | None:
        """Puts an item behind another one, else at the end; the id of the one before it.

        Raises:
            InvalidInput: its id is taken, or there are too many.
            NotFound: there is no such other item.
        """
        if len(self.items) >= _MOST_ITEMS:
            raise InvalidInput(f"A conversation holds at most {_MOST_ITEMS} items.", code="too_many_items")
        if item["id"] in self.items:
            raise InvalidInput("There is an item with this id already.", param="item.id")
        if after is None:
            previous = self.last
            self.items[item["id"]] = item
            return previous
        if after != _FIRST:
            self.known(after, "previous_item_id")
        order = list(self.items.items())
        place = 0 if after == _FIRST else list(self.items).index(after) + 1
        self.items = dict([*order[:place], (item["id"], item), *order[place:]])
        return None if after == _FIRST else after

    def known(self, item_id: object, param: str = "item_id") -> Event:
        """An item of the conversation.

        Raises:
            NotFound: there is none.
        """
        item = self.items.get(str(item_id))
        if item is None:
            raise NotFound("There is no item with this id.", param=param, code="item_not_found")
        return item

    def remove(self, item_id: object) -> None:
        """Takes an item out; raises as ``known``."""
        del self.items[self.known(item_id)["id"]]

    def truncate(self, item_id: object, content_index: object, milliseconds: object) -> None:
        """Leaves of the agent's speech what was heard by then.

        Raises:
            InvalidInput: not the agent's speech, or longer than it is.
        """
        item = self.known(item_id)
        if not isinstance(milliseconds, int) or milliseconds < 0:
            raise InvalidInput("audio_end_ms: a number of milliseconds is needed.", param="audio_end_ms")
        content = item.get("content") or []
        if item.get("role") != "assistant" or item["id"] not in self.sound_ms:
            raise InvalidInput("Only the agent's speech can be cut.", param="item_id", code="invalid_value")
        if not isinstance(content_index, int) or content_index not in range(len(content)):
            raise InvalidInput("content_index: there is no such part.", param="content_index")
        whole = self.sound_ms[item["id"]]
        if milliseconds > whole:
            raise InvalidInput(
                f"The sound of this item is {whole} ms long, shorter than {milliseconds} ms.",
                param="audio_end_ms",
                code="invalid_value",
            )
        words = str(content[content_index].get("transcript") or "").split()
        kept = " ".join(words[: len(words) * milliseconds // whole]) if whole else ""
        parts = [
            {**part, "transcript": kept} if place == content_index else part
            for place, part in enumerate(content)
        ]
        self.items[item["id"]] = {**item, "content": parts}
        self.sound_ms[item["id"]] = milliseconds

    def messages(self) -> tuple[Message, ...]:
        """The conversation as a model is given it."""
        return conversation(list(self.items.values()))


def conversation(items: list[Event]) -> tuple[Message, ...]:
    """Items as messages; calls that follow one another belong to one turn."""
    found: list[Message] = []
    for item in items:
        match item["type"]:
            case "function_call":
                call = ToolCall(item["call_id"], item["name"], item["arguments"])
                before = found[-1] if found and found[-1].role == "assistant" else None
                if before is not None:
                    found[-1] = Message("assistant", before.parts, (*before.tool_calls, call))
                else:
                    found.append(Message("assistant", (), (call,)))
            case "function_call_output":
                answer = Message.of_text("tool", item["output"])
                found.append(Message("tool", answer.parts, tool_call_id=item["call_id"]))
            case _:
                text = "\n".join(
                    str(part.get("text") or part.get("transcript") or "") for part in item["content"]
                )
                if text.strip():
                    found.append(Message.of_text(item["role"], text))
    return tuple(found)


async def item_of(given: object, transcribe: Transcribe, where: str = "item") -> Event:
    """A client's item as it is kept; sound in it becomes a transcript.

    Raises:
        InvalidInput: no item that can be.
    """
    if not isinstance(given, dict):
        raise InvalidInput(f"{where}: an object is needed.", param=where)
    item_id = given.get("id") or new_id("item")
    if not isinstance(item_id, str) or len(item_id) > 64:
        raise InvalidInput(f"{where}.id: a text of at most 64 characters is needed.", param=f"{where}.id")
    base = {"id": item_id, "object": "realtime.item", "status": "completed"}
    match given.get("type", "message"):
        case "message":
            return {**base, **await _message(given, transcribe, where)}
        case "function_call":
            texts = _texts(given, ("name", "arguments"), where)
            return {
                **base,
                "type": "function_call",
                "call_id": given.get("call_id") or new_id("call"),
                **texts,
            }
        case "function_call_output":
            return {**base, "type": "function_call_output", **_texts(given, ("call_id", "output"), where)}
        case other:
            raise InvalidInput(
                f"{where}.type: {str(other)[:40]!r} is not offered here; message, function_call and "
                "function_call_output are.",
                param=f"{where}.type",
            )


def _texts(given: dict[str, Any], names: tuple[str, ...], where: str) -> dict[str, str]:
    for name in names:
        if not isinstance(given.get(name), str):
            raise InvalidInput(f"{where}.{name}: a text is needed.", param=f"{where}.{name}")
    return {name: given[name] for name in names}


async def _message(given: dict[str, Any], transcribe: Transcribe, where: str) -> Event:
    role, content = given.get("role"), given.get("content")
    if role not in _ROLES:
        raise InvalidInput(f"{where}.role: must be one of {', '.join(_ROLES)}.", param=f"{where}.role")
    if not isinstance(content, list):
        raise InvalidInput(f"{where}.content: a list is needed.", param=f"{where}.content")
    parts = [
        await _part(part, transcribe, f"{where}.content[{number}]") for number, part in enumerate(content)
    ]
    return {"type": "message", "role": role, "content": parts}


async def _part(part: object, transcribe: Transcribe, where: str) -> Event:
    if isinstance(part, dict):
        if isinstance(part.get("text"), str):
            return {"type": str(part.get("type") or "input_text"), "text": part["text"]}
        if part.get("type") in ("input_audio", "output_audio"):
            if isinstance(part.get("audio"), str):
                return {"type": part["type"], "transcript": await transcribe(part["audio"], where)}
            return {"type": part["type"], "transcript": str(part.get("transcript") or "")}
    raise InvalidInput(f"{where}: input_text or input_audio is needed.", param=where)
