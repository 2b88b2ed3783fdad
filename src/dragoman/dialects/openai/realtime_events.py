"""Server events of a realtime session, in the order that clients expect."""

import base64
import secrets
from dataclasses import dataclass, field
from typing import Any

from dragoman.domain.messages.events import Finished, Usage
from dragoman.domain.messages.parts import ToolCall

Event = dict[str, Any]


def new_id(kind: str) -> str:
    """An id such as ``item_0f…``."""
    return f"{kind}_{secrets.token_hex(10)}"


def event(kind: str, **members: Any) -> Event:
    """An event with its id."""
    return {"type": kind, "event_id": new_id("event"), **members}


def user_item(item_id: str, content: list[dict[str, Any]]) -> Event:
    """What the person said or wrote."""
    return {
        "id": item_id,
        "object": "realtime.item",
        "type": "message",
        "status": "completed",
        "role": "user",
        "content": content,
    }


def call_item(item_id: str, call: ToolCall, status: str) -> Event:
    """A call that the client is to carry out."""
    return {
        "id": item_id,
        "object": "realtime.item",
        "type": "function_call",
        "status": status,
        "call_id": call.id,
        "name": call.name,
        "arguments": call.arguments if status != "in_progress" else "",
    }


def call_events(
    response_id: str, place: int, item_id: str, call: ToolCall, before: str | None
) -> list[Event]:
    """A call from its beginning to its end."""
    at = {"response_id": response_id, "output_index": place}
    whose = {**at, "item_id": item_id, "call_id": call.id}
    begun, ended = call_item(item_id, call, "in_progress"), call_item(item_id, call, "completed")
    return [
        event("response.output_item.added", item=begun, **at),
        event("conversation.item.added", previous_item_id=before, item=begun),
        event("response.function_call_arguments.delta", delta=call.arguments, **whose),
        event("response.function_call_arguments.done", arguments=call.arguments, name=call.name, **whose),
        event("response.output_item.done", item=ended, **at),
        event("conversation.item.done", previous_item_id=before, item=ended),
    ]


@dataclass(slots=True)
class Answer:
    """One response under way. ``spoken`` says whether it is sound with a transcript or text alone.

    ``kept``: whether it becomes part of the conversation. Its message begins with the first words.
    """

    spoken: bool
    metadata: Any = None
    kept: bool = True
    id: str = field(default_factory=lambda: new_id("resp"))
    item: str = field(default_factory=lambda: new_id("item"))
    previous: str | None = None
    text: str = ""
    bytes_sent: int = 0
    started: bool = False
    thinking: bool = False
    thought: bool = False
    voiced: bool = False
    calls: list[ToolCall] = field(default_factory=list[ToolCall])
    output: list[Event] = field(default_factory=list[Event])
    end: Finished | None = None

    @property
    def _place(self) -> dict[str, Any]:
        return {"response_id": self.id, "item_id": self.item, "output_index": 0, "content_index": 0}

    def _part(self, text: str) -> dict[str, Any]:
        if self.spoken:
            return {"type": "output_audio", "transcript": text}
        return {"type": "output_text", "text": text}

    def message(self, status: str, text: str | None = None) -> Event:
        """The answer as an item; ``text`` instead of all that was written."""
        content = [self._part(self.text if text is None else text)] if status != "in_progress" else []
        return {
            "id": self.item,
            "object": "realtime.item",
            "type": "message",
            "status": status,
            "role": "assistant",
            "content": content,
        }

    def response(self, status: str, details: Any = None) -> Event:
        """The response as it is now."""
        return {
            "id": self.id,
            "object": "realtime.response",
            "status": status,
            "status_details": details,
            "output": list(self.output),
            "output_modalities": ["audio" if self.spoken else "text"],
            "metadata": self.metadata,
            "usage": None if self.end is None else _usage(self.end.usage),
        }

    def created(self) -> Event:
        """The response has begun."""
        return event("response.created", response=self.response("in_progress"))

    def begun(self, previous: str | None) -> list[Event]:
        """Its message and the one part of it."""
        self.started, self.previous = True, previous
        item = self.message("in_progress")
        told = [event("response.output_item.added", response_id=self.id, output_index=0, item=item)]
        if self.kept:
            told.append(event("conversation.item.added", previous_item_id=previous, item=item))
        return [*told, event("response.content_part.added", part=self._part(""), **self._place)]

    def words(self, delta: str) -> Event:
        """More of the text."""
        self.text += delta
        kind = "response.output_audio_transcript.delta" if self.spoken else "response.output_text.delta"
        return event(kind, delta=delta, **self._place)

    def sound(self, data: bytes) -> Event:
        """More of the sound."""
        self.bytes_sent += len(data)
        return event("response.output_audio.delta", delta=base64.b64encode(data).decode(), **self._place)

    def ended(self, item: Event) -> list[Event]:
        """The end of its message."""
        self.output.append(item)
        if self.spoken:
            closing = [
                event("response.output_audio.done", **self._place),
                event("response.output_audio_transcript.done", transcript=self.text, **self._place),
            ]
        else:
            closing = [event("response.output_text.done", text=self.text, **self._place)]
        told = [
            *closing,
            event("response.content_part.done", part=self._part(self.text), **self._place),
            event("response.output_item.done", response_id=self.id, output_index=0, item=item),
        ]
        if self.kept:
            told.append(event("conversation.item.done", previous_item_id=self.previous, item=item))
        return told


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "total_tokens": usage.total_tokens,
        "input_tokens": usage.prompt_tokens,
        "output_tokens": usage.completion_tokens,
        "input_token_details": {
            "text_tokens": usage.prompt_tokens,
            "audio_tokens": 0,
            "cached_tokens": usage.cached_tokens,
        },
        "output_token_details": {"text_tokens": usage.completion_tokens, "audio_tokens": 0},
    }
