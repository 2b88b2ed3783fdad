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


class Asked:
    """A request under way. What comes waits here until it is fetched; ``stop`` gives it up."""

    def __init__(self, patience: float, stop: Callable[[bool], None]) -> None:
        self._patience, self._stop = patience, stop
        self._queue: asyncio.Queue[Any] = asyncio.Queue()
        self._stopped = False
        self.ended = False

    def put(self, answer: Any) -> None:
        """Takes a piece of the answer. The server bounds every answer, so nothing has to be dropped here."""
        self._queue.put_nowait(answer)

    async def next(self) -> Any:
        """The next piece.

        Raises:
            AskedInVainError: it did not come in time.
        """
        try:
            async with asyncio.timeout(self._patience):
                return await self._queue.get()
        except TimeoutError as error:
            raise AskedInVainError("The answer did not come in time.") from error

    def ready(self) -> list[Any]:
        """The further pieces that have come already."""
        return [self._queue.get_nowait() for _ in range(self._queue.qsize())]

    def stop(self) -> None:
        """Nobody waits for it any more; unless it has ended, the server stops, too."""
        if not self._stopped:
            self._stopped = True
            self._stop(self.ended)


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
        self._waiting: dict[int, Asked] = {}

    def take(self, frame: Frame) -> None:
        """An answer from the server; one that nobody waits for any more is dropped."""
        if frame.kind is Kind.SPOKEN:
            number, body = frame.numbered()
            answer: Any = body
        else:
            answer = frame.json()
            number = answer["id"]
        asked = self._waiting.get(number)
        if asked is not None:
            asked.put(answer)

    def ask_thoughts(self, messages: list[dict[str, str]]) -> Asked:
        """Asks for an answer now, whoever reads it; give it to ``think`` or stop it."""
        number, asked = self._opened(Kind.THINK_STOP)
        self._send(Kind.THINK, orjson.dumps({"id": number, "messages": messages}))
        return asked

    def ask_speech(self, text: str) -> Asked:
        """Asks for a spoken text now; give it to ``speak`` or stop it."""
        number, asked = self._opened(Kind.SPEAK_STOP)
        self._send(Kind.SPEAK, orjson.dumps({"id": number, "text": text}))
        return asked

    async def think(self, asked: Asked) -> AsyncIterator[dict[str, Any]]:
        """The answer piece by piece; leaving early stops it."""
        try:
            while True:
                for piece in _joined([await asked.next(), *asked.ready()]):
                    asked.ended = bool(piece.get("error") or piece.get("done"))
                    if piece.get("error"):
                        raise AskedInVainError(piece["error"])
                    if asked.ended:
                        return
                    yield piece
        finally:
            asked.stop()

    async def hear(self, sound: bytes, *, final: bool) -> dict[str, Any]:
        """The transcript of 16 kHz samples."""
        number, asked = self._opened(Kind.HEAR_STOP)
        try:
            self._send(Kind.HEAR, numbered(number, _HEAR.pack(final) + sound))
            answer = await asked.next()
            asked.ended = True
        finally:
            asked.stop()
        if answer.get("error"):
            raise AskedInVainError(answer["error"])
        return answer

    async def speak(self, asked: Asked) -> AsyncIterator[bytes]:
        """The spoken text as 24 kHz samples; leaving early stops it."""
        try:
            while True:
                piece = await asked.next()
                if isinstance(piece, bytes):
                    yield piece
                    continue
                asked.ended = True
                if piece.get("error"):
                    raise AskedInVainError(piece["error"])
                return
        finally:
            asked.stop()

    def _opened(self, stop: Kind) -> tuple[int, Asked]:
        number = next(self._numbers)

        def stopped(ended: bool) -> None:
            del self._waiting[number]
            if not ended:
                self._send(stop, orjson.dumps({"id": number}))

        asked = Asked(self._patience, stopped)
        self._waiting[number] = asked
        return number, asked


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
