"""Watching a provider's event stream go by: usage, errors and the end are seen, all else passes."""

import re
from typing import cast

import orjson

from dragoman.domain.inference.relay.refusal import sentence_of
from dragoman.domain.inference.relay.usage import parse_usage
from dragoman.domain.messages.events import Usage
from dragoman.kit.errors import ProviderError

_MAXIMUM_EVENT_BYTES = 32 * 1024 * 1024
_SEPARATOR = re.compile(rb"(?<=\n\n)|(?<=\n\r\n)")
# Quotation marks inside JSON texts are escaped, so these match names only, never what a model wrote.
_NOTABLE = re.compile(rb'"usage"\s*:\s*\{|"error"\s*:\s*[{"]|(?:^|\n)data:\s*\[DONE\]')
_NO_USAGE = re.compile(rb',\s*"usage"\s*:\s*null(?=\s*[,}])')


class StreamScanner:
    """Cuts the bytes at event boundaries and looks at the few events that matter.

    ``usage`` is the last one seen; with ``hides_usage`` it is withheld, as are nulls in its place unless ``keeps_null``.
    ``done`` is the terminator, ``error`` what the provider said amid the stream.
    """

    def __init__(self, *, hides_usage: bool, keeps_null: bool = False) -> None:
        self.usage: Usage | None = None
        self.done = False
        self.error: str | None = None
        self._hides_usage = hides_usage
        self._hides_null = hides_usage and not keeps_null
        self._tail = bytearray()

    def feed(self, piece: bytes) -> bytes:
        """The whole events that may go on to the client, possibly none.

        Raises:
            ProviderError: one event is larger than 32 MiB.
        """
        if self._tail or not piece.endswith(b"\n\n"):
            piece = self._whole_events(piece)
        if b'"usage"' in piece or b'"error"' in piece or b"[DONE]" in piece:
            return self._inspect(piece)
        return piece

    def finish(self) -> bytes:
        """What is left at the end: a terminator may lack its blank line, a torn event is dropped."""
        left = bytes(self._tail).strip()
        self._tail.clear()
        return self.feed(left + b"\n\n") if left.startswith(b"data:") and left.endswith(b"[DONE]") else b""

    def _whole_events(self, piece: bytes) -> bytes:
        tail = self._tail
        # A boundary has at most three bytes before the one that completes it.
        start = max(0, len(tail) - 3)
        tail += piece
        end = max(tail.rfind(b"\n\n", start) + 2, tail.rfind(b"\n\r\n", start) + 3)
        if end <= 2:
            if len(tail) > _MAXIMUM_EVENT_BYTES:
                raise ProviderError("The provider sent an event that is too large.")
            return b""
        whole = bytes(tail[:end])
        del tail[:end]
        return whole

    def _inspect(self, events: bytes) -> bytes:
        if self._hides_null:
            events = _NO_USAGE.sub(b"", events)
        if _NOTABLE.search(events) is None:
            return events
        passed: list[bytes] = []
        for event in _SEPARATOR.split(events):
            if _NOTABLE.search(event) is not None:
                event = self._notable(event)
            passed.append(event)
            if self.done or self.error is not None:
                break
        return b"".join(passed)

    def _notable(self, event: bytes) -> bytes:
        data = b"\n".join(line[5:].strip() for line in event.splitlines() if line.startswith(b"data:"))
        if data == b"[DONE]":
            self.done = True
            return event
        try:
            decoded = orjson.loads(data)
        except orjson.JSONDecodeError:
            return event
        if not isinstance(decoded, dict):
            return event
        chunk = cast("dict[str, object]", decoded)
        if chunk.get("error"):
            self.error = sentence_of(chunk) or "The provider reported an error amid its answer."
            return b""
        usage = parse_usage(chunk.get("usage"))
        if usage is None:
            return event
        self.usage = usage
        return self._without_usage(chunk) if self._hides_usage else event

    @staticmethod
    def _without_usage(chunk: dict[str, object]) -> bytes:
        if not chunk.get("choices"):
            return b""
        del chunk["usage"]
        return b"data: " + orjson.dumps(chunk) + b"\n\n"
