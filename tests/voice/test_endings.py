"""Whoever the server hangs up on is told why, whatever way they came."""

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from aiortc import RTCPeerConnection, RTCSessionDescription
from tests.e2e.server import API_KEY, Server
from voice_peer import Silent
from voice_services import Services

_START = {"type": "start", "formats": {"input": "pcm16@16000", "output": "pcm16@24000"}}
_WHY = [
    {"type": "error", "code": "silence", "message": "Nobody has said anything for a long time."},
    {"type": "ended", "reason": "silence"},
]


@pytest.fixture
async def impatient(
    services: Services, tmp_path: Path, anyio_backend: str
) -> AsyncGenerator[httpx.AsyncClient]:
    """A server that ends a conversation in which nothing is said for five seconds."""
    named, config = services.settings()
    running = Server(tmp_path / "data", named | {"DRAGOMAN_VOICE__SILENCE_SECONDS": "5"}, config)
    await asyncio.to_thread(running.start)
    headers = {"authorization": f"Bearer {API_KEY}"}
    try:
        async with httpx.AsyncClient(base_url=running.base, headers=headers, timeout=60) as made:
            yield made
    finally:
        await asyncio.to_thread(running.stop)


async def _token(client: httpx.AsyncClient) -> dict[str, Any]:
    answer = await client.post("/api/v1/playground/tokens", json={})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_caller_whom_the_server_ends_is_told_why(impatient: httpx.AsyncClient) -> None:
    # Both wait at the same time.
    async with asyncio.timeout(150), asyncio.TaskGroup() as group:
        group.create_task(_over_webrtc(impatient))
        group.create_task(_over_a_websocket(impatient))


async def _over_webrtc(client: httpx.AsyncClient) -> None:
    got, peer = await _token(client), RTCPeerConnection()
    told: list[dict[str, Any]] = []
    closed = asyncio.Event()
    try:
        peer.addTrack(Silent())
        channel = peer.createDataChannel("events")
        channel.on("message", lambda text: told.append(json.loads(text)))
        channel.on("close", lambda: closed.set())
        await peer.setLocalDescription(await peer.createOffer())
        body = {"sdp": peer.localDescription.sdp, "token": got["token"]}
        answer = await client.post("/api/v1/playground/offer", json=body)
        assert answer.status_code == 200, answer.text
        await peer.setRemoteDescription(RTCSessionDescription(answer.json()["sdp"], "answer"))
        await closed.wait()
    finally:
        await peer.close()
    assert told[-2:] == _WHY


async def _over_a_websocket(client: httpx.AsyncClient) -> None:
    got = await _token(client)
    told: list[dict[str, Any]] = []
    address = f"{got['transports'][0]['url']}?token={got['token']}"
    async with websockets.connect(address, proxy=None) as socket:
        await socket.send(json.dumps(_START))
        told.extend([json.loads(received) async for received in socket if isinstance(received, str)])
    assert told[-2:] == _WHY
