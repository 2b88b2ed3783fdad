"""Asking before the session gets round to it: it has much to book between the end of a turn and the question."""

import asyncio
from dataclasses import dataclass

from dragoman.adapters.rooms.requests import Asked, Requests
from dragoman.domain.inference.speech.aloud import spoken
from dragoman.domain.voice.phrases import Phraser

_FORGOTTEN_SECONDS = 2.0


@dataclass(slots=True)
class _Waiting:
    """A request that the session has not come for yet, and for what it was made."""

    key: object
    asked: Asked
    timer: asyncio.TimerHandle


class Ahead:
    """Makes the requests of a turn that is over at once, and hands them over when the session asks for the same.

    What it never comes for, or comes for in another form, is stopped.
    """

    def __init__(self, requests: Requests, *, forgotten_seconds: float = _FORGOTTEN_SECONDS) -> None:
        self._requests = requests
        self._forgotten_seconds = forgotten_seconds
        self._thoughts: _Waiting | None = None
        self._speech: _Waiting | None = None
        self._known: list[dict[str, str]] | None = None
        self._phraser: Phraser | None = None

    def ask(self, messages: list[dict[str, str]]) -> bool:
        """Asks for the answer to a turn that is over; False where that has been done while the turn was not certain."""
        self._drop(self._thoughts)
        self._thoughts = None
        if messages == self._known:
            return False
        self._thoughts = self._waiting(messages, self._requests.ask_thoughts(messages))
        return True

    def thoughts(self, messages: list[dict[str, str]]) -> tuple[Asked, bool]:
        """The answer to these messages, and whether it was asked for ahead."""
        self._known = messages
        self._drop(self._speech)
        self._speech = self._phraser = None
        asked = self._taken(self._thoughts, messages)
        self._thoughts = None
        if asked is None:
            return self._requests.ask_thoughts(messages), False
        self._phraser = Phraser()
        return asked, True

    def write(self, text: str) -> None:
        """Takes a piece of such an answer; its first phrase is spoken as soon as it is whole."""
        phrases = self._phraser.push(text) if self._phraser is not None else []
        if phrases:
            self._phraser = None
            words = spoken(phrases[0])
            if words:
                self._speech = self._waiting(words, self._requests.ask_speech(words))

    def speech(self, words: str) -> Asked:
        """The speech of these words."""
        asked = self._taken(self._speech, words)
        self._speech = self._phraser = None
        return asked or self._requests.ask_speech(words)

    def _waiting(self, key: object, asked: Asked) -> _Waiting:
        loop = asyncio.get_running_loop()
        return _Waiting(key, asked, loop.call_later(self._forgotten_seconds, asked.stop))

    def _taken(self, waiting: _Waiting | None, key: object) -> Asked | None:
        if waiting is None:
            return None
        if waiting.key != key or waiting.timer.when() <= asyncio.get_running_loop().time():
            self._drop(waiting)
            return None
        waiting.timer.cancel()
        return waiting.asked

    def _drop(self, waiting: _Waiting | None) -> None:
        if waiting is not None:
            waiting.timer.cancel()
            waiting.asked.stop()
