"""A recorded speaker, and a mind that does what a test says."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import anyio
import numpy as np

from dragoman.adapters.rooms.host import EngineHost
from dragoman.domain.voice.ports import CallSetup, Ended, EngineCall, Heard, Output, SoundOut, Thought, Told
from dragoman.domain.voice.spec import VoiceSpec
from dragoman.kit import pcm

HZ = 16_000
FRAME = 640
SECONDS_A_WORD = 0.25


@dataclass
class Mind:
    """Hears what is next in ``says`` and answers what is next in ``answers``; speaks a quarter of a second a word."""

    says: list[str] = field(default_factory=lambda: ["What time does the office open?"])
    answers: list[str | Exception] = field(default_factory=lambda: ["Sure, it opens at nine."])
    asked: list[list[Mapping[str, str]]] = field(default_factory=list)
    heard: int = 0
    spoken: list[str] = field(default_factory=list)

    async def think(self, messages: list[Mapping[str, str]]) -> AsyncIterator[Thought]:
        self.asked.append(messages)
        answer = self.answers[min(len(self.asked), len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        for word in answer.split():
            yield Thought(word + " ")

    async def hear(self, sound: bytes, *, final: bool) -> Heard:
        if final:
            self.heard += 1
        return Heard(self.says[min(len(self.asked), len(self.says) - 1)], "en")

    async def speak(self, text: str) -> AsyncIterator[bytes]:
        self.spoken.append(text)
        for _ in text.split():
            yield np.full(int(24_000 * SECONDS_A_WORD), 6000, "<i2").tobytes()


class Talk:
    """A person in a conversation: speaks in real time, notes what comes back and when."""

    def __init__(self) -> None:
        self.events: list[tuple[float, Mapping[str, object]]] = []
        self.sounds: list[tuple[float, bytes]] = []
        self.ended: Ended | None = None
        self._changed = asyncio.Event()
        self.call: EngineCall | None = None

    def take(self, output: Output) -> None:
        match output:
            case SoundOut(data):
                self.sounds.append((time.monotonic(), data))
            case Told(event):
                self.events.append((time.monotonic(), event))
            case Ended():
                self.ended = output
        self._changed.set()

    def of(self, kind: str) -> list[Mapping[str, object]]:
        return [event for _, event in self.events if event["type"] == kind]

    async def until(
        self, kind: str, count: int = 1, *, seconds: float = 20, **like: object
    ) -> Mapping[str, object]:
        """The so-manieth event of a kind and like that."""
        with anyio.fail_after(seconds):
            while True:
                found = [event for event in self.of(kind) if like.items() <= event.items()]
                if len(found) >= count:
                    return found[count - 1]
                self._changed.clear()
                await self._changed.wait()

    async def over(self, *, seconds: float = 10) -> Ended:
        with anyio.fail_after(seconds):
            while self.ended is None:
                self._changed.clear()
                await self._changed.wait()
        return self.ended

    async def play(self, *sounds: bytes) -> float:
        """Gives the sounds in real time; the moment at which the last one ended."""
        assert self.call is not None
        data = b"".join(sounds)
        begun = time.monotonic()
        for number, start in enumerate(range(0, len(data), FRAME)):
            await asyncio.sleep(max(0.0, begun + number * 0.02 - time.monotonic()))
            self.call.sound(data[start : start + FRAME])
        return time.monotonic()


def quiet(seconds: float) -> bytes:
    return pcm.silence(seconds, HZ)


async def talk(host: EngineHost, spec: VoiceSpec, mind: Mind, setup: CallSetup | None = None) -> Talk:
    """A person who has just been put through."""
    person = Talk()
    person.call = await host.open(spec, setup or CallSetup(), mind, person.take)
    await person.until("opened", seconds=60)
    return person
