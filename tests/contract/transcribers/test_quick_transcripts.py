"""What is said, decoded for a conversation: sooner, and no worse than decoded at leisure."""

import re
from collections.abc import AsyncGenerator
from pathlib import Path

import numpy as np
import pytest

from dragoman.adapters.synthesizers.piper import PiperSynthesizer
from dragoman.adapters.transcribers.whisper import WhisperTranscriber
from dragoman.domain.inference.speech.ports import Recording, SpeechRequest, TranscribeOptions
from dragoman.kit import pcm
from dragoman.kit.processes import ChildPool

_HZ = 16_000
_SENTENCES = (
    "Please book a table for four people on Friday evening.",
    "Could you tell me how far the station is from the hotel?",
    "What time does the office open?",
)


@pytest.fixture(scope="module")
async def voice(weights_dir: Path, anyio_backend: str) -> AsyncGenerator[PiperSynthesizer]:
    pool = ChildPool(size=1, memory_mb=None, idle_seconds=60, name="speak")
    yield PiperSynthesizer([weights_dir / "piper"], pool=pool, threads=1)
    await pool.close()


@pytest.fixture(scope="module")
async def whisper(anyio_backend: str) -> AsyncGenerator[WhisperTranscriber]:
    pools = [ChildPool(size=1, memory_mb=None, idle_seconds=60, name=name) for name in ("listen", "read")]
    yield WhisperTranscriber(None, pool=pools[0], readers=pools[1], threads=2, longest_seconds=60)
    for pool in pools:
        await pool.close()


async def recorded(voice: PiperSynthesizer, text: str) -> bytes:
    sound = b"".join([piece async for piece in voice.stream(SpeechRequest(text))])
    return bytes(_HZ // 2) + pcm.resampled(sound, voice.sample_rate_hz, _HZ) + bytes(_HZ // 5)


async def heard(whisper: WhisperTranscriber, sound: bytes, *, quick: bool = True) -> str:
    options = TranscribeOptions(language="en", quick=quick)
    return "".join([part.text async for part in whisper.stream(Recording(sound, pcm_rate_hz=_HZ), options)])


def words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9']+", text.lower())


@pytest.mark.parametrize("text", _SENTENCES)
async def test_a_sentence_is_heard_as_it_is_at_leisure(
    voice: PiperSynthesizer, whisper: WhisperTranscriber, text: str
) -> None:
    sound = await recorded(voice, text)
    assert (
        words(await heard(whisper, sound)) == words(await heard(whisper, sound, quick=False)) == words(text)
    )


@pytest.mark.parametrize("text", ["Yes.", "Stop.", "No, thank you."])
async def test_a_short_word_is_heard_once(
    voice: PiperSynthesizer, whisper: WhisperTranscriber, text: str
) -> None:
    assert words(await heard(whisper, await recorded(voice, text))) == words(text)


async def test_a_long_speech_is_heard_to_its_end(
    voice: PiperSynthesizer, whisper: WhisperTranscriber
) -> None:
    text = " ".join(_SENTENCES * 4)
    found = words(await heard(whisper, await recorded(voice, text)))
    assert len(found) > 0.9 * len(words(text))
    assert found[-4:] == ["does", "the", "office", "open"]


async def test_where_nobody_speaks_nothing_is_heard(whisper: WhisperTranscriber) -> None:
    noise = np.random.default_rng(1).normal(0, 600, 2 * _HZ).astype("<i2").tobytes()
    for sound in (bytes(4 * _HZ), noise):
        assert words(await heard(whisper, sound)) == []
