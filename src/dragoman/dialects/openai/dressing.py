"""Relayed answers in the shape that all answers have: our id, the catalogue's model name, usage and what it cost.

A stream is not decoded: what is the same in every chunk is replaced as bytes, and only its last chunk is written anew. Streams
of bare models pass as they are, with usage where it was asked for.
"""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

import orjson

from dragoman.dialects.openai.context import generation_context
from dragoman.dialects.openai.encode import DONE, frame, usage_object
from dragoman.domain.inference.pricing import Charge
from dragoman.domain.messages.events import Usage

# From a model's name and what was used to the priced lines.
Charges = Callable[[str, Usage], Sequence[Charge]]

_EVENT_END = re.compile(rb"(?<=\n\n)|(?<=\n\r\n)")
# Quotation marks inside JSON texts are escaped, so these match names only, never what a model wrote.
_FINISH = re.compile(rb'"finish_reason"\s*:\s*"')
_TERMINATOR = re.compile(rb"data:\s*\[DONE\]\s*\Z")
_ID = re.compile(rb'\A\s*data:\s*\{\s*("id"\s*:\s*"(?:[^"\\]|\\.)*")')
_MODEL = re.compile(rb'"model"\s*:\s*"(?:[^"\\]|\\.)*"')
_REASONING = (b'"reasoning_content":', b'"reasoning":')


@dataclass(frozen=True, slots=True)
class Dress:
    """What an answer is dressed with. ``of_gateway``: a gateway's stream tells its usage unasked."""

    id: str
    model: str
    charges: Charges
    of_gateway: bool
    wants_usage: bool

    @property
    def shows_usage(self) -> bool:
        """Whether a stream ends with what it used."""
        return self.of_gateway or self.wants_usage

    def context(self, usage: Usage) -> dict[str, object]:
        """``generation_context``; what is relayed runs no tools and is given no documents."""
        return generation_context(self.charges(self.model, usage), (), ())


def dressed_whole(body: bytes, usage: Usage, dress: Dress) -> bytes:
    """A whole answer; a body that is no completion stays as it is."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body
    if not isinstance(answer, dict):
        return body
    told = cast("dict[str, object]", answer)
    choices = told.get("choices")
    for choice in cast("list[object]", choices) if isinstance(choices, list) else ():
        if isinstance(choice, dict):
            _dress_choice(cast("dict[str, object]", choice), of_gateway=dress.of_gateway)
    told.setdefault("service_tier", "default")
    told.setdefault("system_fingerprint", None)
    told |= {"id": dress.id, "model": dress.model, "usage": usage_object(usage)}
    told["generation_context"] = dress.context(usage)
    return orjson.dumps(told)


def _dress_choice(choice: dict[str, object], *, of_gateway: bool) -> None:
    choice.setdefault("logprobs", None)
    message = choice.get("message")
    if not isinstance(message, dict):
        return
    told = cast("dict[str, object]", message)
    told.setdefault("refusal", None)
    if told.get("annotations") is None:
        told["annotations"] = []
    if "reasoning" not in told and told.get("reasoning_content"):
        told["reasoning"] = told.pop("reasoning_content")
    if of_gateway and told.get("tool_calls") is None:
        told["tool_calls"] = []


@dataclass(slots=True)
class StreamDresser:
    """Dresses the blocks of one stream, which are whole events; feed them in their order."""

    dress: Dress
    _changes: list[tuple[bytes, bytes]] | None = None
    _held: bytes = field(default=b"")

    def feed(self, block: bytes) -> bytes:
        """What goes on to the client, possibly nothing."""
        if self.dress.of_gateway:
            block = self._renamed(block)
        if not self.dress.shows_usage or _FINISH.search(block) is None:
            return block
        return self._without_finish(block)

    def end(self, block: bytes, usage: Usage) -> bytes:
        """The last block, with what was used before its terminator."""
        block = self.feed(block)
        if not self.dress.shows_usage:
            return block
        return _TERMINATOR.sub(b"", block) + self._closing(usage) + DONE

    def _renamed(self, block: bytes) -> bytes:
        if self._changes is None:
            self._changes = _changes(block, self.dress)
        for old, new in self._changes:
            block = block.replace(old, new)
        if _REASONING[0] in block and _REASONING[1] not in block:
            block = block.replace(*_REASONING)
        return block

    def _without_finish(self, block: bytes) -> bytes:
        passed: list[bytes] = []
        for event in _EVENT_END.split(block):
            if _FINISH.search(event) is None:
                passed.append(event)
                continue
            # Of several choices each has its end; the last one closes the answer.
            passed.append(self._held)
            self._held = event
        return b"".join(passed)

    def _closing(self, usage: Usage) -> bytes:
        told = {"usage": usage_object(usage), "generation_context": self.dress.context(usage)}
        chunk = _decoded(self._held)
        if chunk is None or self.dress.wants_usage:
            # A client that asked for usage gets it in a chunk of its own, as OpenAI sends it.
            own: dict[str, object] = {
                "id": self.dress.id,
                "object": "chat.completion.chunk",
                "model": self.dress.model,
            }
            own["created"] = (chunk or {}).get("created") or int(time.time())
            return self._held + frame({**own, "choices": [], **told})
        return frame({**chunk, **told})


def _decoded(event: bytes) -> dict[str, object] | None:
    data = b"\n".join(line[5:].strip() for line in event.splitlines() if line.startswith(b"data:"))
    try:
        chunk = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return cast("dict[str, object]", chunk) if isinstance(chunk, dict) else None


def _changes(block: bytes, dress: Dress) -> list[tuple[bytes, bytes]]:
    """What is replaced in every chunk, as the first one writes it."""
    changes: list[tuple[bytes, bytes]] = []
    if found := _ID.search(block):
        changes.append((found[1], b'"id":"' + dress.id.encode() + b'"'))
    if found := _MODEL.search(block):
        changes.append((found[0], b'"model":' + orjson.dumps(dress.model)))
    return [(old, new) for old, new in changes if old != new]
