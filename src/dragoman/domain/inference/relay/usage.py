"""What an answer used: as the provider counted it, else estimated from what was passed on."""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import cast

import orjson

from dragoman.domain.messages.events import Usage
from dragoman.kit.jsontypes import JsonObject

CountTokens = Callable[[str], int]

_COMPACT_BYTES = 512 * 1024
_SHORT_BYTES = 8192
_USAGE_BYTES = 4096
_MESSAGE_TOKENS = 8
_MEDIA_TOKENS = 1500
_TEXT_FIELDS = ("content", "reasoning", "reasoning_content", "refusal")
_decoder = json.JSONDecoder()


def parse_usage(value: object) -> Usage | None:
    """The token counts in a provider's usage object, None when it holds none."""
    if not isinstance(value, dict):
        return None
    counts = cast("Mapping[str, object]", value)
    prompt, completion = counts.get("prompt_tokens"), counts.get("completion_tokens")
    if not isinstance(prompt, int) and not isinstance(completion, int):
        return None
    return Usage(
        prompt_tokens=_integer(prompt),
        completion_tokens=_integer(completion),
        cached_tokens=_detail(counts.get("prompt_tokens_details"), "cached_tokens"),
        reasoning_tokens=_detail(counts.get("completion_tokens_details"), "reasoning_tokens"),
    )


def _integer(value: object) -> int:
    return value if isinstance(value, int) else 0


def _detail(value: object, name: str) -> int:
    return _integer(cast("Mapping[str, object]", value).get(name)) if isinstance(value, dict) else 0


def find_usage(body: bytes) -> Usage | None:
    """The usage of a whole answer; of a long one only the usage object itself is decoded."""
    at = body.rfind(b'"usage"')
    if at < 0:
        return None
    if len(body) > _SHORT_BYTES and (usage := _usage_at(body[at + 7 : at + 7 + _USAGE_BYTES])) is not None:
        return usage
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return parse_usage(cast("dict[str, object]", answer).get("usage")) if isinstance(answer, dict) else None


def _usage_at(text: bytes) -> Usage | None:
    """The usage in what follows its name."""
    text = text.lstrip()
    if not text.startswith(b":"):
        return None
    try:
        value, _ = _decoder.raw_decode(text[1:].decode("latin-1").lstrip())
    except ValueError:
        return None
    return parse_usage(value)


class Transcript:
    """What was passed on of one answer, kept small: frames turn into their text outside the loop's thread."""

    def __init__(self, body: JsonObject, count: CountTokens) -> None:
        self._body = body
        self._count = count
        self._frames: list[bytes] = []
        self._size = 0
        self._texts: list[asyncio.Future[str]] = []

    def add(self, frames: bytes) -> None:
        """Takes whole events."""
        self._frames.append(frames)
        self._size += len(frames)
        if self._size > _COMPACT_BYTES:
            frames_now, self._frames, self._size = self._frames, [], 0
            loop = asyncio.get_running_loop()
            self._texts.append(loop.run_in_executor(None, _written, frames_now))

    async def estimate(self) -> Usage:
        """Tokens of the question and of what was answered, counted in another thread."""
        texts = [await text for text in self._texts]
        return await asyncio.to_thread(self._estimate, texts)

    def _estimate(self, texts: Sequence[str]) -> Usage:
        written = "".join(texts) + _written(self._frames)
        return Usage(
            prompt_tokens=self._count(_asked(self._body)),
            completion_tokens=self._count(written) if written else 0,
            estimated=True,
        )

    def rough(self) -> Usage:
        """An estimate from sizes alone, for when there is no time to count."""
        return Usage(completion_tokens=self._size // 200, estimated=True)


def _asked(body: JsonObject) -> str:
    """The text of a request, without its images and sounds."""
    messages = body.get("messages")
    parts: list[str] = []
    for message in messages if isinstance(messages, list) else ():
        if not isinstance(message, Mapping):
            continue
        content = message.get("content")
        if isinstance(content, str):
            parts.append(content)
        elif isinstance(content, list):
            parts += [
                text
                for part in content
                if isinstance(part, Mapping) and isinstance(text := part.get("text"), str)
            ]
    if tools := body.get("tools"):
        parts.append(orjson.dumps(tools).decode())
    return "\n".join(parts)


def at_most_asked(body: JsonObject) -> int:
    """More tokens than the request is likely to have; a model reads at most about one in three bytes of text."""
    messages = body.get("messages")
    turns = messages if isinstance(messages, list) else ()
    media = sum(
        isinstance(part, Mapping) and part.get("type") not in (None, "text")
        for turn in turns
        if isinstance(turn, Mapping) and isinstance(content := turn.get("content"), list)
        for part in content
    )
    size = len(_asked(body).encode("utf-8", "replace"))
    return size // 3 + _MESSAGE_TOKENS * len(turns) + _MEDIA_TOKENS * media


def most_answered(body: JsonObject, settings: JsonObject) -> int | None:
    """How many tokens the answer may have, by the request or else by the settings sent with it."""
    for given in (body, settings):
        for name in ("max_completion_tokens", "max_tokens"):
            most = given.get(name)
            if isinstance(most, int) and most > 0:
                return most
    return None


def _written(frames: Sequence[bytes]) -> str:
    """The text, reasoning and tool arguments in a stream's events."""
    parts: list[str] = []
    for line in b"".join(frames).splitlines():
        if not line.startswith(b"data:"):
            continue
        try:
            chunk = orjson.loads(line[5:])
        except orjson.JSONDecodeError:
            continue  # the terminator
        parts.extend(_texts_of(chunk))
    return "".join(parts)


def answer_text(body: bytes) -> str:
    """The text, reasoning and tool arguments of a whole answer; empty when it is none."""
    try:
        return "".join(_texts_of(orjson.loads(body)))
    except orjson.JSONDecodeError:
        return ""


def _texts_of(chunk: object) -> Iterator[str]:
    choices = cast("Mapping[str, object]", chunk).get("choices") if isinstance(chunk, dict) else None
    for choice in cast("list[object]", choices) if isinstance(choices, list) else ():
        if not isinstance(choice, dict):
            continue
        known = cast("Mapping[str, object]", choice)
        delta = known.get("delta") or known.get("message")
        if isinstance(delta, dict):
            yield from _delta_texts(cast("Mapping[str, object]", delta))


def _delta_texts(delta: Mapping[str, object]) -> Iterator[str]:
    for name in _TEXT_FIELDS:
        if isinstance(text := delta.get(name), str):
            yield text
    calls = delta.get("tool_calls")
    for call in cast("list[object]", calls) if isinstance(calls, list) else ():
        function = cast("Mapping[str, object]", call).get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            known = cast("Mapping[str, object]", function)
            yield from (text for name in ("name", "arguments") if isinstance(text := known.get(name), str))


def estimate_whole(body: JsonObject, answer: bytes, count: CountTokens) -> Usage:
    """Tokens of a request and its whole answer; runs long for long texts, so not in the loop's thread."""
    text = answer_text(answer)
    return Usage(
        prompt_tokens=count(_asked(body)), completion_tokens=count(text) if text else 0, estimated=True
    )
