"""From the domain's events to this dialect's message, whole and as its stream of events."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

import orjson

from dragoman.domain.messages.citations import Citation
from dragoman.domain.messages.events import (
    Attached,
    CitationsFound,
    Event,
    Finished,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolRun,
    Usage,
)
from dragoman.domain.messages.fold import Answer

Json = dict[str, object]
_STOP_REASONS: Mapping[FinishReason, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}
# Clients send it back with the thoughts; nothing here depends on it.
_SIGNATURE = "unsigned"


def usage_object(usage: Usage) -> Json:
    """Token counts; cached ones are counted apart from the input."""
    return {
        "input_tokens": usage.prompt_tokens - usage.cached_tokens,
        "output_tokens": usage.completion_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached_tokens,
    }


def citation_object(citation: Citation) -> Json:
    """A citation as a place in a document; ``document_index`` + 1 is the number of its mark in the text."""
    return {
        "type": "char_location",
        "cited_text": citation.text,
        "document_index": citation.number - 1,
        "document_title": citation.document_name,
        "start_char_index": citation.char_start,
        "end_char_index": citation.char_end,
        "file_id": None,
    }


def message(answer: Answer, *, id: str, stop_sequence: str | None, with_thoughts: bool) -> Json:
    """The whole answer."""
    content: list[Json] = []
    if with_thoughts and answer.reasoning:
        content.append({"type": "thinking", "thinking": answer.reasoning, "signature": _SIGNATURE})
    if answer.text or not answer.tool_calls:
        cited = [citation_object(citation) for citation in answer.citations]
        content.append({"type": "text", "text": answer.text, "citations": cited or None})
    content += [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": _input(call.arguments)}
        for call in answer.tool_calls
    ]
    return {
        **_envelope(id, answer.model),
        "content": content,
        "stop_reason": "stop_sequence" if stop_sequence is not None else _STOP_REASONS[answer.finish_reason],
        "stop_sequence": stop_sequence,
        "usage": usage_object(answer.usage),
    }


def _envelope(id: str, model: str) -> Json:
    return {"id": id, "type": "message", "role": "assistant", "model": model}


def _input(arguments: str) -> Json:
    """A call's arguments as the object this dialect wants; what is none is kept as text."""
    try:
        value = orjson.loads(arguments or "{}")
    except orjson.JSONDecodeError:
        return {"arguments": arguments}
    return value if isinstance(value, dict) else {"arguments": value}


def frame(kind: str, **values: object) -> bytes:
    """One server-sent event."""
    return b"event: " + kind.encode() + b"\ndata: " + orjson.dumps({"type": kind, **values}) + b"\n\n"


@dataclass(slots=True)
class StreamEncoder:
    """Turns events into this dialect's, one content block after the other."""

    id: str
    model: str
    input_tokens: int
    with_thoughts: bool
    _begun: bool = False
    _index: int = -1
    _open: str | int | None = None
    _cited: tuple[Citation, ...] = ()

    def encode(self, event: Event) -> bytes:
        """The frames of one event, possibly none; ``Finished`` is for ``finish``."""
        match event:
            case TextDelta(text):
                return self._piece("text", {"type": "text", "text": ""}, {"type": "text_delta", "text": text})
            case ReasoningDelta(text):
                if not self.with_thoughts:
                    return b""
                block: Json = {"type": "thinking", "thinking": "", "signature": ""}
                return self._piece("thinking", block, {"type": "thinking_delta", "thinking": text})
            case ToolCallDelta():
                return self._call(event)
            case CitationsFound(citations):
                self._cited = citations
                return b""
            case ToolRun() | Attached() | Finished():
                return b""
            case _:
                assert_never(event)

    def finish(self, finished: Finished, stop_sequence: str | None) -> bytes:
        """The last frames."""
        frames = self._start()
        if self._index < 0:
            frames += self._opened("text", {"type": "text", "text": ""})
        frames += self._closed()
        reason = "stop_sequence" if stop_sequence is not None else _STOP_REASONS[finished.reason]
        delta = {"stop_reason": reason, "stop_sequence": stop_sequence}
        usage = usage_object(finished.usage)
        return frames + frame("message_delta", delta=delta, usage=usage) + frame("message_stop")

    def _start(self) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        usage = usage_object(Usage(prompt_tokens=self.input_tokens, completion_tokens=1))
        told = {
            **_envelope(self.id, self.model),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage,
        }
        return frame("message_start", message=told) + frame("ping")

    def _piece(self, block: str | int, described: Json, delta: Json) -> bytes:
        frames = self._start()
        if self._open != block:
            frames += self._closed() + self._opened(block, described)
        return frames + self._delta(delta)

    def _call(self, event: ToolCallDelta) -> bytes:
        frames = self._start()
        if self._open != event.index:
            block = {"type": "tool_use", "id": event.id or "", "name": event.name or "", "input": {}}
            frames += self._closed() + self._opened(event.index, block)
        if event.arguments:
            frames += self._delta({"type": "input_json_delta", "partial_json": event.arguments})
        return frames

    def _delta(self, delta: Json) -> bytes:
        return frame("content_block_delta", index=self._index, delta=delta)

    def _opened(self, block: str | int, described: Json) -> bytes:
        self._open = block
        self._index += 1
        return frame("content_block_start", index=self._index, content_block=described)

    def _closed(self) -> bytes:
        if self._open is None:
            return b""
        frames = b""
        if self._open == "thinking":
            frames += self._delta({"type": "signature_delta", "signature": _SIGNATURE})
        elif self._open == "text":
            for citation in self._cited:
                frames += self._delta({"type": "citations_delta", "citation": citation_object(citation)})
            self._cited = ()
        self._open = None
        return frames + frame("content_block_stop", index=self._index)
