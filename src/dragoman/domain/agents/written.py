"""Tool calls that a model writes into its text although its provider knows tools."""

import re
from collections.abc import Collection, Iterator
from typing import cast

import orjson

from dragoman.domain.messages.events import Event, TextDelta, ToolCallDelta
from dragoman.kit.ids import uuid7
from dragoman.kit.jsontypes import JsonObject

_LONGEST = 100_000
_OPENING = re.compile(r"<tool_call>|```[a-z_]*[ \t]*\n|(?:(?<=\n)|\A)[ \t]*(?=\{)")
_NAMES = ("name", "tool", "tool_name", "function")
_ARGUMENTS = ("arguments", "parameters", "args", "input")
_FIRST_KEY = re.compile(r'\s*\{\s*"(\w+)"\s*:(?:\s*"([^"\\]*)")?')
_BEFORE_KEY = re.compile(r'\s*\{\s*("\w*("\s*)?)?')
_DECODER_START = re.compile(r"\s*\{")
_CLOSINGS = {"<": "</tool_call>", "`": "```"}
_TAILS = ("<tool_call>", "```")


class SpokenCalls:
    """Turns calls of known tools that stand in the text into tool calls; anything else stays text.

    A call is an object of a name and arguments, in ``<tool_call>`` tags, in a code fence, or at the start of a line. Text
    is held back only while it may still become one.

    Args:
        names: the tools that can be called.
    """

    def __init__(self, names: Collection[str]) -> None:
        self._names = names
        self._held = ""
        self._line_start = True
        self._calls = 0
        self._native = False
        self._open = False
        self._closing: str | None = None

    def feed(self, event: Event) -> Iterator[Event]:
        if not isinstance(event, TextDelta):
            # A model that calls tools as it should writes no calls by hand.
            self._native = self._native or isinstance(event, ToolCallDelta)
            yield event
            return
        self._held += event.text
        if self._open and "}" not in event.text and len(self._held) < _LONGEST:
            return
        self._open = False
        yield from self._settled(last=False)

    def end(self) -> Iterator[Event]:
        yield from self._settled(last=True)
        yield from self._text(len(self._held))

    def _settled(self, *, last: bool) -> Iterator[Event]:
        """What is decided of the held text."""
        if not self._closed(last=last):
            return
        position = 0
        while not self._native:
            found = self._opening(position)
            if found is None:
                break
            start, inside = found
            call = _call_at(self._held, inside, self._names, last=last)
            if call is None:
                position = max(inside, start + 1)
                continue
            if isinstance(call, bool):
                # It may become one: keep it.
                yield from self._text(start)
                self._open = _FIRST_KEY.search(self._held) is not None
                return
            name, arguments, end = call
            yield from self._text(start)
            self._closing = _CLOSINGS.get(self._held[:1], "")
            self._held = self._held[end - start :]
            yield ToolCallDelta(self._calls, f"call_{uuid7()}", name, orjson.dumps(arguments).decode())
            self._calls += 1
            position = 0
            if not self._closed(last=last):
                return
        yield from self._text(len(self._held) - (0 if last or self._native else self._overlap()))

    def _closed(self, *, last: bool) -> bool:
        """Whether the end of the last call is behind us; what closes it is no text."""
        rest = self._held.lstrip()
        if self._closing is None:
            return True
        if not last and (not rest or (self._closing.startswith(rest) and rest != self._closing)):
            return False
        self._held = rest.removeprefix(self._closing).lstrip("\n")
        self._closing = None
        return True

    def _opening(self, position: int) -> tuple[int, int] | None:
        for found in _OPENING.finditer(self._held, position):
            bare = not found.group().strip()
            if bare and found.start() == 0 and not self._line_start:
                continue
            return found.start(), found.end()
        return None

    def _overlap(self) -> int:
        """How many characters at the end may begin a call."""
        line = self._held.rfind("\n") + 1
        tail = self._held[line:]
        if (line or self._line_start) and re.fullmatch(r"[ \t]*(`{1,2}|```[a-z_]*[ \t]*)?", tail) and tail:
            return len(tail)
        for opening in _TAILS:
            for length in range(min(len(opening) - 1, len(tail)), 0, -1):
                if tail.endswith(opening[:length]):
                    return length
        return len(tail) - tail.rfind("```") if re.search(r"```[a-z_]*[ \t]*\Z", tail) else 0

    def _text(self, length: int) -> Iterator[Event]:
        text, self._held = self._held[:length], self._held[length:]
        if text:
            self._line_start = text.endswith("\n")
            yield TextDelta(text)


def _call_at(
    text: str, start: int, names: Collection[str], *, last: bool
) -> tuple[str, JsonObject, int] | bool | None:
    """The call at this place with its end; True when it may become one; None when it is none."""
    piece = text[start:]
    if not _DECODER_START.match(piece):
        return None if piece.strip() or last else True
    key = _FIRST_KEY.match(piece)
    if key is None:
        return True if not last and _BEFORE_KEY.fullmatch(piece) else None
    if key.group(1) not in (*_NAMES, *_ARGUMENTS):
        return None
    if key.group(1) in _NAMES and key.group(2) is not None and key.group(2) not in names:
        return None
    end = _end_of_object(piece)
    if end is None:
        return None if last or len(piece) > _LONGEST else True
    try:
        wish = orjson.loads(piece[:end])
    except orjson.JSONDecodeError:
        return None
    called = _called(cast("JsonObject", wish), names)
    return None if called is None else (*called, start + end)


def _end_of_object(text: str) -> int | None:
    """Where the object at the start of the text ends."""
    depth, quoted, escaped = 0, False, False
    for place, character in enumerate(text):
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = quoted
        elif character == '"':
            quoted = not quoted
        elif not quoted and character == "{":
            depth += 1
        elif not quoted and character == "}":
            depth -= 1
            if depth == 0:
                return place + 1
    return None


def _called(wish: JsonObject, names: Collection[str]) -> tuple[str, JsonObject] | None:
    name = next((wish[key] for key in _NAMES if isinstance(wish.get(key), str)), None)
    arguments = next((wish[key] for key in _ARGUMENTS if key in wish), None)
    if not isinstance(name, str) or name not in names:
        return None
    if isinstance(arguments, str):
        try:
            arguments = orjson.loads(arguments)
        except orjson.JSONDecodeError:
            return None
    return (name, cast("JsonObject", arguments)) if isinstance(arguments, dict) else None
