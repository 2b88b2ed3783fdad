"""A recorded speaker and the engine."""

from collections.abc import AsyncGenerator
from pathlib import Path

import numpy as np
import pytest
from voice_people import HZ

from dragoman.adapters.rooms.host import EngineHost
from dragoman.adapters.synthesizers.piper import PiperSynthesizer
from dragoman.domain.inference.speech.ports import SpeechRequest
from dragoman.kit import pcm
from dragoman.kit.processes import ChildPool


@pytest.fixture(scope="session")
async def sentences(weights_dir: Path, anyio_backend: str) -> dict[str, bytes]:
    """A speaker's sentences at 16 kHz, without silence around them."""
    texts = {
        "office": "What time does the office open?",
        "rainy": "The weather will be cold and rainy,",
        "umbrella": "so bring an umbrella.",
        "stop": "Stop, that is not what I wanted to know at all.",
    }
    pool = ChildPool(size=1, memory_mb=None, idle_seconds=60, name="speak")
    made: dict[str, bytes] = {}
    try:
        voice = PiperSynthesizer([weights_dir / "piper"], pool=pool, threads=1)
        for name, text in texts.items():
            sound = b"".join([piece async for piece in voice.stream(SpeechRequest(text))])
            values = pcm.samples(pcm.resampled(sound, voice.sample_rate_hz, HZ))
            loud = np.flatnonzero(np.abs(values.astype(int)) > 400)
            made[name] = values[loud[0] : loud[-1]].tobytes()
    finally:
        await pool.close()
    return made


@pytest.fixture(scope="module")
async def host(anyio_backend: str) -> AsyncGenerator[EngineHost]:
    engine = EngineHost(idle_seconds=60)
    await engine.warm()
    yield engine
    await engine.close()
