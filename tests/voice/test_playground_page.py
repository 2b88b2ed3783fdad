"""People talk to an agent in a browser, by voice, interrupting it, and in writing."""

import json
import wave
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.browser.chromium import Page, chromium
from tests.e2e.server import API_KEY, Server
from voice_people import HZ, quiet

from dragoman.kit import pcm

pytestmark = pytest.mark.skipif(chromium() is None, reason="Chromium is not installed")

CONFIG = {
    "agent.welcome_text": "Hello.",
    "vad.min_silence_duration": "0.3",
    "min_endpointing_delay": "0.3",
}


@pytest.fixture
async def page(
    tmp_path: Path, sentences: dict[str, bytes], server: Server, anyio_backend: str
) -> AsyncGenerator[Page]:
    # A question, and while the answer is given, a second one that cuts it off.
    # The browser begins to play when it is asked for the microphone; the call may take a while to begin.
    said = quiet(12) + sentences["office"] + quiet(4.5) + sentences["stop"] + quiet(8)
    file = tmp_path / "speaker.wav"
    with wave.open(str(file), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(48_000)
        out.writeframes(np.clip(pcm.samples(pcm.resampled(said, HZ, 48_000)), -32768, 32767).tobytes())
    async with Page(tmp_path / "browser", file) as opened:
        await opened.open(f"{server.base}/playground/")
        yield opened


async def events(page: Page, kind: str) -> list[dict[str, Any]]:
    return await page.run(f"playground.events.filter((each) => each.type === {json.dumps(kind)})")


async def call(page: Page, transport: str) -> None:
    fill = "".join(
        f"document.getElementById('fields').elements[{json.dumps(name)}].value = {json.dumps(value)};"
        for name, value in CONFIG.items()
    )
    await page.run(f"{fill} document.getElementById('key').value = {json.dumps(API_KEY)}; 0")
    await page.run(f"document.getElementById('transport').value = '{transport}'; 0")
    await page.run("document.getElementById('call').click(); 0")
    await page.until(
        "document.getElementById('text').disabled === false || !document.getElementById('problem').hidden"
    )
    assert await page.run("document.getElementById('problem').textContent") == ""


@pytest.mark.realtime
@pytest.mark.parametrize("transport", ["webrtc", "websocket"])
async def test_two_turns_with_an_interruption(page: Page, transport: str) -> None:
    await call(page, transport)
    await page.until("playground.events.some((each) => each.type === 'agent_said')")
    await page.until(
        "playground.events.filter((each) => each.type === 'transcript' && each.final).length >= 2", seconds=60
    )
    heard = [event["text"].lower() for event in await events(page, "transcript") if event["final"]]
    # A lossy connection on a busy machine may cost a word.
    assert "what time" in heard[0]
    assert "stop" in " ".join(heard[1:])
    await page.until("playground.events.some((each) => each.type === 'agent_said' && each.interrupted)")
    assert await page.run("document.querySelectorAll('#transcript li.person').length") >= 2
    assert await page.run("document.querySelectorAll('#transcript li.cut').length") >= 1
    assert await page.run("document.querySelectorAll('#bar span').length") == 5
    assert await page.run("document.getElementById('total').textContent.endsWith('ms')")
    await page.run("document.getElementById('hang-up').click(); 0")
    assert await page.run("document.getElementById('state').dataset.state") == "idle"


async def test_one_can_write_and_a_wrong_setting_is_told(page: Page) -> None:
    await call(page, "websocket")
    await page.run(
        "document.getElementById('text').value = 'Who are you?';"
        "document.querySelector('#write button').click(); 0"
    )
    await page.until("document.querySelectorAll('#transcript li.agent').length >= 1")
    await page.run("document.getElementById('hang-up').click(); 0")
    await page.run("document.getElementById('fields').elements['tts.voice'].value = 'nobody'; 0")
    await page.run("document.getElementById('call').click(); 0")
    problem = await page.until("document.getElementById('problem').textContent")
    assert "alloy" in problem
