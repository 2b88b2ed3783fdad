"""The process that holds conversations: reads messages from its parent, and ends with it."""

import asyncio
import ctypes
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import orjson
from pydantic import TypeAdapter

from dragoman.adapters.rooms.call import Call
from dragoman.adapters.rooms.formats import Incoming, Outgoing
from dragoman.adapters.rooms.livekit_room import LiveKitRoom
from dragoman.adapters.rooms.requests import Requests
from dragoman.adapters.rooms.webrtc import Peer
from dragoman.adapters.rooms.wire import Frame, Kind, Packer, PipeReader, Unpacker
from dragoman.domain.voice.spec import TurnTaking, VoiceSpec
from dragoman.kit.offline import put_up_as_told
from dragoman.kit.tasks import TaskOwner

_SPEC = TypeAdapter(VoiceSpec)
_PR_SET_PDEATHSIG = 1
_WHEN_BEGUN = (Kind.TEXT, Kind.SAY, Kind.INTERRUPT, Kind.REPLY, Kind.RETUNE)
_MOST_EARLY = 50
_REHEARSED_SAMPLES = 8000
_ANSWERS = (Kind.THOUGHT, Kind.HEARD, Kind.SPOKEN, Kind.SPOKEN_END)


class _Conversation:
    """A call with its way to the client."""

    def __init__(self, worker: "Worker", number: int, setup: dict[str, Any]) -> None:
        self._worker, self._number = worker, number
        self._relayed = bool(setup.get("relayed"))
        self.requests = Requests(self.send, patience=setup.get("patience", 30.0))
        self._incoming = Incoming(setup["input"])
        self._outgoing = Outgoing(setup["output"])
        self._muted = False
        self.begun = False
        self.early: list[Frame] = []
        self.peer: Peer | LiveKitRoom | None = None
        self._room: tuple[LiveKitRoom, str, str] | None = None
        if setup.get("room_url"):
            room = LiveKitRoom(sound=self._heard, text=self._control, gone=self._gone)
            self.peer, self._room = room, (room, setup["room_url"], setup["room_token"])
        elif setup.get("webrtc"):
            self.peer = Peer(
                setup.get("ice_servers", []), sound=self._heard, text=self._control, gone=self._gone
            )
        self.call = self._made(setup["spec"])

    def _made(self, spec: dict[str, Any]) -> Call:
        return Call(
            _SPEC.validate_python(spec), self.requests, tell=self.tell, emit=self._emit, clear=self._clear
        )

    async def start(self) -> None:
        """Begins; in a room of a LiveKit server once it is joined."""
        if self._room is not None:
            room, url, token = self._room
            await room.join(url, token)
        await self.call.start()

    async def answer(self, offer: str) -> str:
        """The answer to a WebRTC offer."""
        if not isinstance(self.peer, Peer):
            raise TypeError("not a conversation over WebRTC")
        return await self.peer.answer(offer)

    async def retune(self, spec: dict[str, Any]) -> None:
        """Goes on with other settings; the connection stays."""
        old, self.call = self.call, self._made(spec)
        await old.close()
        await self.call.start()

    def send(self, kind: Kind, body: bytes) -> None:
        self._worker.send(self._number, kind, body)

    def tell(self, event: dict[str, Any]) -> None:
        if self.peer is not None and not self._relayed:
            self.peer.tell(orjson.dumps(event).decode())
        self.send(Kind.EVENT, orjson.dumps(event))

    def relay(self, text: str) -> None:
        if self.peer is not None:
            self.peer.tell(text)

    def take_sound(self, data: bytes) -> None:
        if not self._muted:
            self.call.sound(self._incoming(data))

    def mute(self, muted: bool) -> None:
        self._muted = muted

    def _heard(self, pcm: bytes) -> None:
        self.call.sound(pcm)

    def _control(self, message: dict[str, Any]) -> None:
        if self._relayed:
            self.send(Kind.EVENT, orjson.dumps({"type": "client_message", "message": message}))
            return
        match message.get("type"):
            case "text":
                self.call.text(str(message.get("text", "")))
            case "interrupt":
                self.call.interrupt()
            case "playback" if isinstance(message.get("ms"), int):
                self.call.played(message["ms"])
            case "stop":
                self._gone("stopped")
            case _:
                pass

    def _gone(self, reason: str) -> None:
        self.send(Kind.ENDED, orjson.dumps({"reason": reason}))

    def _emit(self, frame: bytes) -> None:
        if self.peer is not None:
            self.peer.play(frame)
        else:
            self.send(Kind.SOUND_OUT, self._outgoing(frame))

    def _clear(self) -> None:
        if self.peer is not None:
            self.peer.drop()
        self.tell({"type": "clear"})

    async def close(self) -> None:
        await self.call.close()
        if self.peer is not None:
            await self.peer.close()


class Worker:
    """All conversations of the process."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self.send = Packer(write)
        self._calls: dict[int, _Conversation] = {}
        self._tasks = TaskOwner()

    def handle(self, frame: Frame) -> None:
        """Takes a message of the parent's."""
        if frame.kind is Kind.OPEN:
            self._open(frame)
            return
        conversation = self._calls.get(frame.call)
        if conversation is None:
            return
        if frame.kind in _ANSWERS:
            conversation.requests.take(frame)
            return
        if frame.kind in _WHEN_BEGUN and not conversation.begun:
            if len(conversation.early) < _MOST_EARLY:
                conversation.early.append(frame)
            return
        self._command(conversation, frame)

    def _command(self, conversation: _Conversation, frame: Frame) -> None:
        match frame.kind:
            case Kind.SOUND:
                conversation.take_sound(frame.body)
            case Kind.TEXT:
                conversation.call.text(frame.json()["text"])
            case Kind.SAY:
                conversation.call.say(frame.json()["text"])
            case Kind.INTERRUPT:
                conversation.call.interrupt()
            case Kind.PLAYED:
                conversation.call.played(frame.json()["ms"])
            case Kind.REPLY:
                conversation.call.reply()
            case Kind.MUTE:
                conversation.mute(frame.json()["muted"])
            case Kind.RELAY:
                conversation.relay(frame.body.decode())
            case Kind.RETUNE:
                conversation.begun = False
                self._tasks.start(self._retune(frame, conversation), name="voice.retune")
            case Kind.OFFER:
                self._tasks.start(self._answer(frame, conversation), name="voice.offer")
            case Kind.CLOSE:
                del self._calls[frame.call]
                self._tasks.start(conversation.close(), name="voice.close")
            case _:
                pass

    def _open(self, frame: Frame) -> None:
        # What belongs to the conversation may follow at once, so it is known before anything is awaited.
        try:
            conversation = _Conversation(self, frame.call, frame.json())
        except Exception as error:
            logging.exception("a conversation could not be made")
            self._failed(frame.call, error)
            return
        self._calls[frame.call] = conversation
        self._tasks.start(self._begin(frame.call, conversation), name="voice.begin")

    async def _begin(self, number: int, conversation: _Conversation) -> None:
        try:
            await conversation.start()
        except Exception as error:
            logging.exception("a conversation could not begin")
            self._calls.pop(number, None)
            self._failed(number, error)
            await conversation.close()
            return
        self.send(number, Kind.EVENT, orjson.dumps({"type": "opened"}))
        self._begun(conversation)

    async def _retune(self, frame: Frame, conversation: _Conversation) -> None:
        try:
            await conversation.retune(frame.json()["spec"])
        except Exception as error:
            logging.exception("a conversation could not go on")
            self._calls.pop(frame.call, None)
            self._failed(frame.call, error)
            return
        self._begun(conversation)

    def _begun(self, conversation: _Conversation) -> None:
        conversation.begun = True
        early, conversation.early = conversation.early, []
        for frame in early:
            self.handle(frame)

    def _failed(self, number: int, error: Exception) -> None:
        reason = f"The conversation could not begin ({type(error).__name__})."
        self.send(number, Kind.ENDED, orjson.dumps({"reason": "failed", "message": reason}))

    async def _answer(self, frame: Frame, conversation: _Conversation) -> None:
        try:
            answer = {"sdp": await conversation.answer(frame.json()["sdp"])}
        except Exception as error:  # noqa: BLE001 - whatever a foreign offer stumbles over is told its sender
            answer = {"error": f"The offer cannot be answered ({type(error).__name__}: {error})."}
        self.send(frame.call, Kind.ANSWER, orjson.dumps(answer))


async def _run() -> None:
    loop = asyncio.get_running_loop()
    pipe = os.fdopen(os.dup(1), "wb")
    # What a library prints must not get between the messages.
    os.dup2(2, 1)
    transport, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, pipe)
    worker = Worker(transport.write)
    await rehearse()
    worker.send(0, Kind.EVENT, orjson.dumps({"type": "ready"}))
    source = os.fdopen(os.dup(0), "rb")
    _, reader = await loop.connect_read_pipe(lambda: PipeReader(Unpacker(worker.handle)), source)
    await reader.over


async def rehearse() -> None:
    """Holds a conversation with nobody, so that the first real one finds everything loaded and does not wait.

    What is loaded by then stays, so the collector need not look at it again: going through it stops every conversation
    for a tenth of a second.
    """
    call = Call(
        VoiceSpec(agent_id="", turns=TurnTaking(detect_end=False)),
        Requests(lambda kind, body: None),
        tell=lambda event: None,
        emit=lambda frame: None,
        clear=lambda: None,
    )
    await call.start()
    call.sound(bytes(2 * _REHEARSED_SAMPLES))
    await asyncio.sleep(0)
    await call.close()
    gc.collect()
    gc.freeze()


def main() -> None:
    """Serves until the parent goes."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # The parent may have ended before the line above.
    if os.getppid() != int(sys.argv[1]):
        os._exit(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    put_up_as_told()
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    asyncio.run(_run())
    os._exit(0)


if __name__ == "__main__":
    main()
