"""An answer in a chat as server-sent events in the form of completion chunks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

import orjson

from dragoman.dialects.aivax.chat_content import attachments
from dragoman.dialects.aivax.errors import render
from dragoman.domain.chat.content import write_citations
from dragoman.domain.chat.turn import Reply
from dragoman.domain.messages.events import (
    Attached,
    CitationsFound,
    Event,
    Finished,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolRun,
    Usage,
)
from dragoman.kit.errors import DragomanError
from dragoman.kit.jsontypes import JsonValue

DONE = b"data: [DONE]\n\n"
PING = b": ping\n\n"


def frame(payload: Mapping[str, JsonValue]) -> bytes:
    """One server-sent event."""
    return b"data: " + orjson.dumps(payload) + b"\n\n"


def usage_of(usage: Usage) -> dict[str, JsonValue]:
    """Token counts as chunks have them; cached tokens are counted apart from the prompt's."""
    return {
        "prompt_tokens": usage.prompt_tokens - usage.cached_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
    }


@dataclass(slots=True)
class ChunkEncoder:
    """Turns the events of one answer into frames. ``shows_tools``: whether the page is told of tools at work."""

    id: str
    created: int
    model: str
    shows_tools: bool
    _started: bool = False

    def encode(self, event: Event) -> bytes:
        """The frame of an event; nothing where the page is not to know."""
        match event:
            case TextDelta(text):
                return self._delta({"content": text})
            case ReasoningDelta(text):
                return self._delta({"reasoning": text})
            case ToolCallDelta():
                return self._delta({"tool_calls": [_call(event)]})
            case ToolRun():
                return frame(self._tool(event)) if self.shows_tools else b""
            case Attached(parts):
                return self._delta(attachments(parts))
            case CitationsFound() | Finished():
                return b""
            case _:
                assert_never(event)

    def end(self, reply: Reply) -> bytes:
        """The last frame: how it ended, what was used, the citations."""
        answer = reply.answer
        delta: dict[str, JsonValue] = {}
        if answer.citations:
            delta["annotations"] = [
                {"type": "document_citation", **citation} for citation in write_citations(answer.citations)
            ]
        chunk = self._chunk(delta, finish_reason=answer.finish_reason)
        chunk |= {
            "model": answer.model or self.model,
            "usage": usage_of(answer.usage),
            "message_id": reply.message_id,
            "cancelled": reply.cancelled,
            **({"takenOver": True} if reply.held else {}),
        }
        return frame(chunk)

    def failed(self, error: DragomanError) -> bytes:
        """The frame of a failure after the stream has begun."""
        _, _, body = render(error)
        return frame({"error": {"message": body["error"], "code": error.code, "details": body["details"]}})

    def _delta(self, delta: dict[str, JsonValue]) -> bytes:
        return frame(self._chunk(delta, finish_reason=None))

    def _chunk(self, delta: dict[str, JsonValue], *, finish_reason: str | None) -> dict[str, JsonValue]:
        if not self._started:
            self._started = True
            delta = {"role": "assistant", **delta}
        return {
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "system_fingerprint": None,
            "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}],
            "usage": None,
        }

    def _tool(self, run: ToolRun) -> dict[str, JsonValue]:
        tool: dict[str, JsonValue] = {
            "name": run.name,
            "id": run.id,
            "contents": run.arguments,
            "state": run.state.capitalize(),
        }
        if run.reason is not None or run.goal is not None:
            tool["explanation"] = {"reason": run.reason, "goal": run.goal}
        return {**self._chunk({}, finish_reason=None), "choices": [], "servertool": tool}


def _call(event: ToolCallDelta) -> dict[str, JsonValue]:
    function: dict[str, JsonValue] = {"arguments": event.arguments}
    call: dict[str, JsonValue] = {"index": event.index, "function": function}
    if event.name is not None:
        function["name"] = event.name
    if event.id is not None:
        call |= {"id": event.id, "type": "function"}
    return call
