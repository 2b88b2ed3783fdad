"""Realtime sessions over WebRTC, opened as a browser or the official client opens them."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import openai
import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription
from openai import AsyncOpenAI
from tests.e2e.server import API_KEY, Server
from voice_peer import Silent, listened

SESSION: Any = {"type": "realtime", "instructions": "Be brief.", "model": "plain"}


def session(**members: Any) -> Any:
    return {**SESSION, **members}


@pytest.fixture
async def official(plain_server: Server, anyio_backend: str) -> AsyncGenerator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{plain_server.base}/v1", api_key=API_KEY, max_retries=0) as made:
        yield made


class Browser:
    """A peer with a microphone, and the data channel that events go over."""

    def __init__(self) -> None:
        self.peer = RTCPeerConnection()
        self.heard = asyncio.Event()
        self.events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []
        self.peer.addTrack(Silent())
        self.channel = self.peer.createDataChannel("oai-events")
        self.channel.on("message", lambda text: self.events.put_nowait(json.loads(text)))
        self.peer.on("track", self._track)

    def _track(self, track: Any) -> None:
        loop = asyncio.get_running_loop()
        self._tasks.append(loop.create_task(listened(track, self.heard)))

    async def offer(self) -> str:
        await self.peer.setLocalDescription(await self.peer.createOffer())
        return self.peer.localDescription.sdp

    async def take(self, answer: str) -> None:
        await self.peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    async def until(self, kind: str) -> dict[str, Any]:
        with anyio.fail_after(60):
            while True:
                event = await self.events.get()
                assert event["type"] != "error" or kind == "error", event
                if event["type"] == kind:
                    return event

    def send(self, **event: Any) -> None:
        self.channel.send(json.dumps(event))

    async def close(self) -> None:
        await self.peer.close()
        for task in self._tasks:
            task.cancel()


@asynccontextmanager
async def browser() -> AsyncGenerator[Browser]:
    made = Browser()
    try:
        yield made
    finally:
        await made.close()


async def converse(page: Browser) -> None:
    created = await page.until("session.created")
    assert created["session"]["instructions"] == "Be brief."
    content = [{"type": "input_text", "text": "Who are you, and what can you do?"}]
    page.send(type="conversation.item.create", item={"type": "message", "role": "user", "content": content})
    page.send(type="response.create")
    done = await page.until("response.done")
    assert "You said" in done["response"]["output"][0]["content"][0]["transcript"]
    with anyio.fail_after(30):
        await page.heard.wait()


async def test_the_official_client_opens_a_call_and_hangs_up(official: AsyncOpenAI) -> None:
    async with browser() as page:
        answer = await official.realtime.calls.with_raw_response.create(
            sdp=await page.offer(), session=SESSION
        )
        assert answer.status_code == 201
        call_id = answer.headers["location"].rpartition("/")[2]
        assert call_id.startswith("rtc_")
        await page.take(answer.text)
        await converse(page)
        await official.realtime.calls.hangup(call_id)
        with anyio.fail_after(30):
            while True:
                try:
                    await official.realtime.calls.hangup(call_id)
                except openai.NotFoundError:
                    break


async def test_a_page_opens_a_call_with_a_secret_and_a_bare_offer(
    official: AsyncOpenAI, plain_server: Server
) -> None:
    made = await official.realtime.client_secrets.create(session=SESSION)
    async with browser() as page, httpx.AsyncClient(base_url=plain_server.base) as client:
        headers = {"authorization": f"Bearer {made.value}", "content-type": "application/sdp"}
        answer = await client.post("/v1/realtime/calls", content=await page.offer(), headers=headers)
        assert answer.status_code == 201, answer.text
        assert answer.headers["content-type"].startswith("application/sdp")
        await page.take(answer.text)
        await converse(page)
        # Turn detection may be changed while the call goes on.
        page.send(
            type="session.update",
            session={
                "type": "realtime",
                "audio": {"input": {"turn_detection": {"type": "semantic_vad", "eagerness": "low"}}},
            },
        )
        updated = await page.until("session.updated")
        assert updated["session"]["audio"]["input"]["turn_detection"]["type"] == "semantic_vad"
        page.send(type="response.create")
        assert (await page.until("response.done"))["response"]["status"] == "completed"


@pytest.mark.parametrize("body", [b"", b"nonsense", b"v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n"])
async def test_what_is_no_offer_opens_no_call(caller: httpx.AsyncClient, body: bytes) -> None:
    answer = await caller.post(
        "/v1/realtime/calls", content=body, headers={"content-type": "application/sdp"}
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "sdp"


async def test_a_call_needs_a_key_a_model_and_settings_that_can_be(
    official: AsyncOpenAI, plain_server: Server
) -> None:
    async with browser() as page:
        offer = await page.offer()
        with pytest.raises(openai.AuthenticationError):
            await official.with_options(api_key="sk-wrong").realtime.calls.create(sdp=offer, session=SESSION)
        with pytest.raises(openai.NotFoundError):
            await official.realtime.calls.create(sdp=offer, session=session(model="nobody"))
        with pytest.raises(openai.BadRequestError, match="tool_choice"):
            await official.realtime.calls.create(sdp=offer, session=session(tool_choice="x"))
