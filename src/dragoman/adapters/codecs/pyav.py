"""Encoding on PyAV. Needs the Python package ``av``."""

from collections.abc import Iterable
from fractions import Fraction
from types import MappingProxyType

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.packet import Packet

from dragoman.kit.pcm import samples


class _Written:
    """A file that can only be appended to; what was written is taken away."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


# Container, codec, sample rate (None = the sound's own), bits a second.
_FORMS = MappingProxyType(
    {
        "mp3": ("mp3", "libmp3lame", None, 64_000),
        "opus": ("ogg", "libopus", 48_000, 32_000),
        "aac": ("adts", "aac", None, 64_000),
        "flac": ("flac", "flac", None, None),
    }
)


class Encoder:
    """Encodes one sound, piece by piece."""

    def __init__(self, form: str, rate_hz: int) -> None:
        container, codec, rate, bits = _FORMS[form]
        self._rate_hz = rate_hz
        self._written = _Written()
        # Without a way back the Xing header would only be a guess.
        options = {"write_xing": "0"} if form == "mp3" else {}
        self._container = av.open(self._written, "w", format=container, options=options)
        stream = self._container.add_stream(codec, rate=rate or rate_hz)
        assert isinstance(stream, AudioStream)
        stream.codec_context.layout = "mono"
        if bits is not None:
            stream.codec_context.bit_rate = bits
        self._stream = stream
        self._resampler: AudioResampler | None = None
        self._place = 0

    def push(self, sound: bytes) -> bytes:
        """What is ready after this piece of 16-bit samples."""
        if sound:
            frame = AudioFrame.from_ndarray(samples(sound).reshape(1, -1).astype(np.int16), "s16", "mono")
            frame.sample_rate = self._rate_hz
            frame.time_base = Fraction(1, self._rate_hz)
            frame.pts = self._place
            self._place += frame.samples
            self._mux(self._encoded(frame))
        return self._written.take()

    def finish(self) -> bytes:
        """The rest."""
        if self._place:
            self._mux(self._encoded(None))
        self._mux(self._stream.encode(None))
        self._container.close()
        return self._written.take()

    def _encoded(self, frame: AudioFrame | None) -> Iterable[Packet]:
        if self._resampler is None:
            context = self._stream.codec_context
            self._resampler = AudioResampler(
                format=context.format, layout="mono", rate=context.sample_rate, frame_size=context.frame_size
            )
        for ready in self._resampler.resample(frame):
            yield from self._stream.encode(ready)

    def _mux(self, packets: Iterable[Packet]) -> None:
        for packet in packets:
            self._container.mux(packet)
