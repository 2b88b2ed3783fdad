"""What a conversation asks of the server: an answer, a transcript, speech."""

import asyncio
import itertools
import struct
from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson

from dragoman.adapters.rooms.wire import Frame, Kind, numbered

_HEAR = struct.Struct(">B")
_WAITING = 512
_HEAR_SECONDS = 60.0
_PIECE_SECONDS = 120.0


class AskedInVainError(Exception):
    """The server could not do it; the text may be shown."""


class Requests:
    """Numbers the requests of one conversation and hands each its answers.

    Args:
        send: puts a message on the pipe.
    """

    def __init__(self, send: Callable[[Kind, bytes], None]) -> None:
        self._send = send
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Queue[Any]] = {}

    def take(self, frame: Frame) -> None:
        """An answer from the server; one that nobody waits for any more is dropped."""
        if frame.kind is Kind.SPOKEN:
            number, body = frame.numbered()
            answer: Any = body
        else:
            answer = frame.json()
            number = answer["id"]
        queue = self._waiting.get(number)
        if queue is not None and not queue.full():
            queue.put_nowait(answer)

    async def think(self, messages: list[dict[str, str]]) -> AsyncIterator[dict[str, Any]]:
        """The answer piece by piece; leaving early stops it."""
        number, queue = self._opened()
        self._send(Kind.THINK, orjson.dumps({"id": number, "messages": messages}))
        done = False
        try:
            while True:
                piece = await _next(queue)
                if piece.get("error"):
                    done = True
                    raise AskedInVainError(piece["error"])
                if piece.get("done"):
                    done = True
                    return
                yield piece
        finally:
            self._closed(number, None if done else Kind.THINK_STOP)

    async def hear(self, sound: bytes, *, final: bool) -> dict[str, Any]:
        """The transcript of 16 kHz samples."""
        number, queue = self._opened()
        try:
            self._send(Kind.HEAR, numbered(number, _HEAR.pack(final) + sound))
            async with asyncio.timeout(_HEAR_SECONDS):
                answer = await queue.get()
        except TimeoutError as error:
            raise AskedInVainError("Listening took too long.") from error
        finally:
            self._closed(number, None)
        if answer.get("error"):
            raise AskedInVainError(answer["error"])
        return answer

    async def speak(self, text: str) -> AsyncIterator[bytes]:
        """The spoken text as 24 kHz samples; leaving early stops it."""
        number, queue = self._opened()
        self._send(Kind.SPEAK, orjson.dumps({"id": number, "text": text}))
        done = False
        try:
            while True:
                piece = await _next(queue)
                if isinstance(piece, bytes):
                    yield piece
                    continue
                done = True
                if piece.get("error"):
                    raise AskedInVainError(piece["error"])
                return
        finally:
            self._closed(number, None if done else Kind.SPEAK_STOP)

    def _opened(self) -> tuple[int, asyncio.Queue[Any]]:
        number = next(self._numbers)
        queue: asyncio.Queue[Any] = asyncio.Queue(_WAITING)
        self._waiting[number] = queue
        return number, queue

    def _closed(self, number: int, stop: Kind | None) -> None:
        del self._waiting[number]
        if stop is not None:
            self._send(stop, orjson.dumps({"id": number}))


async def _next(queue: asyncio.Queue[Any]) -> Any:
    try:
        async with asyncio.timeout(_PIECE_SECONDS):
            return await queue.get()
    except TimeoutError as error:
        raise AskedInVainError("The server did not answer in time.") from error
