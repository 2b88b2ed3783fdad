"""Tool calls as text, for models whose provider knows no tools: described in the system text, read from the answer."""

from collections.abc import Iterator
from dataclasses import replace

import orjson

from dragoman.domain.agents.habits import tool_calls_as_text
from dragoman.domain.inference.ports import ChatRequest
from dragoman.domain.messages.events import Event, TextDelta, ToolCallDelta
from dragoman.domain.messages.parts import Message, TextPart, ToolSpec
from dragoman.kit.ids import uuid7

PROTOCOL = "text"
_OPEN, _CLOSE = "<tool_call>", "</tool_call>"
_HOW = (
    "You can use the tools below. To use one, write nothing but a line of this form and stop; the result comes "
    'in the next message:\n<tool_call>{"name": "the tool", "arguments": {}}</tool_call>\n'
    "When you need no tool, answer normally. Never make up a result."
)


def as_text(request: ChatRequest) -> ChatRequest:
    """The request with its tools in the system text and earlier calls told in user turns."""
    turns = tool_calls_as_text(request.messages)
    choice = request.tool_choice
    if request.tools and not (choice is not None and choice.mode == "none"):
        text = "\n".join((_HOW, *(_described(tool) for tool in request.tools)))
        if choice is not None and choice.mode in ("required", "function"):
            text += f"\nYou must use {f'the tool {choice.function}' if choice.function else 'a tool'} now."
        if turns and turns[0].role == "system":
            turns[0] = replace(turns[0], parts=(*turns[0].parts, TextPart(text)))
        else:
            turns.insert(0, Message.of_text("system", text))
    return replace(request, messages=tuple(turns), tools=(), tool_choice=None, parallel_tool_calls=None)


def _described(tool: ToolSpec) -> str:
    schema = orjson.dumps(tool.parameters or {"type": "object"}).decode()
    return f"- {tool.name}: {tool.description or ''}\n  arguments: {schema}"


class WrittenCalls:
    """Turns calls written in the text into tool calls; what is no call stays text."""

    def __init__(self) -> None:
        self._held = ""
        self._calls = 0

    def feed(self, event: Event) -> Iterator[Event]:
        if not isinstance(event, TextDelta):
            yield event
            return
        self._held += event.text
        while (start := self._held.find(_OPEN)) >= 0:
            end = self._held.find(_CLOSE, start)
            if end < 0:
                break
            yield from _text(self._held[:start])
            yield from self._call(self._held[start + len(_OPEN) : end])
            self._held = self._held[end + len(_CLOSE) :]
        ready = start if start >= 0 else self._held.rfind("<")
        ready = len(self._held) if ready < 0 else ready
        if start < 0 and not _OPEN.startswith(self._held[ready:]):
            ready = len(self._held)
        yield from _text(self._held[:ready])
        self._held = self._held[ready:]

    def end(self) -> Iterator[Event]:
        # A call without its end: models often stop before the closing tag.
        rest, self._held = self._held, ""
        if rest.startswith(_OPEN):
            yield from self._call(rest.removeprefix(_OPEN))
        else:
            yield from _text(rest)

    def _call(self, text: str) -> Iterator[Event]:
        try:
            wish = orjson.loads(text)
            name, arguments = wish["name"], wish.get("arguments", {})
            if not isinstance(name, str) or not isinstance(arguments, dict):
                raise TypeError
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
            yield from _text(_OPEN + text + _CLOSE)
            return
        yield ToolCallDelta(self._calls, f"call_{uuid7()}", name, orjson.dumps(arguments).decode())
        self._calls += 1


def _text(text: str) -> Iterator[Event]:
    if text:
        yield TextDelta(text)
