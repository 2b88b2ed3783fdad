"""Calls from the playground page that are given up while they begin, and ones that find the first way closed."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from tests.browser.chromium import Page, chromium
from tests.e2e.server import API_KEY, Server

pytestmark = [
    pytest.mark.skipif(chromium() is None, reason="Chromium is not installed"),
    pytest.mark.realtime,
]

_SECONDS = 180


@pytest.fixture
async def page(tmp_path: Path, plain_server: Server, anyio_backend: str) -> AsyncGenerator[Page]:
    async with Page(tmp_path / "browser") as opened:
        await opened.open(f"{plain_server.base}/playground/")
        yield opened


async def test_a_call_that_is_given_up_while_it_begins_does_not_go_on(page: Page) -> None:
    await page.run(f"document.getElementById('key').value = '{API_KEY}'; 0")
    await page.run("document.getElementById('call').click(); document.getElementById('hang-up').click(); 0")
    await page.run("fetch('/playground/').then((answer) => answer.text()).then(() => 0)")
    await page.run("document.getElementById('call').click(); 0")
    await page.until("!document.getElementById('text').disabled", seconds=_SECONDS)
    await page.until("playground.events.some((each) => each.type === 'ready')", seconds=_SECONDS)
    assert await page.run("playground.events.filter((each) => each.type === 'ready').length") == 1
    await page.run("document.getElementById('hang-up').click(); 0")
    assert await page.run("document.getElementById('text').disabled") is True
    assert await page.run("document.getElementById('problem').hidden") is True


async def test_where_webrtc_is_closed_the_call_goes_over_a_websocket(page: Page) -> None:
    await page.run(
        "RTCPeerConnection.prototype.setRemoteDescription = async () => { throw new Error('no'); }; 0"
    )
    await page.run(f"document.getElementById('key').value = '{API_KEY}'; 0")
    await page.run("document.getElementById('call').click(); 0")
    await page.until("!document.getElementById('text').disabled", seconds=_SECONDS)
    await page.until("playground.events.some((each) => each.type === 'ready')", seconds=_SECONDS)
    ready = await page.run("playground.events.find((each) => each.type === 'ready')")
    assert ready["formats"] == {"input": "pcm16@24000", "output": "pcm16@24000"}
    await page.run("document.getElementById('hang-up').click(); 0")
