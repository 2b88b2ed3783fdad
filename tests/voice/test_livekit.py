"""Rooms of a LiveKit server: the agent is called into them, and talks there as everywhere."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import httpx
import jwt
import pytest
from livekit import rtc
from livekit.protocol import agent
from livekit_server import KEY, SECRET, LiveKitServer, job, livekit_server
from tests.e2e.server import API_KEY, Server
from voice_services import Services

from dragoman.adapters.rooms.livekit_room import TOPIC, LiveKitRoom


@pytest.fixture(scope="module")
async def cluster(anyio_backend: str) -> AsyncGenerator[LiveKitServer]:
    async with livekit_server() as made:
        yield made


@pytest.fixture(scope="module")
async def joined(
    cluster: LiveKitServer, services: Services, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Server]:
    named, config = services.settings()
    named |= {
        "DRAGOMAN_VOICE__LIVEKIT_URL": cluster.url,
        "DRAGOMAN_VOICE__LIVEKIT_API_KEY": KEY,
        "DRAGOMAN_VOICE__LIVEKIT_API_SECRET": SECRET,
        "NO_PROXY": "127.0.0.1",
    }
    place: Path = tmp_path_factory.mktemp("livekit") / "data"
    running = Server(place, named, config)
    # The server registers with the cluster while it starts, so this loop must not stand still.
    await asyncio.to_thread(running.start)
    yield running
    await asyncio.to_thread(running.stop)


async def token(server: Server) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {API_KEY}"}
    async with httpx.AsyncClient(base_url=server.base, headers=headers, timeout=60) as client:
        answer = await client.post("/api/v1/playground/tokens", json={})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def send(connection: Any, fill: Callable[[Any], Any]) -> None:
    message = agent.ServerMessage()
    fill(message)
    await connection.send(message.SerializeToString())


async def test_a_token_calls_the_agent_and_the_agent_comes(joined: Server, cluster: LiveKitServer) -> None:
    registered = await cluster.until("register")
    assert registered.agent_name == "dragoman"
    assert registered.allowed_permissions.agent is True
    worker = await cluster.worker.get()
    got = await token(joined)
    assert got["server_url"] == cluster.url
    assert {"type": "livekit", "url": cluster.url} in got["transports"]
    claims = jwt.decode(got["participant_token"], SECRET, algorithms=["HS256"], issuer=KEY)
    assert claims["roomConfig"]["agents"][0]["agentName"] == registered.agent_name

    await send(worker, lambda message: job(message.availability, "J1", got["room_name"]))
    answer = await cluster.until("availability", job_id="J1")
    assert answer.available is True
    assert answer.participant_identity == "agent-J1"
    assert answer.participant_name == "Assistant"

    def assign(message: Any) -> None:
        job(message.assignment, "J1", got["room_name"])
        message.assignment.token = "the room's token"

    await send(worker, assign)
    await cluster.until("update_job", job_id="J1", status=agent.JobStatus.JS_RUNNING)
    # This server lets nobody into its rooms, so the agent tells that it could not come.
    failed = await cluster.until("update_job", job_id="J1", status=agent.JobStatus.JS_FAILED)
    assert "could not begin" in failed.error
    assert cluster.rooms_asked

    await send(worker, lambda message: job(message.availability, "J2", "somebody-elses-room"))
    assert (await cluster.until("availability", job_id="J2")).available is False

    # A lost connection is made again.
    await worker.close()
    assert (await cluster.until("register")).agent_name == "dragoman"


class _Frames:
    def __init__(self, sounds: list[bytes]) -> None:
        self._sounds = sounds
        self.closed = asyncio.Event()

    async def __aiter__(self) -> AsyncGenerator[Any]:
        for sound in self._sounds:
            yield SimpleNamespace(frame=SimpleNamespace(data=sound))

    async def aclose(self) -> None:
        self.closed.set()


class _Source(rtc.AudioSource):
    def __init__(self) -> None:
        super().__init__(24_000, 1)
        self.taken: asyncio.Queue[bytes] = asyncio.Queue()
        self.cleared = 0

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        self.taken.put_nowait(bytes(frame.data))

    def clear_queue(self) -> None:
        self.cleared += 1


class _TextStream:
    def __init__(self, sender: str, attributes: dict[str, str]) -> None:
        self.sender, self.attributes, self.text = sender, attributes, ""

    async def write(self, text: str) -> None:
        self.text += text

    async def aclose(self, *, attributes: dict[str, str] | None = None) -> None:
        self.attributes = self.attributes | (attributes or {})


class _Myself:
    identity = "agent-1"

    def __init__(self) -> None:
        self.streams: list[_TextStream] = []
        self.sent: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self.attributes: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self.published: list[Any] = []

    async def publish_track(self, track: Any, options: Any) -> Any:
        self.published.append((track, options))
        return SimpleNamespace(sid="TR_agent")

    async def stream_text(
        self, *, topic: str, sender_identity: str, attributes: dict[str, str]
    ) -> _TextStream:
        assert topic == "lk.transcription"
        self.streams.append(_TextStream(sender_identity, attributes))
        return self.streams[-1]

    async def publish_data(self, text: str, *, reliable: bool, topic: str) -> None:
        assert reliable
        if "break" in text:
            raise ConnectionError("engine is closed")
        self.sent.put_nowait((topic, text))

    async def set_attributes(self, attributes: dict[str, str]) -> None:
        self.attributes.put_nowait(attributes)


class _Room(rtc.EventEmitter[str]):
    def __init__(self) -> None:
        super().__init__()
        self.local_participant = _Myself()
        self.remote_participants: dict[str, Any] = {"p": SimpleNamespace(identity="p")}
        self.connected: tuple[str, str] | None = None
        self.chat: Any = None

    async def connect(self, url: str, token: str, options: Any) -> None:
        self.connected = (url, token)

    def register_text_stream_handler(self, topic: str, handler: Any) -> None:
        assert topic == "lk.chat"
        self.chat = handler

    async def disconnect(self) -> None:
        self.connected = None


class _Reader:
    async def read_all(self) -> str:
        return "Typed."


class Seat:
    """An agent in a room that is not there, and what it hears."""

    def __init__(self) -> None:
        self.room, self.source = _Room(), _Source()
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()
        self.told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.gone: asyncio.Queue[str] = asyncio.Queue()
        self.frames = _Frames([b"\1\0" * 320, b"\2\0" * 320])
        self.agent = LiveKitRoom(
            sound=self.heard.put_nowait,
            text=self.told.put_nowait,
            gone=self.gone.put_nowait,
            room=self.room,
            source=self.source,
            frames=lambda _track: self.frames,
            gone_seconds=0.05,
        )

    def comes(self) -> None:
        """The person's microphone is there."""
        track, publication = SimpleNamespace(kind=rtc.TrackKind.KIND_AUDIO), SimpleNamespace(sid="TR_person")
        self.room.emit("track_subscribed", track, publication, SimpleNamespace(identity="p"))

    async def show(self, *events: dict[str, Any]) -> list[_TextStream]:
        """The transcriptions in the room, once these events have been told."""
        for event in events:
            self.agent.tell(json.dumps(event))
        for _ in events:
            await self.room.local_participant.sent.get()
        self.agent.tell(json.dumps({"type": "last"}))
        await self.room.local_participant.sent.get()
        return self.room.local_participant.streams


@pytest.fixture
async def seat(anyio_backend: str) -> AsyncGenerator[Seat]:
    made = Seat()
    await made.agent.join("ws://cluster", "room-token")
    yield made
    await made.agent.close()
    assert made.room.connected is None


async def test_the_person_is_heard_and_the_agent_speaks(seat: Seat) -> None:
    assert seat.room.connected == ("ws://cluster", "room-token")
    assert len(seat.room.local_participant.published) == 1
    with anyio.fail_after(10):
        seat.room.emit("track_subscribed", SimpleNamespace(kind=rtc.TrackKind.KIND_VIDEO), None, None)
        seat.comes()
        assert [await seat.heard.get(), await seat.heard.get()] == [b"\1\0" * 320, b"\2\0" * 320]
        await seat.frames.closed.wait()
        seat.agent.play(b"\3\0" * 480)
        assert await seat.source.taken.get() == b"\3\0" * 480
        seat.agent.play(b"\4\0" * 480)
        seat.agent.drop()
        seat.agent.play(b"\5\0" * 480)
        assert await seat.source.taken.get() == b"\5\0" * 480
        assert seat.source.cleared == 1


async def test_events_go_as_data_and_the_state_as_an_attribute(seat: Seat) -> None:
    with anyio.fail_after(10):
        seat.agent.tell(json.dumps({"type": "break"}))
        seat.agent.tell(json.dumps({"type": "state", "state": "thinking"}))
        topic, text = await seat.room.local_participant.sent.get()
        assert (topic, json.loads(text)["state"]) == (TOPIC, "thinking")
        assert await seat.room.local_participant.attributes.get() == {"lk.agent.state": "thinking"}


async def test_what_is_said_is_shown_as_livekits_own_transcriptions(seat: Seat) -> None:
    seat.comes()
    with anyio.fail_after(10):
        streams = await seat.show(
            {"type": "transcript", "text": "What", "final": False},
            {"type": "transcript", "text": "What time?", "final": True},
            {"type": "transcript", "text": "Written.", "final": True, "typed": True},
            {"type": "agent_text", "delta": "At ", "final": False},
            {"type": "agent_text", "delta": "nine.", "final": False},
            {"type": "agent_text", "delta": "", "final": True},
            {"type": "agent_said", "text": "At nine.", "interrupted": False},
            {"type": "agent_text", "delta": "And th", "final": False},
            {"type": "agent_said", "text": "And", "interrupted": True},
            {"type": "transcript", "text": "Stop.", "final": True},
        )
    found = [(each.sender, each.text, each.attributes["lk.transcription_final"]) for each in streams]
    assert found == [
        ("p", "What", "false"),
        ("p", "What time?", "true"),
        ("agent-1", "At nine.", "true"),
        ("agent-1", "And th", "true"),
        ("p", "Stop.", "true"),
    ]
    segments = [each.attributes["lk.segment_id"] for each in streams]
    assert segments[0] == segments[1]
    assert len(set(segments)) == 4
    tracks = [each.attributes["lk.transcribed_track_id"] for each in streams]
    assert tracks == ["TR_person", "TR_person", "TR_agent", "TR_agent", "TR_person"]


async def test_the_person_may_write_and_stop(seat: Seat) -> None:
    person = SimpleNamespace(identity="p")

    def packet(data: bytes, topic: str = TOPIC, participant: Any = person) -> None:
        seat.room.emit(
            "data_received", SimpleNamespace(data=data, topic=topic, participant=participant, kind=0)
        )

    packet(b"no JSON")
    packet(b"[1]")
    packet(b'{"type": "stop"}', topic="other")
    packet(b'{"type": "stop"}', participant=None)
    packet(b'{"type": "interrupt"}')
    with anyio.fail_after(10):
        assert await seat.told.get() == {"type": "interrupt"}
        seat.room.chat(_Reader(), "p")
        assert await seat.told.get() == {"type": "text", "text": "Typed."}
    assert seat.told.empty()


async def test_the_agent_leaves_once_all_is_told(anyio_backend: str) -> None:
    seat = Seat()
    await seat.agent.join("ws://cluster", "room-token")
    events = [
        {"type": "error", "code": "silence", "message": "Nobody."},
        {"type": "ended", "reason": "silence"},
    ]
    for event in events:
        seat.agent.tell(json.dumps(event))
    with anyio.fail_after(10):
        await seat.agent.close()
    sent = seat.room.local_participant.sent
    assert [json.loads(sent.get_nowait()[1]) for _ in events] == events
    assert seat.room.connected is None


async def test_an_empty_room_is_left(seat: Seat) -> None:
    person = seat.room.remote_participants.pop("p")
    seat.room.emit("participant_disconnected", person)
    with anyio.fail_after(10):
        assert await seat.gone.get() == "participant_left"
    seat.room.emit("disconnected", "ROOM_CLOSED")
    assert seat.gone.empty()
