"""A browser over WebRTC: its microphone, the agent's voice, and a data channel for events."""

import asyncio
import fractions
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import orjson
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCIceServer,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from dragoman.adapters.rooms.playing import FRAME_SECONDS, OUTPUT_HZ
from dragoman.adapters.rooms.vad import INPUT_HZ
from dragoman.kit.pcm import Resampler
from dragoman.kit.tasks import TaskOwner

_TRACK_HZ = 48_000
_SAMPLES = int(_TRACK_HZ * FRAME_SECONDS)
_WAITING_FRAMES = 50
_WAITING_EVENTS = 200
_ANSWER_SECONDS = 15.0
# A browser that has the answer connects within a moment, or never.
_CONNECT_SECONDS = 30.0
# How long a client is waited for that does not say that it has heard the last of it.
_DELIVERY_SECONDS = 3.0


class _AgentTrack(MediaStreamTrack):
    """The agent's voice, and silence while it says nothing."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._frames: deque[bytes] = deque(maxlen=_WAITING_FRAMES)
        self._resampler = Resampler(OUTPUT_HZ, _TRACK_HZ)
        self._held = b""
        self._place = 0
        self._begun: float | None = None

    def play(self, frame: bytes) -> None:
        """Takes 20 ms of sound."""
        self._frames.append(frame)

    def drop(self) -> None:
        """Forgets what was not sent yet."""
        self._frames.clear()
        self._held = b""

    async def recv(self) -> AudioFrame:
        """The next 20 ms, when it is their time."""
        if self._begun is None:
            self._begun = time.monotonic()
        await asyncio.sleep(max(0.0, self._begun + self._place / _TRACK_HZ - time.monotonic()))
        while len(self._held) < 2 * _SAMPLES and self._frames:
            self._held += self._resampler.push(self._frames.popleft())
        sound, self._held = self._held[: 2 * _SAMPLES], self._held[2 * _SAMPLES :]
        frame = AudioFrame(format="s16", layout="mono", samples=_SAMPLES)
        frame.planes[0].update(sound.ljust(2 * _SAMPLES, b"\0"))
        frame.sample_rate = _TRACK_HZ
        frame.pts = self._place
        frame.time_base = fractions.Fraction(1, _TRACK_HZ)
        self._place += _SAMPLES
        return frame


class Peer:
    """One connection.

    Args:
        ice_servers: addresses of STUN and TURN servers; none on a single machine or network.
        sound: takes the microphone at 16 kHz.
        text: takes messages of the data channel.
        gone: told once when the connection is over.
    """

    def __init__(
        self,
        ice_servers: list[str],
        *,
        sound: Callable[[bytes], None],
        text: Callable[[dict[str, Any]], None],
        gone: Callable[[str], None],
    ) -> None:
        servers = [RTCIceServer(urls=[url]) for url in ice_servers]
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=servers))
        self._sound, self._text, self._gone = sound, text, gone
        self._track = _AgentTrack()
        self._channel: RTCDataChannel | None = None
        self._early: deque[str] = deque(maxlen=_WAITING_EVENTS)
        self._tasks = TaskOwner()
        self._connection.on("track", self._heard)
        self._connection.on("datachannel", self._opened)
        self._connection.on("connectionstatechange", self._changed)

    async def answer(self, sdp: str) -> str:
        """The answer to a browser's offer."""
        async with asyncio.timeout(_ANSWER_SECONDS):
            await self._connection.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
            self._connection.addTrack(self._track)
            await self._connection.setLocalDescription(await self._connection.createAnswer())
        self._tasks.start(self._expected(), name="voice.expected")
        return self._connection.localDescription.sdp

    async def _expected(self) -> None:
        await asyncio.sleep(_CONNECT_SECONDS)
        if self._connection.connectionState in ("new", "connecting"):
            self._gone("not_connected")

    def play(self, frame: bytes) -> None:
        """Takes 20 ms of the agent's sound."""
        self._track.play(frame)

    def drop(self) -> None:
        """Forgets what was not sent yet."""
        self._track.drop()

    def tell(self, text: str) -> None:
        """Sends a message, once there is a channel."""
        if self._channel is not None and self._channel.readyState == "open":
            self._channel.send(text)
        else:
            self._early.append(text)

    async def close(self) -> None:
        """Ends the connection, once what was told has arrived."""
        await self._tasks.close()
        await self._delivered()
        await self._connection.close()

    async def _delivered(self) -> None:
        # A channel is closed by agreement, and only behind all that was sent on it; an empty buffer is no sign of that.
        channel, over = self._channel, asyncio.Event()
        if channel is None or channel.readyState != "open" or self._connection.connectionState != "connected":
            return
        channel.once("close", lambda: over.set())
        channel.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(_DELIVERY_SECONDS):
                await over.wait()

    def _heard(self, track: Any) -> None:
        if track.kind == "audio":
            self._tasks.start(self._listen(track), name="voice.microphone")

    async def _listen(self, track: Any) -> None:
        resampler = AudioResampler(format="s16", layout="mono", rate=INPUT_HZ)
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            for made in resampler.resample(frame):
                self._sound(bytes(made.planes[0])[: made.samples * 2])

    def _opened(self, channel: RTCDataChannel) -> None:
        self._channel = channel
        channel.on("message", self._message)
        while self._early:
            channel.send(self._early.popleft())

    def _message(self, data: object) -> None:
        if not isinstance(data, str):
            return
        try:
            message = orjson.loads(data)
        except orjson.JSONDecodeError:
            return
        if isinstance(message, dict):
            self._text(message)

    def _changed(self) -> None:
        if self._connection.connectionState in ("failed", "closed"):
            self._gone("disconnected")
