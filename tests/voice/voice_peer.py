"""The sound of a WebRTC peer: a silent microphone, and an ear."""

import asyncio
import time
from typing import Any

from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av.audio.frame import AudioFrame

from dragoman.kit.pcm import samples


class Silent(MediaStreamTrack):
    """A microphone in a silent room."""

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


async def listened(track: Any, heard: asyncio.Event) -> None:
    """Tells when the agent can be heard."""
    while True:
        try:
            frame = await track.recv()
        except MediaStreamError:
            return
        if max(abs(int(value)) for value in samples(bytes(frame.planes[0]))[:200]) > 1000:
            heard.set()
