"""A recorded speaker and the engine."""

from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import httpx
import numpy as np
import pytest
from tests.e2e.server import API_KEY, EMAIL, Server
from voice_people import HZ
from voice_services import Services

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
        "flowing": "Please tell me something else about it now",
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


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, weights_dir: Path) -> Generator[Server]:
    named = {
        "DRAGOMAN_BOOTSTRAP__EMAIL": EMAIL,
        "DRAGOMAN_BOOTSTRAP__API_KEY": API_KEY,
        "DRAGOMAN_EMBEDDING__PROVIDER": "none",
        "DRAGOMAN_MODELS__LOCAL__ENABLED": "false",
        "DRAGOMAN_WEIGHTS__DIR": str(weights_dir),
    }
    running = Server(tmp_path_factory.mktemp("rooms") / "data", named)
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def services() -> Generator[Services]:
    with Services() as running:
        yield running


@pytest.fixture(scope="session")
def plain_server(tmp_path_factory: pytest.TempPathFactory, services: Services) -> Generator[Server]:
    """A server that needs no weights: a provider on loopback thinks, speaks and listens."""
    named, config = services.settings()
    with Server(tmp_path_factory.mktemp("plain") / "data", named, config) as running:
        yield running


@pytest.fixture
async def caller(plain_server: Server, anyio_backend: str) -> AsyncGenerator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {API_KEY}"}
    async with httpx.AsyncClient(base_url=plain_server.base, headers=headers, timeout=60) as made:
        yield made


@pytest.fixture
async def client(server: Server, anyio_backend: str) -> AsyncGenerator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {API_KEY}"}
    async with httpx.AsyncClient(base_url=server.base, headers=headers, timeout=60) as made:
        yield made
