"""A Piper voice piece by piece: the same sound as in one go, and what becomes of a phrase that nobody wants any more."""

import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dragoman.adapters.synthesizers import vits
from dragoman.adapters.synthesizers.piper import PiperSynthesizer
from dragoman.domain.inference.speech.ports import SpeechRequest
from dragoman.kit.errors import ProviderError
from dragoman.kit.pcm import samples
from dragoman.kit.processes import ChildPool

_SENTENCE = "The office opens at nine on Monday morning and closes at six in the evening, except on holidays."


@pytest.fixture
async def pool() -> AsyncGenerator[ChildPool]:
    made = ChildPool(size=1, memory_mb=None, idle_seconds=60, name="speak")
    yield made
    await made.close()


def model_in(weights_dir: Path) -> Path:
    return next(iter(sorted((weights_dir / "piper").glob("*.onnx"))))


def without_chance(voice: vits.PiperVoice) -> vits.PiperVoice:
    voice._config = replace(voice._config, noise=0.0, noise_width=0.0)
    voice._gain = 1.0
    return voice


def test_pieces_are_the_sound_that_the_whole_model_makes(
    weights_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = model_in(weights_dir)
    pieces = [
        samples(piece) for piece in without_chance(vits.PiperVoice(model, 1)).speak(_SENTENCE, 1.0, 1.0)
    ]
    monkeypatch.setattr(vits, "halves", lambda _: None)
    [whole, _] = [
        samples(one) for one in without_chance(vits.PiperVoice(model, 1)).speak(_SENTENCE, 1.0, 1.0)
    ]
    assert len([piece for piece in pieces if len(piece)]) > 3
    assert len(pieces[0]) < len(whole) / 5
    joined = np.concatenate(pieces)
    assert joined.shape == whole.shape
    assert int(np.abs(joined.astype(int) - whole.astype(int)).max()) <= 2


def test_what_is_said_is_as_loud_as_it_can_be_without_being_cut_off(weights_dir: Path) -> None:
    voice = vits.PiperVoice(model_in(weights_dir), 1)
    values = samples(b"".join(voice.speak(_SENTENCE, 1.0, 1.0))).astype(int)
    assert int(np.abs(values).max()) > 0.5 * 32767
    assert np.count_nonzero(np.abs(values) >= 32766) < 0.002 * len(values)


@pytest.mark.parametrize(("speed", "pitch", "least", "most"), [(2.0, 1.0, 0.4, 0.7), (1.0, 1.2, 0.9, 1.1)])
def test_speed_shortens_the_sound_and_pitch_leaves_its_length(
    weights_dir: Path, speed: float, pitch: float, least: float, most: float
) -> None:
    voice = without_chance(vits.PiperVoice(model_in(weights_dir), 1))
    usual, other = (
        sum(map(len, voice.speak(_SENTENCE, *settings))) for settings in ((1.0, 1.0), (speed, pitch))
    )
    assert least < other / usual < most


async def test_leaving_in_the_middle_of_a_phrase_keeps_the_process_and_its_voice(
    weights_dir: Path, pool: ChildPool
) -> None:
    voice = PiperSynthesizer([weights_dir / "piper"], pool=pool, threads=1)
    await voice.warm()
    pid = await pool.call(os.getpid, timeout_seconds=10)
    stream: Any = voice.stream(SpeechRequest(f"{_SENTENCE} {_SENTENCE}"))
    async with aclosing(stream) as pieces:
        assert len(await anext(pieces)) > 1000
    sound = b"".join([piece async for piece in voice.stream(SpeechRequest("Hello there."))])
    assert 0.4 < len(sound) / 2 / voice.sample_rate_hz < 2
    assert await pool.call(os.getpid, timeout_seconds=10) == pid
    await voice.close()


async def test_a_voice_whose_process_cannot_work_says_so(pool: ChildPool, tmp_path: Path) -> None:
    (tmp_path / "en_US-broken.onnx").write_bytes(b"no model")
    (tmp_path / "en_US-broken.onnx.json").write_text(
        '{"audio": {"sample_rate": 22050}, "espeak": {"voice": "en-us"}, "phoneme_id_map": {}}'
    )
    voice = PiperSynthesizer([tmp_path], pool=pool, threads=1)
    with pytest.raises(ProviderError, match="The voice failed"):
        _ = [piece async for piece in voice.stream(SpeechRequest("Hello."))]
    await voice.close()
