"""The agent's voice on its way out: paced, paused, cut off, and known word by word."""

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from livekit import rtc
from livekit.agents.voice import io
from numpy.typing import NDArray

from dragoman.kit.pcm import as_pcm, samples
from dragoman.kit.tasks import TaskOwner

OUTPUT_HZ = 24_000
FRAME_SECONDS = 0.02
_FRAME_BYTES = int(OUTPUT_HZ * FRAME_SECONDS) * 2
# How far ahead of its time sound is sent: enough for a network's ripple, little enough to be cut off at once.
_LEAD_SECONDS = 0.06
_AMBIENCE_AMPLITUDE = 0.05
_AMBIENCE_SECONDS = 8
_WORD = re.compile(r"\S+\s*")
_CHARACTERS_A_SECOND = 15.0


@dataclass(slots=True)
class _Segment:
    """One utterance: its phrases with the second each begins at, and how much there is and was sent, in seconds."""

    phrases: list[tuple[str, float]] = field(default_factory=list[tuple[str, float]])
    captured: float = 0.0
    sent: float = 0.0
    whole: bool = False
    reported: tuple[float, float] | None = None

    def position(self) -> float:
        """The second that is being heard: by what was sent, or earlier by what the client says it has played."""
        position = self.sent - _LEAD_SECONDS
        if self.reported is not None:
            played, at = self.reported
            position = min(position, played + time.monotonic() - at)
        return max(0.0, position)

    def remaining(self) -> float:
        """The seconds that a client which plays later than it is sent has still to play."""
        if self.reported is None:
            return 0.0
        played, at = self.reported
        return max(0.0, self.captured - played - (time.monotonic() - at))

    def heard(self, position: float) -> str:
        """The words that were out by then."""
        text: list[str] = []
        ends = [start for _, start in self.phrases[1:]] + [self.captured]
        for number, ((phrase, start), end) in enumerate(zip(self.phrases, ends, strict=True), 1):
            # The sound of the last phrase may still be coming.
            known = self.whole or number < len(self.phrases)
            if position >= end and known:
                text.append(phrase)
                continue
            length = max(end - start, 0.0 if known else len(phrase) / _CHARACTERS_A_SECOND)
            share = min(1.0, max(0.0, (position - start) / length)) if length else 1.0
            words = _WORD.findall(phrase)
            text.append("".join(words[: int(len(words) * share)]).strip())
        return " ".join(part for part in text if part)


class PacedOutput(io.AudioOutput):
    """Gives sound out 20 ms at a time as it is to be heard.

    Args:
        emit: takes each 20 ms of 24 kHz samples.
        clear: told when what was given out and is not heard yet must be dropped.
        tasks: owner of the pacing.
        ambience: whether there is a room around the agent, also while it is silent.
    """

    def __init__(
        self,
        emit: Callable[[bytes], None],
        clear: Callable[[], None],
        tasks: TaskOwner,
        *,
        ambience: bool = False,
        started: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(
            label="paced",
            capabilities=io.AudioOutputCapabilities(pause=True),
            sample_rate=OUTPUT_HZ,
        )
        self._emit_frame = emit
        self._drop = clear
        self._started = started
        self._buffer = bytearray()
        self._segment: _Segment | None = None
        self._ambience = _room_sound() if ambience else None
        self._ambience_at = 0
        self._paused = self._beginning = False
        self._wake = asyncio.Event()
        if ambience:
            self._wake.set()
        self._task = tasks.start(self._pace(), name="voice.pace")

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        """Takes sound to be heard after what there is."""
        await super().capture_frame(frame)
        if self._segment is None:
            self._segment = _Segment()
        segment = self._segment
        phrase = (frame.userdata or {}).get("phrase")
        if phrase:
            segment.phrases.append((str(phrase), segment.captured))
        segment.captured += frame.duration
        self._buffer += bytes(frame.data)
        self._wake.set()

    def flush(self) -> None:
        """The utterance is all there; its end is told when it has been heard."""
        super().flush()
        if self._segment is not None:
            self._segment.whole = True
            self._wake.set()

    def clear_buffer(self) -> None:
        """Cuts the utterance off where it is."""
        segment = self._segment
        if segment is None:
            return
        self._buffer.clear()
        self._drop()
        self._paused = False
        self._finish(segment, interrupted=True)

    def pause(self) -> None:
        """Holds the utterance; the room around it goes on."""
        super().pause()
        if self._paused or self._segment is None:
            return
        self._paused = True
        self._drop()
        self._take_back()

    def resume(self) -> None:
        """Goes on where it was held."""
        super().resume()
        self._paused = False
        self._wake.set()

    def played(self, seconds: float) -> None:
        """Takes how much of the utterance the client has played."""
        segment = self._segment
        if segment is not None and seconds <= segment.sent:
            segment.reported = (seconds, time.monotonic())

    @property
    def speaking(self) -> bool:
        """Whether something is to be heard."""
        return self._segment is not None

    def _take_back(self) -> None:
        """What was sent ahead of its time was dropped, so it is not counted as heard."""
        if self._segment is not None:
            self._segment.sent = self._segment.position()
            self._segment.reported = None

    def _finish(self, segment: _Segment, *, interrupted: bool) -> None:
        self._segment = None
        position = segment.position() if interrupted else segment.captured
        self.on_playback_finished(
            playback_position=position,
            interrupted=interrupted,
            synchronized_transcript=segment.heard(position) if interrupted else None,
        )

    async def _pace(self) -> None:
        due = time.monotonic()
        while True:
            if not self._wake.is_set():
                await self._wake.wait()
                due = time.monotonic()
            wait = due - _LEAD_SECONDS - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            elif wait < -1:
                due = time.monotonic()
            frame = self._next()
            if frame is not None:
                self._emit_frame(frame)
                self._tell_beginning()
                due += FRAME_SECONDS
                continue
            self._wake.clear()
            await self._ended(due)
            if self._ambience is not None:
                self._wake.set()

    def _tell_beginning(self) -> None:
        """After the first frame: nobody should have to wait for it."""
        if self._beginning:
            self._beginning = False
            self.on_playback_started(created_at=time.time())
            self._started()

    async def _ended(self, due: float) -> None:
        """After the last frame, once it has been heard."""
        segment = self._segment
        if segment is None or not segment.whole or self._buffer or self._paused:
            return
        await asyncio.sleep(max(0.0, due - time.monotonic(), segment.remaining()))
        if segment.remaining() > 0:
            # The client has told meanwhile that it is later still.
            self._wake.set()
            return
        if self._segment is segment and not self._buffer and not self._paused:
            self._finish(segment, interrupted=False)

    def _next(self) -> bytes | None:
        segment = self._segment
        speech = b""
        ready = len(self._buffer) >= _FRAME_BYTES or (segment is not None and segment.whole and self._buffer)
        if segment is not None and ready and not self._paused:
            speech = bytes(self._buffer[:_FRAME_BYTES])
            del self._buffer[:_FRAME_BYTES]
            self._beginning = segment.sent == 0.0
            segment.sent += len(speech) / 2 / OUTPUT_HZ
            speech = speech.ljust(_FRAME_BYTES, b"\0")
        if self._ambience is None:
            return speech or None
        ended = segment is not None and segment.whole and not self._buffer and not self._paused
        return None if ended and not speech else self._in_the_room(speech)

    def _in_the_room(self, speech: bytes) -> bytes:
        assert self._ambience is not None
        count = _FRAME_BYTES // 2
        places = (self._ambience_at + np.arange(count)) % len(self._ambience)
        self._ambience_at = (self._ambience_at + count) % len(self._ambience)
        room = self._ambience[places]
        if speech:
            room = room + samples(speech).astype(np.float32) / np.float32(32768.0)
        return as_pcm(room.astype(np.float32))


def _room_sound() -> NDArray[np.float32]:
    """A quiet office without words: low noise that swells a little, and repeats without a seam."""
    count = OUTPUT_HZ * _AMBIENCE_SECONDS
    noise = np.fft.rfft(np.random.default_rng(7).standard_normal(count))
    hertz = np.fft.rfftfreq(count, 1 / OUTPUT_HZ)
    shaped = noise / np.maximum(hertz, 60.0) * (hertz < 3500)
    sound = np.fft.irfft(shaped, count)
    times = np.arange(count) / count
    sound *= 1 + 0.3 * np.sin(2 * np.pi * 3 * times) + 0.2 * np.sin(2 * np.pi * 5 * times)
    return (sound / np.abs(sound).max() * _AMBIENCE_AMPLITUDE).astype(np.float32)
