"""Anthropic's message format: requests out, streamed events in."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from dragoman.adapters.models.openai_wire import estimated_tokens, stream_error
from dragoman.domain.inference.ports import ChatRequest, Sampling
from dragoman.domain.messages.events import (
    Event,
    Finished,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from dragoman.domain.messages.parts import FilePart, ImagePart, Message, Part, TextPart
from dragoman.kit.errors import InvalidInput, ProviderError
from dragoman.kit.jsontypes import JsonObject

_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)(?:;[\w=-]+)*;base64,", re.IGNORECASE)
_THINKING_TOKENS = {"low": 2048, "medium": 8192, "high": 16384}
_FINISH_REASONS: Mapping[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


def encode(request: ChatRequest, model: str, *, max_tokens: int) -> dict[str, Any]:
    """The body of a streaming ``/messages`` call; ``max_tokens`` bounds the answer when the request does not.

    Raises:
        InvalidInput: a part that the format has no place for.
    """
    body: dict[str, Any] = {
        "model": model,
        "max_tokens": request.sampling.max_tokens or max_tokens,
        "stream": True,
        "messages": _turns(request.messages),
    }
    if system := _system(request):
        body["system"] = system
    if request.tools:
        body |= _tools(request)
    body |= _sampling(request.sampling)
    if request.user is not None:
        body["metadata"] = {"user_id": request.user}
    _think(body, request)
    return body


def _system(request: ChatRequest) -> str:
    texts = [message.text for message in request.messages if message.role == "system"]
    if request.response_format is not None:
        texts.append(_form(request.response_format))
    return "\n\n".join(text for text in texts if text)


def _form(response_format: JsonObject) -> str:
    """The wish for JSON in words, as the format has no field for it that every model knows."""
    if response_format.get("type") == "json_object":
        return "Answer with one JSON object and nothing else."
    described = response_format.get("json_schema")
    schema = described.get("schema") if isinstance(described, Mapping) else None
    if schema is None:
        return ""
    wish = "Answer with one JSON value that fits this JSON Schema and nothing else:"
    return f"{wish}\n{orjson.dumps(schema).decode()}"


def _sampling(sampling: Sampling) -> dict[str, Any]:
    sent: dict[str, Any] = {}
    if sampling.temperature is not None:
        sent["temperature"] = min(sampling.temperature, 1.0)
    if sampling.top_p is not None:
        sent["top_p"] = sampling.top_p
    if sampling.top_k is not None:
        sent["top_k"] = sampling.top_k
    if sampling.stop:
        sent["stop_sequences"] = [stop for stop in sampling.stop if stop.strip()]
    return sent


def _think(body: dict[str, Any], request: ChatRequest) -> None:
    """Turns thinking on where the format allows it: not with forced tools, nor after tool results, whose
    signed thoughts a conversation in another dialect does not carry."""
    budget = _THINKING_TOKENS.get(request.sampling.reasoning_effort or "")
    forced = request.tool_choice is not None and request.tool_choice.mode in ("required", "function")
    if budget is None or forced or any(message.role == "tool" for message in request.messages):
        return
    body["thinking"] = {"type": "enabled", "budget_tokens": budget}
    body["max_tokens"] += budget
    for refused in ("temperature", "top_p", "top_k"):
        body.pop(refused, None)


def _tools(request: ChatRequest) -> dict[str, Any]:
    sent: dict[str, Any] = {
        "tools": [
            {
                "name": tool.name,
                "description": tool.description or "",
                "input_schema": tool.parameters or {"type": "object", "properties": {}},
            }
            for tool in request.tools
        ]
    }
    choice: dict[str, Any] = {"type": "auto"}
    if request.tool_choice is not None:
        kind = {"auto": "auto", "none": "none", "required": "any", "function": "tool"}[
            request.tool_choice.mode
        ]
        choice = {"type": kind}
        if kind == "tool":
            choice["name"] = request.tool_choice.function
    if request.parallel_tool_calls is False and choice["type"] != "none":
        choice["disable_parallel_tool_use"] = True
    if request.tool_choice is not None or len(choice) > 1:
        sent["tool_choice"] = choice
    return sent


def _turns(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """User and assistant by turns; neighbours of one role are joined, tool results are the user's."""
    turns: list[dict[str, Any]] = []
    for message in messages:
        if message.role == "system":
            continue
        role = "assistant" if message.role == "assistant" else "user"
        blocks = _blocks(message)
        if not blocks:
            continue
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": role, "content": blocks})
    return turns


def _blocks(message: Message) -> list[dict[str, Any]]:
    own = [_part(part) for part in message.parts if not isinstance(part, TextPart) or part.text.strip()]
    if message.role == "tool":
        return [{"type": "tool_result", "tool_use_id": message.tool_call_id, "content": own}]
    calls = [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": _arguments(call.arguments)}
        for call in message.tool_calls
    ]
    return own + calls


def _arguments(text: str) -> dict[str, Any]:
    """A call's arguments as an object; what a model wrote wrongly is kept as text, so that it can see its
    mistake.
    """
    try:
        value = orjson.loads(text or "{}")
    except orjson.JSONDecodeError:
        return {"arguments": text}
    return value if isinstance(value, dict) else {"arguments": value}


def _part(part: Part) -> dict[str, Any]:
    match part:
        case TextPart(text):
            return {"type": "text", "text": text}
        case ImagePart(url):
            return {"type": "image", "source": _source(url)}
        case FilePart(data, filename):
            document = {"type": "document", "source": _source(data)}
            return document if filename is None else document | {"title": filename}
        case _:
            raise InvalidInput(
                "This model's provider takes text, images and documents, not sound or video.",
                param="messages",
            )


def _source(url: str) -> dict[str, str]:
    if match := _DATA_URL.match(url):
        return {"type": "base64", "media_type": match.group(1).lower(), "data": url[match.end() :]}
    if url.lower().startswith(("https://", "http://")):
        return {"type": "url", "url": url}
    raise InvalidInput(
        "An image or file is given as an http(s) address or a base64 data: URL.", param="messages"
    )


@dataclass(slots=True)
class Decoder:
    """Turns the events of one answer into ours. ``feed`` each, then take ``finish``.

    Args:
        model: the name the catalogue knows the model by.
        prompt_tokens: an estimate, for answers that come without a count.
    """

    model: str
    prompt_tokens: int
    done: bool = False
    _reason: FinishReason | None = None
    _counted: dict[str, int] = field(default_factory=dict)
    _written: int = 0
    # content block -> index among the tool calls
    _calls: dict[int, int] = field(default_factory=dict)
    _without_arguments: set[int] = field(default_factory=set)

    def feed(self, data: str) -> Iterator[Event]:
        """The events of one server-sent event's data.

        Raises:
            ProviderError: the provider reported a failure, or sent what is no event.
        """
        told = _event(data)
        match told.get("type"):
            case "message_start":
                self._count(told.get("message", {}).get("usage"))
            case "content_block_start":
                yield from self._begun(told.get("index", 0), told.get("content_block", {}))
            case "content_block_delta":
                yield from self._delta(told.get("index", 0), told.get("delta", {}))
            case "content_block_stop" if (block := told.get("index", 0)) in self._without_arguments:
                yield ToolCallDelta(self._calls[block], arguments="{}")
            case "message_delta":
                self._count(told.get("usage"))
                if reason := told.get("delta", {}).get("stop_reason"):
                    self._reason = _FINISH_REASONS.get(reason, "stop")
            case "message_stop":
                self.done = True
            case "error":
                raise stream_error(told.get("error"))
            case _:
                pass  # pings, and whatever the format will add

    def _begun(self, block: int, content: Mapping[str, Any]) -> Iterator[Event]:
        if content.get("type") == "tool_use":
            index = self._calls[block] = len(self._calls)
            self._without_arguments.add(block)
            self._written += len(content.get("name", ""))
            yield ToolCallDelta(index, content.get("id"), content.get("name"))
        elif text := content.get("text"):
            self._written += len(text)
            yield TextDelta(text)

    def _delta(self, block: int, delta: Mapping[str, Any]) -> Iterator[Event]:
        match delta.get("type"):
            case "text_delta":
                self._written += len(delta["text"])
                yield TextDelta(delta["text"])
            case "thinking_delta":
                self._written += len(delta["thinking"])
                yield ReasoningDelta(delta["thinking"])
            case "input_json_delta" if delta.get("partial_json") and block in self._calls:
                self._without_arguments.discard(block)
                self._written += len(delta["partial_json"])
                yield ToolCallDelta(self._calls[block], arguments=delta["partial_json"])
            case _:
                pass  # signatures of thoughts, citations of the provider's own

    def _count(self, usage: object) -> None:
        if isinstance(usage, dict):
            self._counted.update({key: value for key, value in usage.items() if isinstance(value, int)})

    def finish(self) -> Finished:
        """The last event.

        Raises:
            ProviderError: the stream ended before the answer did (retryable).
        """
        if self._reason is None and not self.done:
            raise ProviderError("The provider's answer broke off before its end.", retryable=True)
        return Finished(self._reason or "stop", self._usage(), self.model)

    def _usage(self) -> Usage:
        counted = self._counted
        if "input_tokens" not in counted or "output_tokens" not in counted:
            return Usage(self.prompt_tokens, estimated_tokens(self._written), estimated=True)
        cached = counted.get("cache_read_input_tokens", 0)
        prompt = counted["input_tokens"] + cached + counted.get("cache_creation_input_tokens", 0)
        return Usage(prompt, counted["output_tokens"], cached)


def _event(data: str) -> dict[str, Any]:
    try:
        told = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ProviderError(
            "The provider sent something that is not JSON in its stream.", retryable=True
        ) from error
    if not isinstance(told, dict):
        raise ProviderError("The provider sent something unexpected in its stream.", retryable=True)
    return told
