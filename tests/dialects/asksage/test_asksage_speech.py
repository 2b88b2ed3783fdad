"""Text as an MP3, and recordings as text."""

import re
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.in_process import InProcess, in_process, settings_in

_PATH = "/server/get-text-to-speech"


@pytest.fixture(scope="module")
async def speaking(
    tmp_path_factory: pytest.TempPathFactory, weights_dir: Path, anyio_backend: str
) -> AsyncGenerator[InProcess]:
    settings = settings_in(tmp_path_factory.mktemp("speech") / "data", weights={"dir": weights_dir})
    async with in_process(settings) as running:
        yield running


async def test_text_is_spoken_and_the_recording_is_read_as_a_file(speaking: InProcess) -> None:
    body = {"text": "The notice period is three months.", "voice": "onyx", "model": "tts"}
    answer = await speaking.client.post(_PATH, json=body)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "audio/mpeg"
    read = await speaking.client.post(
        "/server/file", files={"file": ("memo.mp3", answer.content, "audio/mpeg")}
    )
    assert read.status_code == 200, read.text
    assert re.search(r"(three|3) months", read.json()["ret"].lower())
    assert '"filename":"memo.mp3"' in read.json()["ret"]


async def test_voice_and_model_have_defaults_and_use_is_counted(speaking: InProcess) -> None:
    async def used() -> int:
        answer = await speaking.client.post("/server/count-monthly-tokens")
        return int(answer.json()["response"])

    before = await used()
    answer = await speaking.client.post(_PATH, data={"text": "Hello."})
    assert answer.content[:3] == b"ID3" or answer.content[:1] == b"\xff"
    assert await used() > before


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "text"),
        ({"text": "   "}, "text"),
        ({"text": "Hi.", "voice": "nobody"}, "voice"),
        ({"text": "Hi.", "model": "tts-ultra"}, "model"),
    ],
)
async def test_a_wrong_request_is_refused_in_json(
    speaking: InProcess, body: dict[str, Any], named: str
) -> None:
    answer = await speaking.client.post(_PATH, json=body)
    assert answer.status_code == 400
    assert named in str(answer.json())


async def test_a_file_that_only_claims_to_be_sound_is_refused(speaking: InProcess) -> None:
    answer = await speaking.client.post(
        "/server/file", files={"file": ("memo.mp3", b"no sound", "audio/mpeg")}
    )
    assert answer.status_code == 400
