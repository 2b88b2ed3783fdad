"""Sound as 16-bit mono samples: other rates, loudness, mu-law and A-law, WAV headers."""

import math
import struct
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]

SAMPLE_BYTES = 2
_TAPS = 24
_PEAK = 32767.0
_LAW_BIAS = 132
_LAW_CLIP = 32635


def samples(data: bytes) -> Samples:
    """The samples in some bytes; a half sample at the end is left out."""
    return np.frombuffer(data, "<i2", len(data) // SAMPLE_BYTES)


def seconds(data: bytes, rate_hz: int) -> float:
    """How long the sound is."""
    return len(data) / SAMPLE_BYTES / rate_hz


def silence(duration_seconds: float, rate_hz: int) -> bytes:
    """Zeros of that length."""
    return bytes(SAMPLE_BYTES * max(0, round(duration_seconds * rate_hz)))


def as_pcm(values: NDArray[np.float32]) -> bytes:
    """Samples between -1 and 1 as 16-bit ones; what is louder is cut off."""
    return (np.clip(values, -1.0, 1.0) * _PEAK).astype("<i2").tobytes()


def louder(data: bytes, gain: float) -> bytes:
    """The sound at ``gain`` times its amplitude; above half of the scale it is bent rather than cut off."""
    if gain == 1.0:
        return data
    values = samples(data).astype(np.float32) * (gain / 32768.0)
    if gain > 1.0:
        size = np.abs(values)
        bent = 0.5 + 0.5 * np.tanh((size - 0.5) / 0.5)
        values = np.where(size > 0.5, np.sign(values) * bent, values).astype(np.float32)
    return as_pcm(values)


class Resampler:
    """Turns a stream of one rate into one of another; keeps what it needs of the last piece for the next.

    Windowed-sinc interpolation, cut off below half of the lower rate.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        divisor = math.gcd(from_hz, to_hz)
        self._up, self._down = to_hz // divisor, from_hz // divisor
        self._same = from_hz == to_hz
        self._table = _kernels(self._up, self._down)
        self._half = self._table.shape[1] // 2
        self._kept: NDArray[np.float32] = np.zeros(self._half - 1, np.float32)
        self._phase = 0

    def push(self, data: bytes) -> bytes:
        """What can be said of the sound so far."""
        if self._same or not data:
            return data
        taps = self._table.shape[1]
        held = np.concatenate([self._kept, samples(data).astype(np.float32)])
        room = len(held) - taps
        if room < 0:
            self._kept = held
            return b""
        count = (room * self._up + self._up - 1 - self._phase) // self._down + 1
        places = self._phase + np.arange(count, dtype=np.int64) * self._down
        windows = np.lib.stride_tricks.sliding_window_view(held, taps)
        out = np.einsum("ij,ij->i", windows[places // self._up], self._table[places % self._up])
        following = self._phase + count * self._down
        self._kept = held[following // self._up :].copy()
        self._phase = following % self._up
        return np.clip(out, -32768, 32767).astype("<i2").tobytes()

    def flush(self) -> bytes:
        """The end of the sound, which waited for what might follow."""
        return b"" if self._same else self.push(bytes(SAMPLE_BYTES * self._half))


@lru_cache(maxsize=32)
def _kernels(up: int, down: int) -> NDArray[np.float32]:
    """One row of weights for each place between two samples."""
    stretch = max(1.0, down / up)
    half = math.ceil(_TAPS / 2 * stretch)
    cut = 0.95 / stretch
    offsets = np.arange(-half + 1, half + 1, dtype=np.float64)
    rows = np.empty((up, 2 * half), np.float32)
    for phase in range(up):
        at = offsets - phase / up
        window = 0.5 + 0.5 * np.cos(np.pi * np.clip(at / half, -1, 1))
        row = cut * np.sinc(cut * at) * window
        rows[phase] = row / row.sum()
    return rows


def resampled(data: bytes, from_hz: int, to_hz: int) -> bytes:
    """The whole sound at another rate."""
    resampler = Resampler(from_hz, to_hz)
    return resampler.push(data) + resampler.flush()


def mulaw_encoded(data: bytes) -> bytes:
    """8-bit mu-law (G.711) of the samples."""
    values = samples(data).astype(np.int32)
    sign = np.where(values < 0, 0x80, 0)
    size = np.minimum(np.abs(values), _LAW_CLIP) + _LAW_BIAS
    exponent = np.floor(np.log2(size)).astype(np.int32) - 7
    mantissa = (size >> (exponent + 3)) & 0x0F
    return (~(sign | (exponent << 4) | mantissa) & 0xFF).astype(np.uint8).tobytes()


def mulaw_decoded(data: bytes) -> bytes:
    """The samples of 8-bit mu-law."""
    return _MULAW[np.frombuffer(data, np.uint8)].tobytes()


def alaw_encoded(data: bytes) -> bytes:
    """8-bit A-law (G.711) of the samples."""
    values = samples(data).astype(np.int32)
    sign = np.where(values >= 0, 0x80, 0)
    size = np.minimum(np.where(values >= 0, values, -values - 1), 32767) >> 3
    exponent = np.maximum(np.floor(np.log2(np.maximum(size, 1))).astype(np.int32) - 4, 0)
    mantissa = np.where(exponent > 0, size >> np.maximum(exponent, 1), size >> 1) & 0x0F
    return ((sign | (exponent << 4) | mantissa) ^ 0x55).astype(np.uint8).tobytes()


def alaw_decoded(data: bytes) -> bytes:
    """The samples of 8-bit A-law."""
    return _ALAW[np.frombuffer(data, np.uint8)].tobytes()


def _mulaw_values() -> Samples:
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    size = (((code & 0x0F) << 3) + _LAW_BIAS << ((code >> 4) & 7)) - _LAW_BIAS
    return np.where(code & 0x80, -size, size).astype("<i2")


def _alaw_values() -> Samples:
    code = np.arange(256, dtype=np.int32) ^ 0x55
    exponent, mantissa = (code >> 4) & 7, code & 0x0F
    size = np.where(
        exponent > 0, ((mantissa << 4) + 0x108) << np.maximum(exponent - 1, 0), (mantissa << 4) + 8
    )
    return np.where(code & 0x80, size, -size).astype("<i2")


_MULAW = _mulaw_values()
_ALAW = _alaw_values()


def wav_header(rate_hz: int, data_bytes: int | None) -> bytes:
    """The head of a WAV file; without a length, of one that is still being written."""
    size = 0xFFFFFFFF if data_bytes is None else data_bytes
    whole = 0xFFFFFFFF if data_bytes is None else data_bytes + 36
    form = struct.pack("<HHIIHH", 1, 1, rate_hz, rate_hz * SAMPLE_BYTES, SAMPLE_BYTES, 8 * SAMPLE_BYTES)
    return (
        b"RIFF" + struct.pack("<I", whole) + b"WAVEfmt \x10\0\0\0" + form + b"data" + struct.pack("<I", size)
    )
