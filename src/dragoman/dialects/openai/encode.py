"""From the domain's events to the OpenAI shapes, whole and streamed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

import orjson

from dragoman.domain.messages.citations import Citation
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
from dragoman.domain.messages.fold import Answer
from dragoman.domain.messages.parts import AudioPart, FilePart, ImagePart, Part, TextPart, VideoPart

Json = dict[str, object]
DONE = b"data: [DONE]\n\n"


def usage_object(usage: Usage) -> Json:
    """Token counts; cached tokens are counted apart from the prompt's, the total is the same either way."""
    return {
        "prompt_tokens": usage.prompt_tokens - usage.cached_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens, "audio_tokens": 0},
    }


def annotation(citation: Citation) -> Json:
    """A citation: the number in the text and the place it stands for."""
    return {
        "type": "document_citation",
        "number": citation.number,
        "collection_id": citation.collection_id,
        "document_id": citation.document_id,
        "name": citation.document_name,
        "passage_id": citation.passage_id,
        "page": citation.page,
        "heading_path": list(citation.heading_path),
        "char_start": citation.char_start,
        "char_end": citation.char_end,
        "text": citation.text,
        "score": round(citation.score, 4),
    }


def attachments(parts: Sequence[Part]) -> Json:
    """What tools made for the person: pictures as ``images``, anything else as ``attachments``; nothing where there is none."""
    shown = [_attachment(part) for part in parts]
    images = [one for one in shown if one["type"] == "image_url"]
    others = [one for one in shown if one["type"] != "image_url"]
    return {**({"images": images} if images else {}), **({"attachments": others} if others else {})}


def _attachment(part: Part) -> Json:
    match part:
        case TextPart(text):
            return {"type": "text", "text": text}
        case ImagePart(url):
            return {"type": "image_url", "image_url": {"url": url}}
        case AudioPart(data, form):
            return {"type": "input_audio", "input_audio": {"data": data, "format": form}}
        case VideoPart(url):
            return {"type": "video_url", "video_url": {"url": url}}
        case FilePart(data, filename):
            return {"type": "file", "file": {"filename": filename, "file_data": data}}
        case _:
            assert_never(part)


def completion(answer: Answer, *, id: str, created: int, context: Json, of_gateway: bool) -> Json:
    """The whole answer as a ``chat.completion``; a gateway's always has ``tool_calls``, if empty."""
    message: Json = {
        "role": "assistant",
        "content": answer.text if answer.text or not answer.tool_calls else None,
        "refusal": None,
        "annotations": [annotation(citation) for citation in answer.citations],
    }
    message |= attachments(answer.attachments)
    if answer.reasoning:
        message["reasoning"] = answer.reasoning
    if answer.tool_calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in answer.tool_calls
        ]
    elif of_gateway:
        message["tool_calls"] = []
    return {
        "id": id,
        "object": "chat.completion",
        "created": created,
        "model": answer.model,
        "choices": [
            {"index": 0, "message": message, "logprobs": None, "finish_reason": answer.finish_reason}
        ],
        "usage": usage_object(answer.usage),
        "service_tier": "default",
        "system_fingerprint": None,
        "generation_context": context,
    }


def frame(payload: Mapping[str, object]) -> bytes:
    """One server-sent event."""
    return b"data: " + orjson.dumps(payload) + b"\n\n"


@dataclass(slots=True)
class StreamEncoder:
    """Turns events into ``chat.completion.chunk`` frames. The first carries the role, the last the usage."""

    id: str
    created: int
    model: str
    include_usage: bool
    of_gateway: bool = False
    _started: bool = False
    _citations: tuple[Citation, ...] = ()

    def encode(self, event: Event) -> bytes:
        """The frames of one event, possibly none."""
        match event:
            case CitationsFound(citations):
                self._citations = citations
                return b""
            case TextDelta(text):
                return self._delta({"content": text})
            case ReasoningDelta(text):
                return self._delta({"reasoning": text})
            case ToolCallDelta():
                return self._delta({"tool_calls": [_call_delta(event)]})
            case ToolRun():
                return self._tool_run(event)
            case Attached(parts):
                return self._delta(attachments(parts))
            case Finished():
                return self.finish(event, {})
            case _:
                assert_never(event)

    def _chunk(self, delta: Json, *, finish_reason: str | None = None) -> Json:
        if not self._started:
            self._started = True
            delta = {"role": "assistant", **delta}
        chunk: Json = {
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "system_fingerprint": None,
            "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}],
        }
        if self.include_usage or self.of_gateway:
            chunk["usage"] = None
        return chunk

    def _delta(self, delta: Json) -> bytes:
        return frame(self._chunk(delta))

    def _tool_run(self, event: ToolRun) -> bytes:
        """What the server's own tools do, for clients that show it; others see a chunk without a choice."""
        told: Json = {
            "name": event.name,
            "id": event.id,
            "contents": orjson.dumps(event.result).decode()
            if event.state in ("completed", "failed")
            else event.arguments,
            "state": event.state.capitalize(),
        }
        if event.reason is not None or event.goal is not None:
            told["explanation"] = {"reason": event.reason, "goal": event.goal}
        return frame({**self._chunk({}), "choices": [], "servertool": told})

    def finish(self, event: Finished, context: Json) -> bytes:
        """The last frames; usage and ``generation_context`` stand in the very last one.

        A client that asked for usage gets it in a chunk of its own, as OpenAI sends it; one that did not gets it from
        gateways only.
        """
        self.model = event.model
        delta: Json = {}
        if self._citations:
            delta["annotations"] = [annotation(citation) for citation in self._citations]
        last = self._chunk(delta, finish_reason=event.reason)
        frames = b""
        if self.include_usage:
            frames = frame(last)
            last = {**self._chunk({}), "choices": []}
        if self.include_usage or self.of_gateway:
            last["usage"] = usage_object(event.usage)
            last["generation_context"] = context
        return frames + frame(last)


def _call_delta(event: ToolCallDelta) -> Json:
    function: Json = {"arguments": event.arguments}
    call: Json = {"index": event.index, "function": function}
    if event.name is not None:
        function["name"] = event.name
    if event.id is not None:
        call |= {"id": event.id, "type": "function"}
    return call
