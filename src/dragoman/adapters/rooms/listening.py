"""From speech to transcripts: the decoding begins in the first silence, before it is known to be the end."""

import asyncio
import re
from collections.abc import AsyncIterable, AsyncIterator, Callable
from typing import Any

from livekit import rtc
from livekit.agents import LanguageCode, stt

from dragoman.adapters.rooms.requests import AskedInVainError, Requests
from dragoman.adapters.rooms.vad import INPUT_HZ, Ears
from dragoman.domain.voice.spec import Listening
from dragoman.kit.tasks import TaskOwner

_SPECULATE_SECONDS = 0.1
_INTERIM_SECONDS = 0.6
_LEAST_BYTES = int(0.2 * INPUT_HZ) * 2
_PUNCTUATION = re.compile(r"[^\w\s'-]")
_WAITING = 64


class Transcripts:
    """The transcripts of one conversation.

    Args:
        ears: where speech begins, pauses and ends.
        requests: decodes.
        tasks: owner of decoding in the background.
        failed: told in words when a decoding failed.
        nothing: told when there were no words in what sounded like speech.
    """

    def __init__(
        self,
        ears: Ears,
        requests: Requests,
        listening: Listening,
        tasks: TaskOwner,
        *,
        failed: Callable[[str], None],
        nothing: Callable[[], None],
    ) -> None:
        self._ears, self._requests, self._listening = ears, requests, listening
        self._tasks, self._failed, self._nothing = tasks, failed, nothing
        self._events: asyncio.Queue[stt.SpeechEvent] = asyncio.Queue(_WAITING)
        self._guess: asyncio.Task[dict[str, Any]] | None = None
        self._interim: asyncio.Task[None] | None = None
        self.decoded_seconds = 0.0
        ears.began, ears.loud = self._began, self._loud
        ears.quiet, ears.ended = self._quiet, self._ended

    async def events(self, audio: AsyncIterable[rtc.AudioFrame]) -> AsyncIterator[stt.SpeechEvent]:
        """The events as they come; the sound itself reaches the ears another way."""
        drained = self._tasks.start(_drain(audio), name="voice.drain")
        try:
            while True:
                yield await self._events.get()
        finally:
            drained.cancel()

    def _began(self) -> None:
        self._forget_guess()
        if self._listening.interim and self._interim is None:
            self._interim = self._tasks.start(self._guess_on(), name="voice.interim")

    def _loud(self) -> None:
        self._forget_guess()

    def _quiet(self, seconds: float) -> None:
        if self._guess is None and seconds >= _SPECULATE_SECONDS:
            self._stop_interim()
            sound = bytes(self._ears.buffer)
            self._guess = self._tasks.start(self._heard(sound, final=True), name="voice.guess")

    def _ended(self, sound: bytes) -> None:
        self._stop_interim()
        guess, self._guess = self._guess, None
        self._tasks.start(self._finish(guess, sound), name="voice.final")

    def _forget_guess(self) -> None:
        # A decoding under way comes to its end; only its answer is dropped.
        self._guess = None
        if self._listening.interim and self._interim is None:
            self._interim = self._tasks.start(self._guess_on(), name="voice.interim")

    def _stop_interim(self) -> None:
        if self._interim is not None:
            self._interim.cancel()
            self._interim = None

    async def _guess_on(self) -> None:
        """Partial transcripts of open speech."""
        while True:
            await asyncio.sleep(_INTERIM_SECONDS)
            sound = bytes(self._ears.buffer)
            if len(sound) < _LEAST_BYTES:
                continue
            heard = await self._heard(sound, final=False)
            if heard.get("text"):
                self._send(stt.SpeechEventType.INTERIM_TRANSCRIPT, heard)

    async def _finish(self, guess: asyncio.Task[dict[str, Any]] | None, sound: bytes) -> None:
        heard = await (guess if guess is not None else self._heard(sound, final=True))
        if heard.get("text"):
            self._send(stt.SpeechEventType.FINAL_TRANSCRIPT, heard)
        else:
            self._nothing()

    async def _heard(self, sound: bytes, *, final: bool) -> dict[str, Any]:
        self.decoded_seconds += len(sound) / 2 / INPUT_HZ
        try:
            heard = await self._requests.hear(sound, final=final)
        except AskedInVainError as error:
            if final:
                self._failed(str(error))
            return {}
        text = str(heard.get("text", "")).strip()
        if not self._listening.punctuate:
            text = " ".join(_PUNCTUATION.sub("", text).lower().split())
        return {**heard, "text": text}

    def _send(self, kind: stt.SpeechEventType, heard: dict[str, Any]) -> None:
        language = LanguageCode(str(heard.get("language") or self._listening.language or "en"))
        event = stt.SpeechEvent(
            type=kind, alternatives=[stt.SpeechData(language=language, text=str(heard["text"]))]
        )
        if not self._events.full():
            self._events.put_nowait(event)


async def _drain(audio: AsyncIterable[rtc.AudioFrame]) -> None:
    async for _ in audio:
        pass
