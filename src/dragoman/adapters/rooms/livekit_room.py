"""A room of a LiveKit server: the participant's microphone, the agent's voice, and data packets for events."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import orjson
from livekit import rtc

from dragoman.adapters.rooms.livekit_captions import Captions
from dragoman.adapters.rooms.playing import OUTPUT_HZ
from dragoman.adapters.rooms.vad import INPUT_HZ
from dragoman.kit.tasks import TaskOwner

TOPIC = "dragoman.voice"
_CHAT = "lk.chat"
_STATE = "lk.agent.state"
_CONNECT_SECONDS = 20.0
_WAITING_FRAMES = 50
_WAITING_EVENTS = 200
_FRAME_MS = 20
_QUEUE_MS = 200
# A participant whose network changed is back within a moment, or does not come.
_GONE_SECONDS = 20.0
# How long what was told may take on its way when the agent leaves.
_DELIVERY_SECONDS = 3.0


def _frames(track: Any) -> Any:
    return rtc.AudioStream.from_track(
        track=track, sample_rate=INPUT_HZ, num_channels=1, frame_size_ms=_FRAME_MS, capacity=_WAITING_FRAMES
    )


class LiveKitRoom:
    """The agent as a participant of a room.

    Args:
        sound: takes the person's sound at 16 kHz.
        text: takes each message of the person's.
        gone: told once when the room or the person is gone.
        room: the room, not joined yet.
        source: takes the agent's sound.
        frames: gives the sound of a track at 16 kHz, and can be closed.
        gone_seconds: how long an empty room is waited in.
    """

    def __init__(
        self,
        *,
        sound: Callable[[bytes], None],
        text: Callable[[dict[str, Any]], None],
        gone: Callable[[str], None],
        room: Any = None,
        source: Any = None,
        frames: Callable[[Any], Any] = _frames,
        gone_seconds: float = _GONE_SECONDS,
    ) -> None:
        self._room = rtc.Room() if room is None else room
        self._sound, self._text, self._told_gone, self._frames = sound, text, gone, frames
        self._gone_seconds = gone_seconds
        self._over = False
        self._source = source or rtc.AudioSource(OUTPUT_HZ, 1, queue_size_ms=_QUEUE_MS)
        self._playing: deque[bytes] = deque(maxlen=_WAITING_FRAMES)
        self._telling: deque[str] = deque(maxlen=_WAITING_EVENTS)
        self._play_wake, self._tell_wake = asyncio.Event(), asyncio.Event()
        self._all_told = asyncio.Event()
        self._all_told.set()
        self._listening: asyncio.Task[None] | None = None
        self._leaving: asyncio.TimerHandle | None = None
        self._captions: Captions | None = None
        self._tasks = TaskOwner()

    async def join(self, url: str, token: str) -> None:
        """Joins and offers the agent's voice.

        Raises:
            Exception: the server does not let it in; the library has no common kind for it.
        """
        self._room.on("track_subscribed", self._subscribed)
        self._room.on("participant_connected", self._came)
        self._room.on("participant_disconnected", self._left)
        self._room.on("data_received", self._packet)
        self._room.on("disconnected", lambda *_: self._gone("disconnected"))
        self._room.register_text_stream_handler(_CHAT, self._chat)
        async with asyncio.timeout(_CONNECT_SECONDS):
            await self._room.connect(url, token, options=rtc.RoomOptions(auto_subscribe=True))
            self._captions = Captions(self._room.local_participant)
            track = rtc.LocalAudioTrack.create_audio_track("agent", self._source)
            options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
            published = await self._room.local_participant.publish_track(track, options)
            self._captions.agent_speaks_on(published.sid)
        self._tasks.start(self._play(), name="voice.livekit_play")
        self._tasks.start(self._tell(), name="voice.livekit_tell")
        if not self._room.remote_participants:
            self._expect()

    def play(self, frame: bytes) -> None:
        """Takes 20 ms of the agent's sound."""
        self._playing.append(frame)
        self._play_wake.set()

    def drop(self) -> None:
        """Forgets what was not sent yet."""
        self._playing.clear()
        self._source.clear_queue()

    def tell(self, text: str) -> None:
        """Sends a message to everybody in the room."""
        self._telling.append(text)
        self._all_told.clear()
        self._tell_wake.set()

    async def close(self) -> None:
        """Leaves the room, once what was told has been sent to who is in it."""
        if self._leaving is not None:
            self._leaving.cancel()
        if self._captions is not None and not self._over:
            with suppress(TimeoutError):
                async with asyncio.timeout(_DELIVERY_SECONDS):
                    await self._all_told.wait()
        await self._tasks.close()
        await self._room.disconnect()
        await self._source.aclose()

    def _gone(self, reason: str) -> None:
        if not self._over:
            self._over = True
            self._told_gone(reason)

    def _expect(self) -> None:
        loop = asyncio.get_running_loop()
        self._leaving = loop.call_later(self._gone_seconds, self._gone, "participant_left")

    def _came(self, _participant: Any) -> None:
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None

    def _left(self, _participant: Any) -> None:
        if not self._room.remote_participants and self._leaving is None:
            self._expect()

    def _subscribed(self, track: Any, publication: Any, participant: Any) -> None:
        if track.kind != rtc.TrackKind.KIND_AUDIO:
            return
        if self._captions is not None:
            self._captions.person_speaks(participant.identity, publication.sid)
        if self._listening is not None:
            self._listening.cancel()
        self._listening = self._tasks.start(self._listen(track), name="voice.livekit_microphone")

    async def _listen(self, track: Any) -> None:
        frames = self._frames(track)
        try:
            async for event in frames:
                self._sound(bytes(event.frame.data))
        finally:
            await frames.aclose()

    def _packet(self, packet: Any) -> None:
        if packet.topic != TOPIC or packet.participant is None:
            return
        try:
            message = orjson.loads(packet.data)
        except orjson.JSONDecodeError:
            return
        if isinstance(message, dict):
            self._text(message)

    def _chat(self, reader: Any, _identity: str) -> None:
        self._tasks.start(self._read(reader), name="voice.livekit_chat")

    async def _read(self, reader: Any) -> None:
        self._text({"type": "text", "text": await reader.read_all()})

    async def _play(self) -> None:
        while True:
            await self._play_wake.wait()
            self._play_wake.clear()
            while self._playing:
                frame = self._playing.popleft()
                await self._source.capture_frame(rtc.AudioFrame(frame, OUTPUT_HZ, 1, len(frame) // 2))

    async def _tell(self) -> None:
        while True:
            await self._tell_wake.wait()
            self._tell_wake.clear()
            while self._telling:
                await self._send(self._telling.popleft())
            self._all_told.set()

    async def _send(self, text: str) -> None:
        event = orjson.loads(text)
        try:
            await self._room.local_participant.publish_data(text, reliable=True, topic=TOPIC)
            if event.get("type") == "state":
                # What LiveKit's own components show of an agent.
                await self._room.local_participant.set_attributes({_STATE: event["state"]})
            if self._captions is not None:
                await self._captions.follow(event)
        except Exception as error:  # noqa: BLE001 - one event less must not end the conversation
            logging.warning("an event could not be sent: %s", error)
