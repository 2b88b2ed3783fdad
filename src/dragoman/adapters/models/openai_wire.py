"""The OpenAI chat format: requests out, streamed chunks in. Shared by everything that speaks it."""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, assert_never

import orjson

from dragoman.domain.inference.ports import ChatRequest, Sampling, ToolChoice
from dragoman.domain.messages.events import (
    Event,
    Finished,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from dragoman.domain.messages.parts import (
    AudioPart,
    FilePart,
    ImagePart,
    Message,
    Part,
    TextPart,
    ToolSpec,
    VideoPart,
)
from dragoman.kit.errors import ProviderError

_CHARACTERS_PER_TOKEN = 4
_FINISH_REASONS: Mapping[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "safety": "content_filter",
    "refusal": "content_filter",
}
_PLAIN_SAMPLING = (
    "temperature", "top_p", "top_k", "presence_penalty", "frequency_penalty", "seed", "reasoning_effort",
    "verbosity",
)  # fmt: skip
_HALF_CHARACTER = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    r"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)
_NOT_OVERRIDDEN = ("model", "messages", "stream", "stream_options")


def encode(request: ChatRequest, model: str, *, max_tokens_field: str = "max_tokens") -> dict[str, Any]:
    """The body of a streaming ``/chat/completions`` call.

    Args:
        request: what is asked.
        model: the provider's own name of the model.
        max_tokens_field: what the provider calls the bound of the answer's length.
    """
    body: dict[str, Any] = {
        "model": model,
        "messages": [_message(message) for message in request.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
        **_sampling(request.sampling, max_tokens_field),
        **_tools(request),
    }
    if request.response_format is not None:
        body["response_format"] = request.response_format
    if request.user is not None:
        body["user"] = request.user
    body.update({key: value for key, value in request.extra.items() if key not in _NOT_OVERRIDDEN})
    return body


def _sampling(sampling: Sampling, max_tokens_field: str) -> dict[str, Any]:
    sent: dict[str, Any] = {
        name: value for name in _PLAIN_SAMPLING if (value := getattr(sampling, name)) is not None
    }
    if sampling.stop:
        sent["stop"] = list(sampling.stop)
    if sampling.max_tokens is not None:
        sent[max_tokens_field] = sampling.max_tokens
    return sent


def _tools(request: ChatRequest) -> dict[str, Any]:
    if not request.tools:
        return {}
    sent: dict[str, Any] = {"tools": [_tool(tool) for tool in request.tools]}
    if request.tool_choice is not None:
        sent["tool_choice"] = _tool_choice(request.tool_choice)
    if request.parallel_tool_calls is not None:
        sent["parallel_tool_calls"] = request.parallel_tool_calls
    return sent


def _tool(tool: ToolSpec) -> dict[str, Any]:
    function: dict[str, Any] = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
        "strict": tool.strict,
    }
    return {
        "type": "function",
        "function": {key: value for key, value in function.items() if value is not None},
    }


def _tool_choice(choice: ToolChoice) -> str | dict[str, Any]:
    if choice.mode == "function":
        return {"type": "function", "function": {"name": choice.function}}
    return choice.mode


def _message(message: Message) -> dict[str, Any]:
    sent: dict[str, Any] = {"role": message.role, "content": _content(message.parts)}
    if message.name is not None:
        sent["name"] = message.name
    if message.reasoning is not None:
        # Set only for models that want it back: some providers refuse the field.
        sent["reasoning_content"] = message.reasoning
    if message.tool_call_id is not None:
        sent["tool_call_id"] = message.tool_call_id
    if message.tool_calls:
        sent["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
        sent["content"] = sent["content"] or None
    return sent


def _content(parts: Sequence[Part]) -> str | list[dict[str, Any]]:
    """Plain text where there is nothing else: many providers accept only that in system and tool messages."""
    if all(isinstance(part, TextPart) for part in parts):
        return "\n".join(part.text for part in parts if isinstance(part, TextPart))
    return [_part(part) for part in parts]


def _part(part: Part) -> dict[str, Any]:
    match part:
        case TextPart(text):
            return {"type": "text", "text": text}
        case ImagePart(url, detail):
            image = {"url": url} if detail is None else {"url": url, "detail": detail}
            return {"type": "image_url", "image_url": image}
        case AudioPart(data, form):
            return {"type": "input_audio", "input_audio": {"data": data, "format": form}}
        case VideoPart(url):
            return {"type": "video_url", "video_url": {"url": url}}
        case FilePart(data, filename):
            file = {"file_data": data} if filename is None else {"file_data": data, "filename": filename}
            return {"type": "file", "file": file}
        case _:
            assert_never(part)


def estimated_prompt_tokens(messages: Sequence[Message]) -> int:
    """A rough count for a prompt that nobody counted."""
    characters = sum(
        len(message.text) + sum(len(call.name) + len(call.arguments) for call in message.tool_calls)
        for message in messages
    )
    return -(-characters // _CHARACTERS_PER_TOKEN) + 4 * len(messages)


def estimated_tokens(characters: int) -> int:
    """A rough count for a text of so many characters."""
    return -(-characters // _CHARACTERS_PER_TOKEN)


@dataclass(slots=True)
class Decoder:
    """Turns the chunks of one answer into events. ``feed`` each, then take ``finish``.

    Args:
        model: the name the catalogue knows the model by.
        prompt_tokens: what the prompt is estimated to hold, for providers that do not count.
    """

    model: str
    prompt_tokens: int
    done: bool = False
    _reason: FinishReason | None = None
    _usage: Usage | None = None
    _written: int = 0
    _calls: dict[int, str] = field(default_factory=dict)

    def feed(self, data: str) -> Iterator[Event]:
        """The events of one chunk's data.

        Raises:
            ProviderError: the provider reported a failure, or sent what is no chunk.
        """
        if data.strip() == "[DONE]":
            self.done = True
            return
        chunk = _chunk(data)
        if (error := chunk.get("error")) is not None:
            raise stream_error(error)
        if isinstance(usage := chunk.get("usage"), dict):
            self._usage = _usage(usage)
        for choice in chunk.get("choices") or ():
            # Some compatible servers put a whole message where the delta belongs.
            yield from self._delta(choice.get("delta") or choice.get("message") or {})
            if reason := choice.get("finish_reason"):
                self._reason = _FINISH_REASONS.get(str(reason).lower(), "stop")

    def _delta(self, delta: Mapping[str, Any]) -> Iterator[Event]:
        reasoning = delta.get("reasoning_content") or delta.get("reasoning")
        if isinstance(reasoning, str) and reasoning:
            self._written += len(reasoning)
            yield ReasoningDelta(reasoning)
        for text in (_text(delta.get("content")), delta.get("refusal")):
            if text:
                self._written += len(text)
                yield TextDelta(text)
        for position, call in enumerate(delta.get("tool_calls") or ()):
            yield self._call(position, call)

    def _call(self, position: int, call: Mapping[str, Any]) -> ToolCallDelta:
        function = call.get("function") or {}
        arguments = function.get("arguments") or ""
        if not isinstance(arguments, str):
            arguments = orjson.dumps(arguments).decode()
        name, index = function.get("name") or None, self._index(position, call)
        first = index not in self._calls
        identifier = call.get("id") or (f"call_{index}" if first else None)
        if first:
            self._calls[index] = str(identifier)
        self._written += len(arguments) + len(name or "")
        return ToolCallDelta(index, identifier if first else None, name, arguments)

    def _index(self, position: int, call: Mapping[str, Any]) -> int:
        """The call's index; servers that send none give every whole call an id of its own."""
        index = call.get("index")
        if isinstance(index, int):
            return index
        identifier = call.get("id")
        known = next((each for each, name in self._calls.items() if identifier and name == identifier), None)
        if known is not None:
            return known
        if identifier or not self._calls:
            return len(self._calls)
        return position or max(self._calls)

    def finish(self) -> Finished:
        """The last event.

        Raises:
            ProviderError: the stream ended before the answer did (retryable).
        """
        if self._reason is None and not self.done:
            raise ProviderError("The provider's answer broke off before its end.", retryable=True)
        reason = self._reason or ("tool_calls" if self._calls else "stop")
        if self._calls and reason == "stop":
            # Several compatible servers say "stop" after tool calls.
            reason = "tool_calls"
        usage = self._usage or Usage(self.prompt_tokens, estimated_tokens(self._written), estimated=True)
        return Finished(reason, usage, self.model)


class StreamDecoder(Protocol):
    """What ``decoded`` drives."""

    done: bool

    def feed(self, data: str) -> Iterator[Event]:
        """The events of one piece of data."""
        ...

    def finish(self) -> Finished:
        """The last event."""
        ...


async def decoded(chunks: AsyncIterator[str], decoder: StreamDecoder) -> AsyncGenerator[Event]:
    """All events of one answer, ``Finished`` last.

    Raises:
        ProviderError: the provider reported a failure, or the stream ended before the answer did.
    """
    async for data in chunks:
        for event in decoder.feed(data):
            yield event
        if decoder.done:
            break
    yield decoder.finish()


def _chunk(data: str) -> dict[str, Any]:
    try:
        chunk = _loaded(data)
    except orjson.JSONDecodeError as error:
        raise ProviderError(
            "The provider sent something that is not JSON in its stream.", retryable=True
        ) from error
    if not isinstance(chunk, dict):
        raise ProviderError("The provider sent something unexpected in its stream.", retryable=True)
    return chunk


def _loaded(data: str) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        # Some servers cut characters in two where they cut their text.
        mended = _HALF_CHARACTER.sub(r"\\ufffd", data)
        if mended == data:
            raise
        return orjson.loads(mended)


def stream_error(error: object) -> ProviderError:
    """The failure that a provider reports inside its stream."""
    message, code = str(error), ""
    if isinstance(error, dict):
        message = str(error.get("message") or error.get("type") or "no reason given")
        code = f"{error.get('code') or ''} {error.get('type') or ''}".lower()
    passing = any(
        word in code for word in ("server", "overload", "timeout", "unavailable", "rate", "429", "500", "503")
    )
    return ProviderError(f"The provider failed: {message[:500]}", retryable=passing or not code.strip())


def _text(content: object) -> str:
    """Content as text; some servers send a list of parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(part.get("text") or "" for part in content if isinstance(part, dict))
    return ""


def _usage(usage: Mapping[str, Any]) -> Usage | None:
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if not isinstance(prompt, int) or not (isinstance(completion, int) or completion is None):
        return None
    cached = (
        (usage.get("prompt_tokens_details") or {}).get("cached_tokens")
        or usage.get("prompt_cache_hit_tokens")
        or 0
    )
    reasoning = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0
    return Usage(prompt, completion or 0, int(cached), int(reasoning))
