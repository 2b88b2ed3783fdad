"""Server events of a realtime session, in the order that clients expect."""

import base64
import secrets
from dataclasses import dataclass, field
from typing import Any

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


@dataclass(slots=True)
class Answer:
    """One response under way. ``spoken`` says whether it is sound with a transcript or text alone."""

    spoken: bool
    previous: str | None
    metadata: Any = None
    id: str = field(default_factory=lambda: new_id("resp"))
    item: str = field(default_factory=lambda: new_id("item"))
    text: str = ""

    @property
    def _place(self) -> dict[str, Any]:
        return {"response_id": self.id, "item_id": self.item, "output_index": 0, "content_index": 0}

    def _part(self, text: str) -> dict[str, Any]:
        return (
            {"type": "output_audio", "transcript": text}
            if self.spoken
            else {"type": "output_text", "text": text}
        )

    def _message(self, status: str) -> Event:
        content = [self._part(self.text)] if status != "in_progress" else []
        return {
            "id": self.item,
            "object": "realtime.item",
            "type": "message",
            "status": status,
            "role": "assistant",
            "content": content,
        }

    def _response(self, status: str, output: list[Event], details: Any = None) -> Event:
        return {
            "id": self.id,
            "object": "realtime.response",
            "status": status,
            "status_details": details,
            "output": output,
            "output_modalities": ["audio" if self.spoken else "text"],
            "metadata": self.metadata,
            "usage": None,
        }

    def begun(self) -> list[Event]:
        """The response, its item and its one part."""
        return [
            event("response.created", response=self._response("in_progress", [])),
            event(
                "response.output_item.added",
                response_id=self.id,
                output_index=0,
                item=self._message("in_progress"),
            ),
            event(
                "conversation.item.added", previous_item_id=self.previous, item=self._message("in_progress")
            ),
            event("response.content_part.added", part=self._part(""), **self._place),
        ]

    def words(self, delta: str) -> Event:
        """More of the text."""
        self.text += delta
        kind = "response.output_audio_transcript.delta" if self.spoken else "response.output_text.delta"
        return event(kind, delta=delta, **self._place)

    def sound(self, data: bytes) -> Event:
        """More of the sound."""
        return event("response.output_audio.delta", delta=base64.b64encode(data).decode(), **self._place)

    def ended(self, status: str, details: Any = None) -> list[Event]:
        """Everything that is to be closed."""
        closing = (
            [
                event("response.output_audio.done", **self._place),
                event("response.output_audio_transcript.done", transcript=self.text, **self._place),
            ]
            if self.spoken
            else [event("response.output_text.done", text=self.text, **self._place)]
        )
        state = "completed" if status == "completed" else "incomplete"
        message = self._message(state)
        return [
            *closing,
            event("response.content_part.done", part=self._part(self.text), **self._place),
            event("response.output_item.done", response_id=self.id, output_index=0, item=message),
            event("conversation.item.done", previous_item_id=self.previous, item=message),
            event("response.done", response=self._response(status, [message], details)),
        ]
