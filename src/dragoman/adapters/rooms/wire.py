"""What goes over the pipe between the server and the process that holds conversations."""

import asyncio
import logging
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import orjson

HEADER = struct.Struct(">IIB")
_NUMBER = struct.Struct(">I")
_LONGEST = 16 << 20


class Kind(IntEnum):
    """The kinds of message. The first ones go to the process, the later ones come from it."""

    OPEN = 1
    SOUND = 2
    TEXT = 3
    INTERRUPT = 4
    PLAYED = 5
    CLOSE = 6
    OFFER = 7
    SAY = 8
    MUTE = 9
    REPLY = 10
    RELAY = 11
    RETUNE = 12
    THOUGHT = 20
    HEARD = 21
    SPOKEN = 22
    SPOKEN_END = 23

    EVENT = 40
    SOUND_OUT = 41
    THINK = 42
    THINK_STOP = 43
    HEAR = 44
    SPEAK = 45
    SPEAK_STOP = 46
    ANSWER = 47
    ENDED = 48
    HEAR_STOP = 49


@dataclass(frozen=True, slots=True)
class Frame:
    """One message of one conversation."""

    call: int
    kind: Kind
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body as an object."""
        return orjson.loads(self.body)

    def numbered(self) -> tuple[int, bytes]:
        """The body as a request's number and bytes."""
        return _NUMBER.unpack_from(self.body)[0], self.body[_NUMBER.size :]


def packed(call: int, kind: Kind, body: bytes) -> bytes:
    """The message as it goes over the pipe."""
    return HEADER.pack(len(body), call, kind) + body


def numbered(number: int, body: bytes) -> bytes:
    """Bytes that belong to a request."""
    return _NUMBER.pack(number) + body


class Unpacker:
    """Puts messages together from what comes over the pipe.

    Args:
        handle: takes each message as soon as it is whole.
    """

    def __init__(self, handle: Callable[[Frame], None]) -> None:
        self._handle = handle
        self._held = bytearray()

    def __call__(self, data: bytes) -> None:
        """Takes the next bytes.

        Raises:
            ValueError: the bytes are not messages.
        """
        self._held += data
        at = 0
        try:
            while (frame := self._whole(at)) is not None:
                at += HEADER.size + len(frame.body)
                self._handle(frame)
        finally:
            del self._held[:at]

    def _whole(self, at: int) -> Frame | None:
        """The message that begins there, once all of it has come."""
        held = self._held
        if len(held) - at < HEADER.size:
            return None
        length, call, kind = HEADER.unpack_from(held, at)
        if length > _LONGEST:
            raise ValueError(f"a message of {length} bytes")
        begin = at + HEADER.size
        end = begin + length
        return Frame(call, Kind(kind), bytes(held[begin:end])) if len(held) >= end else None


class Packer:
    """Puts messages on the pipe, those that nobody waits for together with the next ones.

    Args:
        write: writes bytes to the pipe.
    """

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._held = bytearray()

    def __call__(self, call: int, kind: Kind, body: bytes) -> None:
        """Takes a message; they are read in the order in which they are given here."""
        if kind is Kind.EVENT and not self._held:
            asyncio.get_running_loop().call_soon(self._flush)
        self._held += packed(call, kind, body)
        if kind is not Kind.EVENT:
            self._flush()

    def _flush(self) -> None:
        if self._held:
            data, self._held = bytes(self._held), bytearray()
            self._write(data)


class PipeReader(asyncio.Protocol):
    """The reading end of the pipe; ``over`` is done when it has ended."""

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        """Takes what has come."""
        try:
            self._take(data)
        except ValueError:
            logging.exception("what came is no message")
            self.connection_lost(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side is gone."""
        if not self.over.done():
            self.over.set_result(None)
