"""From the domain's events to this dialect's responses, whole and piece by piece."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

from dragoman.domain.messages.citations import Citation
from dragoman.domain.messages.events import Event, FinishReason, ReasoningDelta, TextDelta, Usage
from dragoman.domain.messages.fold import Answer
from dragoman.domain.messages.parts import ToolCall

Json = dict[str, object]
_REASONS: Mapping[FinishReason, str] = {
    "stop": "STOP",
    "length": "MAX_TOKENS",
    "tool_calls": "STOP",
    "content_filter": "SAFETY",
}


def usage_object(usage: Usage) -> Json:
    """Token counts; thoughts are counted apart from the answer."""
    return {
        "promptTokenCount": usage.prompt_tokens,
        "candidatesTokenCount": usage.completion_tokens - usage.reasoning_tokens,
        "totalTokenCount": usage.total_tokens,
        "thoughtsTokenCount": usage.reasoning_tokens,
        "cachedContentTokenCount": usage.cached_tokens,
    }


def grounding(citations: Sequence[Citation]) -> Json:
    """Where the answer comes from; chunk n-1 is the mark ``[n]`` of the text."""
    return {
        "groundingChunks": [
            {
                "retrievedContext": {
                    "title": citation.document_name,
                    "text": citation.text,
                    "documentName": citation.document_id,
                    "ragChunk": {
                        "text": citation.text,
                        "pageSpan": {"firstPage": citation.page, "lastPage": citation.page},
                    },
                }
            }
            for citation in citations
        ]
    }


def _call(call: ToolCall) -> Json:
    try:
        arguments = orjson.loads(call.arguments or "{}")
    except orjson.JSONDecodeError:
        arguments = {"arguments": call.arguments}
    if not isinstance(arguments, dict):
        arguments = {"arguments": arguments}
    return {"functionCall": {"id": call.id, "name": call.name, "args": arguments}}


@dataclass(frozen=True, slots=True)
class Encoder:
    """Words the responses of one request."""

    id: str
    with_thoughts: bool

    def whole(self, answer: Answer) -> Json:
        """The whole answer."""
        parts: list[Json] = []
        if self.with_thoughts and answer.reasoning:
            parts.append({"text": answer.reasoning, "thought": True})
        if answer.text or not answer.tool_calls:
            parts.append({"text": answer.text})
        return self._last(answer, parts)

    def piece(self, event: Event, model: str) -> Json | None:
        """The response that carries one event, if it shows at all."""
        match event:
            case TextDelta(text):
                part: Json = {"text": text}
            case ReasoningDelta(text) if self.with_thoughts:
                part = {"text": text, "thought": True}
            case _:
                return None
        candidate: Json = {"content": {"role": "model", "parts": [part]}, "index": 0}
        return {"candidates": [candidate], "modelVersion": model, "responseId": self.id}

    def end(self, answer: Answer) -> Json:
        """The last response of a stream: calls, where the answer comes from, why it ended, what it used."""
        return self._last(answer, [])

    def _last(self, answer: Answer, parts: list[Json]) -> Json:
        parts = parts + [_call(call) for call in answer.tool_calls]
        candidate: Json = {
            "content": {"role": "model", "parts": parts or [{"text": ""}]},
            "finishReason": _REASONS[answer.finish_reason],
            "index": 0,
        }
        if answer.citations:
            candidate["groundingMetadata"] = grounding(answer.citations)
        return {
            "candidates": [candidate],
            "usageMetadata": usage_object(answer.usage),
            "modelVersion": answer.model,
            "responseId": self.id,
        }
