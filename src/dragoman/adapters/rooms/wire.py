"""What goes over the pipe between the server and the process that holds conversations."""

import asyncio
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


async def received(reader: asyncio.StreamReader, handle: Callable[[Frame], None]) -> None:
    """Hands every message over until the pipe ends."""
    while True:
        try:
            length, call, kind = HEADER.unpack(await reader.readexactly(HEADER.size))
            if length > _LONGEST:
                return
            body = await reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        handle(Frame(call, Kind(kind), body))
