"""What a conversation asks of the server: an answer, a transcript, speech."""

import asyncio
import itertools
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import orjson

from dragoman.adapters.rooms.wire import Frame, Kind, numbered

_HEAR = struct.Struct(">B")


class AskedInVainError(Exception):
    """The server could not do it; the text may be shown."""


class Requests:
    """Numbers the requests of one conversation and hands each its answers.

    Args:
        send: puts a message on the pipe.
        patience: seconds to wait for an answer, and for each further piece of it.
    """

    def __init__(self, send: Callable[[Kind, bytes], None], *, patience: float = 30.0) -> None:
        self._send = send
        self._patience = patience
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
        # The server bounds every answer, so nothing has to be dropped here.
        if queue is not None:
            queue.put_nowait(answer)

    async def think(self, messages: list[dict[str, str]]) -> AsyncIterator[dict[str, Any]]:
        """The answer piece by piece; leaving early stops it."""
        number, queue = self._opened()
        self._send(Kind.THINK, orjson.dumps({"id": number, "messages": messages}))
        done = False
        try:
            while True:
                for piece in _joined([await self._next(queue), *_ready(queue)]):
                    done = bool(piece.get("error") or piece.get("done"))
                    if piece.get("error"):
                        raise AskedInVainError(piece["error"])
                    if done:
                        return
                    yield piece
        finally:
            self._closed(number, None if done else Kind.THINK_STOP)

    async def hear(self, sound: bytes, *, final: bool) -> dict[str, Any]:
        """The transcript of 16 kHz samples."""
        number, queue = self._opened()
        done = False
        try:
            self._send(Kind.HEAR, numbered(number, _HEAR.pack(final) + sound))
            answer = await self._next(queue)
            done = True
        finally:
            self._closed(number, None if done else Kind.HEAR_STOP)
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
                piece = await self._next(queue)
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
        queue: asyncio.Queue[Any] = asyncio.Queue()
        self._waiting[number] = queue
        return number, queue

    def _closed(self, number: int, stop: Kind | None) -> None:
        del self._waiting[number]
        if stop is not None:
            self._send(stop, orjson.dumps({"id": number}))

    async def _next(self, queue: asyncio.Queue[Any]) -> Any:
        try:
            async with asyncio.timeout(self._patience):
                return await queue.get()
        except TimeoutError as error:
            raise AskedInVainError("The answer did not come in time.") from error


def _ready(queue: asyncio.Queue[Any]) -> list[Any]:
    """What has come already."""
    return [queue.get_nowait() for _ in range(queue.qsize())]


def _joined(pieces: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The pieces with texts that follow each other made one: who writes quickly makes no more events for it."""
    held: dict[str, Any] | None = None
    for piece in pieces:
        if held is not None and set(piece) == set(held) == {"id", "text"}:
            held = {**held, "text": held["text"] + piece["text"]}
            continue
        if held is not None:
            yield held
        held = piece
    if held is not None:
        yield held
