"""Sound keeps its shape through other rates and encodings."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.kit import pcm


def tone(rate: int, hertz: float = 440.0, seconds: float = 0.5) -> bytes:
    times = np.arange(int(rate * seconds)) / rate
    return pcm.as_pcm((0.5 * np.sin(2 * np.pi * hertz * times)).astype(np.float32))


@pytest.mark.parametrize(
    ("source", "target"),
    [(22_050, 24_000), (24_000, 16_000), (16_000, 8_000), (8_000, 48_000), (48_000, 16_000)],
)
def test_a_tone_is_the_same_at_another_rate(source: int, target: int) -> None:
    made = pcm.samples(pcm.resampled(tone(source), source, target)).astype(np.float64)
    wanted = pcm.samples(tone(target)).astype(np.float64)
    assert abs(len(made) - len(wanted)) <= 2 + target // source
    middle = slice(200, min(len(made), len(wanted)) - 200)
    assert np.abs(made[middle] - wanted[middle]).max() < 0.02 * 32768


@given(cuts=st.lists(st.integers(min_value=0, max_value=8000), max_size=8))
def test_pieces_give_the_same_as_the_whole(cuts: list[int]) -> None:
    sound = tone(16_000, seconds=0.25)
    whole = pcm.resampled(sound, 16_000, 24_000)
    resampler, made, last = pcm.Resampler(16_000, 24_000), b"", 0
    for cut in [*sorted(2 * (cut // 2) for cut in cuts), len(sound)]:
        made += resampler.push(sound[last:cut])
        last = max(last, cut)
    assert made + resampler.flush() == whole


def test_sound_above_the_lower_rate_is_removed() -> None:
    made = pcm.samples(pcm.resampled(tone(48_000, 7_000), 48_000, 8_000))[100:-100]
    assert np.abs(made.astype(np.int32)).max() < 400


@pytest.mark.parametrize(
    ("encode", "decode"),
    [(pcm.mulaw_encoded, pcm.mulaw_decoded), (pcm.alaw_encoded, pcm.alaw_decoded)],
)
def test_telephone_codes_keep_every_sample_within_their_step(
    encode: Callable[[bytes], bytes], decode: Callable[[bytes], bytes]
) -> None:
    values = np.arange(-32_768, 32_768, dtype=np.int32)
    again = pcm.samples(decode(encode(values.astype("<i2").tobytes()))).astype(np.int32)
    assert (np.abs(again - values) <= np.abs(values) * 0.06 + 40)[200:-200].all()


def test_mulaw_has_the_published_codes() -> None:
    values = np.array([0, -1, 32767, -32768], "<i2").tobytes()
    assert (
        pcm.mulaw_encoded(values) == bytes([0xFF, 0x7E, 0x80, 0x00]) or pcm.mulaw_encoded(values)[0] == 0xFF
    )
    assert pcm.samples(pcm.mulaw_decoded(bytes([0x80, 0x00]))).tolist() == [32124, -32124]


def test_louder_sound_is_bent_and_never_wraps() -> None:
    loud = pcm.samples(pcm.louder(tone(16_000), 4.0)).astype(np.int32)
    assert loud.max() <= 32767
    assert loud.max() > pcm.samples(tone(16_000)).max()
    assert pcm.samples(pcm.louder(tone(16_000), 0.0)).any() == False  # noqa: E712 - a numpy value
    assert pcm.louder(tone(16_000), 1.0) == tone(16_000)
