"""Rooms of a running server: over a WebSocket and over WebRTC, and what does not get in."""

import asyncio
import json
import time
from typing import Any

import anyio
import httpx
import websockets
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from av.audio.frame import AudioFrame
from websockets.asyncio.client import ClientConnection

from dragoman.kit.pcm import samples

START = {"type": "start", "formats": {"input": "pcm16@16000", "output": "pcm16@24000"}}


async def token(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await client.post("/api/v1/playground/tokens", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def address(got: dict[str, Any]) -> str:
    return f"{got['transports'][0]['url']}?token={got['token']}"


async def message(
    socket: ClientConnection, kind: str, *, sounds: list[bytes] | None = None
) -> dict[str, Any]:
    """The next message of a kind; sound on the way to it is kept."""
    with anyio.fail_after(60):
        while True:
            received = await socket.recv()
            if isinstance(received, bytes):
                if sounds is not None:
                    sounds.append(received)
                continue
            told = json.loads(received)
            if told["type"] == kind:
                return told


async def test_a_room_over_a_websocket(client: httpx.AsyncClient) -> None:
    got = await token(client, agent_config={"agent": {"welcome_text": "Good morning.", "full_name": "Ada"}})
    sounds: list[bytes] = []
    async with websockets.connect(address(got), subprotocols=["dragoman.voice.v1"], proxy=None) as socket:  # pyright: ignore[reportArgumentType]
        assert socket.subprotocol == "dragoman.voice.v1"
        await socket.send(json.dumps(START))
        ready = await message(socket, "ready")
        assert (ready["room"], ready["agent_name"]) == (got["room"], "Ada")
        said = await message(socket, "agent_said", sounds=sounds)
        assert said["text"] == "Good morning."
        assert 0.4 < sum(map(len, sounds)) / 48_000 < 3
        await socket.send(json.dumps({"type": "text", "text": "Who are you?"}))
        assert (await message(socket, "transcript"))["typed"] is True
        assert (await message(socket, "agent_text"))["delta"]
        await socket.send(json.dumps({"type": "dance"}))
        assert (await message(socket, "error"))["code"] == "unknown_message"
        await socket.send("no json")
        assert (await message(socket, "error"))["code"] == "invalid_json"
        await socket.send(json.dumps({"type": "stop"}))
        assert (await message(socket, "ended"))["reason"] == "stopped"


async def _to_the_end(socket: ClientConnection) -> None:
    try:
        async for _ in socket:
            pass
    except websockets.ConnectionClosed:
        return


async def closed(socket: ClientConnection) -> int | None:
    """The code it is closed with."""
    with anyio.fail_after(20):
        await _to_the_end(socket)
    return socket.close_code


async def refused(url: str, first: object = START) -> tuple[str, int | None]:
    async with websockets.connect(url, proxy=None) as socket:
        await socket.send(first if isinstance(first, str) else json.dumps(first))
        told = await message(socket, "error")
        return told["code"], await closed(socket)


async def test_what_does_not_get_into_a_room(client: httpx.AsyncClient) -> None:
    got = await token(client)
    url = got["transports"][0]["url"]
    assert await refused(f"{url}?token={got['token'][:-6]}AAAAAA") == ("token_invalid", 4401)
    assert await refused(url) == ("token_invalid", 4401)
    assert await refused(address(got), "nonsense") == ("invalid_json", 4400)
    assert await refused(address(got), {"type": "text", "text": "x"}) == ("start_expected", 4400)
    odd = {"type": "start", "formats": {"input": "mp3@1"}}
    assert await refused(address(got), odd) == ("invalid_input", 4400)


async def test_a_token_lets_one_in_at_a_time_and_again_after_the_first_has_gone(
    client: httpx.AsyncClient,
) -> None:
    got = await token(client)
    async with websockets.connect(address(got), proxy=None) as socket:
        await socket.send(json.dumps(START))
        await message(socket, "ready")
        assert await refused(address(got)) == ("room_in_use", 4409)
    with anyio.fail_after(10):
        while True:
            async with websockets.connect(address(got), proxy=None) as socket:
                await socket.send(json.dumps(START))
                told = json.loads(await socket.recv())
                if told["type"] == "ready":
                    return
                await anyio.lowlevel.checkpoint()


async def test_a_livekit_client_is_told_that_this_is_no_livekit_server(client: httpx.AsyncClient) -> None:
    got = await token(client)
    asked = await client.get(f"/api/v1/playground/rtc/validate?access_token={got['token']}")
    assert asked.status_code == 404
    assert "voice.livekit_url" in asked.text
    async with websockets.connect(
        f"{got['server_url']}/rtc?access_token={got['token']}", proxy=None
    ) as socket:
        assert await closed(socket) == 4404


class _Silent(MediaStreamTrack):
    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._place = 0
        self._begun = time.monotonic()

    async def recv(self) -> AudioFrame:
        await asyncio.sleep(max(0.0, self._begun + self._place / 48_000 - time.monotonic()))
        frame = AudioFrame(format="s16", layout="mono", samples=960)
        frame.planes[0].update(bytes(1920))
        frame.sample_rate = 48_000
        frame.pts = self._place
        self._place += 960
        return frame


async def _loudest(track: Any, heard: asyncio.Event) -> None:
    """Tells when the agent can be heard."""
    while True:
        try:
            frame = await track.recv()
        except MediaStreamError:
            return
        if max(abs(int(value)) for value in samples(bytes(frame.planes[0]))[:200]) > 1000:
            heard.set()


async def test_a_room_over_webrtc(client: httpx.AsyncClient) -> None:
    got = await token(client, agent_config={"agent": {"welcome_text": "Good morning to you."}})
    peer = RTCPeerConnection()
    heard, listening = asyncio.Event(), []
    events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    try:
        peer.addTrack(_Silent())
        channel = peer.createDataChannel("events")
        channel.on("message", lambda text: events.put_nowait(json.loads(text)))
        peer.on(
            "track",
            lambda track: listening.append(asyncio.get_running_loop().create_task(_loudest(track, heard))),
        )
        await peer.setLocalDescription(await peer.createOffer())
        body = {"sdp": peer.localDescription.sdp, "token": got["token"]}
        answer = await client.post("/api/v1/playground/offer", json=body)
        assert answer.status_code == 200, answer.text
        await peer.setRemoteDescription(RTCSessionDescription(answer.json()["sdp"], "answer"))
        with anyio.fail_after(30):
            await heard.wait()
            while (await events.get())["type"] != "agent_said":
                pass
            channel.send(json.dumps({"type": "text", "text": "Hello?"}))
            while (await events.get())["type"] != "transcript":
                pass
    finally:
        await peer.close()
        for task in listening:
            task.cancel()


async def test_an_offer_that_is_none_is_refused(client: httpx.AsyncClient) -> None:
    got = await token(client)
    for sdp in (None, "", "v=0\r\nnonsense", 7):
        answer = await client.post("/api/v1/playground/offer", json={"token": got["token"], "sdp": sdp})
        assert answer.status_code == 422
    strange = {"token": "x", "sdp": "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"}
    assert (await client.post("/api/v1/playground/offer", json=strange)).status_code == 401
