"""Telling speech from silence with Silero, in line: no thread in between, no smoothing that answers late."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from livekit import rtc
from livekit.agents import vad
from livekit.plugins.silero.onnx_model import OnnxModel, new_inference_session

from dragoman.domain.voice.spec import Detection
from dragoman.kit.pcm import Resampler, samples

INPUT_HZ = 16_000
_HYSTERESIS = 0.15
_LEAST_RELEASE = 0.01
_SAMPLE = 2
_MOST_EARLY_BYTES = 5 * INPUT_HZ * _SAMPLE
# A window is only known at its end, and the model lets go late, at the lower rate later still: so much silence
# has gone by when the first silent window is seen.
_HEAD_START_SECONDS = {16_000: 0.048, 8000: 0.112}
# So much speech has gone by, on the other side, when the first loud window is known.
_ATTACK_SECONDS = 0.032


@lru_cache(maxsize=1)
def _session() -> Any:
    return new_inference_session(force_cpu=True)


@dataclass(slots=True)
class Ears:
    """Who is told at once: of a beginning, of growing silence (seconds), of speech going on, of the end.

    ``changed`` is told, too, whether there is speech now.

    ``buffer`` is what was said so far, ``silence`` how long it had been quiet at the last end, ``began_at`` and ``ended_at`` the
    seconds of all sound at which the last speech begins, with its padding, and was known to have ended.
    """

    began: Callable[[], None] = lambda: None
    loud: Callable[[], None] = lambda: None
    quiet: Callable[[float], None] = lambda seconds: None
    ended: Callable[[bytes], None] = lambda sound: None
    changed: Callable[[bool], None] = lambda speaking: None
    silence: float = 0.0
    began_at: float = 0.0
    ended_at: float = 0.0
    buffer: bytearray = field(default_factory=bytearray)


class CallVad(vad.VAD):
    """The detector of one conversation."""

    def __init__(self, detection: Detection, ears: Ears) -> None:
        super().__init__(capabilities=vad.VADCapabilities(update_interval=0.032))
        self.detection = detection
        self.ears = ears
        self._stream: _Stream | None = None
        self._early = bytearray()

    @property
    def model(self) -> str:
        """The model's name."""
        return "silero"

    @property
    def provider(self) -> str:
        """Who runs it."""
        return "local"

    @property
    def min_silence_duration(self) -> float:
        """Seconds of silence that end speech."""
        return self.detection.min_silence

    def stream(self) -> vad.VADStream:
        """A stream of events."""
        self._stream = _Stream(self)
        early, self._early = bytes(self._early), bytearray()
        self._stream.hear(early)
        return self._stream

    def hear(self, data: bytes) -> None:
        """Takes the person's sound as it comes; the session's own way to the detector has a queue for every step."""
        if self._stream is not None and not self._stream.closed:
            self._stream.hear(data)
        elif len(self._early) < _MOST_EARLY_BYTES:
            self._early += data


class _Stream(vad.VADStream):
    """Hears what ``CallVad.hear`` gives it, and not the frames of the session."""

    def __init__(self, owner: CallVad) -> None:
        self._detection, self._ears = owner.detection, owner.ears
        rate = owner.detection.rate_hz
        self._model = OnnxModel(onnx_session=_session(), sample_rate=rate)
        self._window = self._model.window_size_samples
        self._seconds = self._window / rate
        # What one window is in samples of the input.
        self._step = self._window * INPUT_HZ // rate * _SAMPLE
        self._resampler = Resampler(INPUT_HZ, rate)
        self._release = max(owner.detection.threshold - _HYSTERESIS, _LEAST_RELEASE)
        self._clock = 0.0
        self._reset()
        super().__init__(owner)

    def _reset(self) -> None:
        self._model.reset()
        self._speaking = self._hushed = self._stirred = False
        self._speech = self._silence = self._spoken = self._total = 0.0
        self._waiting = bytearray()
        self._held = bytearray()
        self._ears.buffer.clear()

    def push_frame(self, frame: rtc.AudioFrame) -> None:
        """Nothing: the sound has been heard already."""

    def flush(self) -> None:
        """The next sound begins anew."""
        self._reset()

    @property
    def closed(self) -> bool:
        """Whether nobody waits for its events any more."""
        return self._event_ch.closed

    async def _main_task(self) -> None:
        async for _ in self._input_ch:
            pass

    def hear(self, data: bytes) -> None:
        """Takes the next sound."""
        self._held += data
        self._waiting += self._resampler.push(data)
        while len(self._waiting) >= self._window * _SAMPLE:
            window = bytes(self._waiting[: self._window * _SAMPLE])
            del self._waiting[: self._window * _SAMPLE]
            source = bytes(self._held[: self._step])
            del self._held[: self._step]
            self._take(window, source)

    def _take(self, window: bytes, source: bytes) -> None:
        values = samples(window).astype(np.float32) / 32768.0
        probability = float(self._model(values))
        self._total += self._seconds
        self._clock += self._seconds
        self._keep(source)
        loud = probability >= (self._release if self._speaking else self._detection.threshold)
        if loud:
            self._speech, self._silence = self._speech + self._seconds, 0.0
        else:
            self._silence, self._speech = self._silence + self._seconds, 0.0
        if self._speaking:
            self._spoken += self._seconds
        stirring = self._speaking or self._speech > 0.0
        if stirring or self._stirred:
            self._send(vad.VADEventType.INFERENCE_DONE, probability, source)
        self._stirred = stirring
        if loud and not self._speaking and self._speech >= self._detection.min_speech:
            self._begin(probability)
        elif loud and self._speaking and self._hushed:
            self._hushed = False
            self._ears.loud()
        elif self._speaking and not loud:
            self._fall_silent(probability)

    def _keep(self, source: bytes) -> None:
        buffer, detection = self._ears.buffer, self._detection
        buffer += source
        padding = int(detection.prefix_padding * INPUT_HZ) * _SAMPLE
        longest = padding + int(detection.max_buffered * INPUT_HZ) * _SAMPLE
        if not self._speaking and self._speech == 0.0:
            longest = padding + self._step
        if len(buffer) > longest:
            del buffer[: len(buffer) - longest]

    def _begin(self, probability: float) -> None:
        self._speaking, self._spoken = True, self._speech
        self._ears.began_at = max(0.0, self._clock - len(self._ears.buffer) / _SAMPLE / INPUT_HZ)
        self._ears.began()
        self._ears.changed(True)
        self._send(vad.VADEventType.START_OF_SPEECH, probability, bytes(self._ears.buffer))

    def _fall_silent(self, probability: float) -> None:
        silence = self._silence + _HEAD_START_SECONDS[self._detection.rate_hz]
        self._hushed = True
        if silence < self._detection.min_silence:
            self._ears.quiet(silence)
            return
        self._speaking = self._hushed = False
        sound = bytes(self._ears.buffer)
        self._ears.silence, self._ears.ended_at = silence, self._clock
        self._ears.changed(False)
        self._ears.ended(sound)
        self._spoken = max(0.0, self._spoken - self._silence)
        self._send(vad.VADEventType.END_OF_SPEECH, probability, b"")
        self._spoken = 0.0
        self._ears.buffer.clear()

    def _send(self, kind: vad.VADEventType, probability: float, sound: bytes) -> None:
        frames = [rtc.AudioFrame(sound, INPUT_HZ, 1, len(sound) // _SAMPLE)] if sound else []
        self._event_ch.send_nowait(
            vad.VADEvent(
                type=kind,
                samples_index=int(self._total * INPUT_HZ),
                timestamp=self._total,
                speech_duration=self._spoken + _ATTACK_SECONDS if self._spoken else 0.0,
                silence_duration=self._silence,
                frames=frames,
                probability=probability,
                speaking=self._speaking,
                raw_accumulated_speech=self._speech,
                raw_accumulated_silence=self._silence,
            )
        )
