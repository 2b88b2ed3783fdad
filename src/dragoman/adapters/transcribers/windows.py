"""Cutting a long recording where it is quiet, so that each part can be heard on its own."""

from collections.abc import Iterator

import numpy as np

from dragoman.kit.pcm import SAMPLE_BYTES, samples

_LONGEST_SECONDS = 28
_SEARCHED_SECONDS = 8
_FRAME_SECONDS = 0.1


def windows(sound: bytes, rate_hz: int) -> Iterator[tuple[float, bytes]]:
    """Parts of at most 28 seconds and where each begins, in seconds."""
    longest = _LONGEST_SECONDS * rate_hz * SAMPLE_BYTES
    start = 0
    while len(sound) - start > longest:
        end = start + longest
        searched = _SEARCHED_SECONDS * rate_hz * SAMPLE_BYTES
        cut = end - searched + _quietest(sound[end - searched : end], rate_hz)
        yield start / SAMPLE_BYTES / rate_hz, sound[start:cut]
        start = cut
    yield start / SAMPLE_BYTES / rate_hz, sound[start:]


def _quietest(sound: bytes, rate_hz: int) -> int:
    """The byte in the middle of the quietest frame."""
    frame = round(_FRAME_SECONDS * rate_hz)
    values = samples(sound).astype(np.float32)
    energies = np.square(values[: len(values) // frame * frame]).reshape(-1, frame).sum(axis=1)
    return SAMPLE_BYTES * (int(energies.argmin()) * frame + frame // 2)
