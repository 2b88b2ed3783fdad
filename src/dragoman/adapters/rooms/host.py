"""The server's side of the process that holds conversations: started on first use, let go when idle."""

import asyncio
import importlib.util
import itertools
import struct
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import asdict
from typing import Any, TypeVar

import orjson
import structlog

from dragoman.adapters.rooms.process import EngineProcess
from dragoman.adapters.rooms.wire import Frame, Kind, numbered
from dragoman.domain.voice.ports import CallSetup, Ended, Mind, Output, SoundOut, Told
from dragoman.domain.voice.spec import VoiceSpec
from dragoman.kit.errors import DragomanError, InvalidInput, Unavailable
from dragoman.kit.tasks import TaskOwner

T = TypeVar("T")

log = structlog.get_logger(__name__)

_ANSWER_SECONDS = 20.0
_HEAR = struct.Struct(">B")
# Longer answers are cut: nobody listens for half an hour, and a model that does not stop must not fill the memory.
_LONGEST_ANSWER = 20_000
_LONGEST_PHRASE_BYTES = 24_000 * 2 * 180
_PACKAGES = ("livekit.agents", "livekit.plugins.silero", "aiortc", "av")


class EngineHost:
    """A ``VoiceEngine`` in a child process that all conversations share.

    Args:
        idle_seconds: without a conversation for so long the process is let go.
    """

    def __init__(self, *, idle_seconds: float) -> None:
        self._idle_seconds = idle_seconds
        self._starting = asyncio.Lock()
        self._tasks = TaskOwner()
        self._process: EngineProcess | None = None
        self._numbers = itertools.count(1)
        self._calls: dict[int, _Call] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    async def open(
        self, spec: VoiceSpec, setup: CallSetup, mind: Mind, told: Callable[[Output], None]
    ) -> "_Call":
        """A conversation that has begun; see the port."""
        process = await self._running()
        number = next(self._numbers)
        call = _Call(self, process, number, mind, told)
        self._calls[number] = call
        process.send(number, Kind.OPEN, orjson.dumps({"spec": asdict(spec), **_told(setup)}))
        return call

    async def warm(self) -> None:
        """Starts the process; without a conversation it goes again."""
        await self._running()
        self._rest()

    async def close(self) -> None:
        """Ends the process and every conversation in it."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        async with self._starting:
            if self._process is not None:
                await self._process.stop()
        await self._tasks.close()

    @property
    def process_id(self) -> int | None:
        """The child's process id while there is one."""
        return self._process.pid if self._process is not None and self._process.alive else None

    def forget(self, number: int) -> None:
        """The conversation is over; after the last one the process may go."""
        self._calls.pop(number, None)
        self._rest()

    def start(self, work: Any, *, name: str) -> asyncio.Task[Any]:
        """Runs something in the background."""
        return self._tasks.start(work, name=name)

    def _rest(self) -> None:
        if not self._calls and not self._closed:
            if self._timer is not None:
                self._timer.cancel()
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._idle_seconds, self._let_go)

    def _let_go(self) -> None:
        if not self._calls and self._process is not None:
            process, self._process = self._process, None
            self._tasks.start(process.stop(), name="voice.let_go")

    async def _running(self) -> EngineProcess:
        _require()
        if self._timer is not None:
            self._timer.cancel()
        async with self._starting:
            if self._closed:
                raise Unavailable("The server is shutting down.")
            if self._process is None or not self._process.alive:
                self._process = await EngineProcess.start()
                self._tasks.start(self._read(self._process), name="voice.read")
            return self._process

    async def _read(self, process: EngineProcess) -> None:
        await process.messages(self._handle)
        await process.stop()
        for call in [call for call in self._calls.values() if call.process is process]:
            call.broken()

    def _handle(self, frame: Frame) -> None:
        call = self._calls.get(frame.call)
        if call is not None:
            call.handle(frame)


class _Call:
    """One conversation: carries the engine's requests to the mind and its output to the client."""

    def __init__(
        self,
        host: EngineHost,
        process: EngineProcess,
        number: int,
        mind: Mind,
        told: Callable[[Output], None],
    ) -> None:
        self._host, self.process, self._number = host, process, number
        self._mind, self._told = mind, told
        self._work: dict[int, asyncio.Task[Any]] = {}
        self._answered: asyncio.Future[dict[str, Any]] | None = None

    def sound(self, data: bytes) -> None:
        """Takes the person's sound."""
        self._send(Kind.SOUND, data)

    def text(self, text: str) -> None:
        """Takes what the person writes."""
        self._send(Kind.TEXT, orjson.dumps({"text": text}))

    def say(self, text: str) -> None:
        """Has the agent say something."""
        self._send(Kind.SAY, orjson.dumps({"text": text}))

    def reply(self) -> None:
        """Has the agent go on."""
        self._send(Kind.REPLY, b"{}")

    def interrupt(self) -> None:
        """Stops what the agent is saying."""
        self._send(Kind.INTERRUPT, b"{}")

    def played(self, milliseconds: int) -> None:
        """Takes how much the client has played."""
        self._send(Kind.PLAYED, orjson.dumps({"ms": milliseconds}))

    def relay(self, text: str) -> None:
        """Sends a text over the data channel."""
        self._send(Kind.RELAY, text.encode())

    def retune(self, spec: VoiceSpec) -> None:
        """Goes on with other settings."""
        self._send(Kind.RETUNE, orjson.dumps({"spec": asdict(spec)}))

    async def answer(self, offer: str) -> str:
        """The answer to a WebRTC offer."""
        self._answered = asyncio.get_running_loop().create_future()
        self._send(Kind.OFFER, orjson.dumps({"sdp": offer}))
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                answer = await self._answered
        except TimeoutError as error:
            raise Unavailable("The offer was not answered in time.") from error
        if "sdp" not in answer:
            raise InvalidInput(str(answer.get("error")), param="sdp", code="offer_not_answered")
        return str(answer["sdp"])

    def close(self) -> None:
        """Ends it."""
        self._send(Kind.CLOSE, b"{}")
        for task in list(self._work.values()):
            task.cancel()
        self._host.forget(self._number)

    def broken(self) -> None:
        """The process has ended under it."""
        if self._answered is not None and not self._answered.done():
            self._answered.set_result({"error": "The conversation has ended."})
        self._told(Ended("failed", "The process that held the conversation has ended; call again."))

    def handle(self, frame: Frame) -> None:
        """Takes a message of the process's."""
        match frame.kind:
            case Kind.SOUND_OUT:
                self._told(SoundOut(frame.body))
            case Kind.EVENT:
                self._told(Told(frame.json()))
            case Kind.ENDED:
                told = frame.json()
                self._told(Ended(told["reason"], told.get("message")))
            case Kind.ANSWER:
                if self._answered is not None and not self._answered.done():
                    self._answered.set_result(frame.json())
            case Kind.THINK_STOP | Kind.SPEAK_STOP | Kind.HEAR_STOP:
                task = self._work.pop(frame.json()["id"], None)
                if task is not None:
                    task.cancel()
            case _:
                self._requested(frame)

    def _requested(self, frame: Frame) -> None:
        match frame.kind:
            case Kind.THINK:
                asked = frame.json()
                self._begin(asked["id"], self._think(asked["id"], asked["messages"]))
            case Kind.SPEAK:
                asked = frame.json()
                self._begin(asked["id"], self._speak(asked["id"], asked["text"]))
            case Kind.HEAR:
                number, body = frame.numbered()
                final, sound = bool(body[0]), body[_HEAR.size :]
                self._begin(number, self._hear(number, sound, final=final))
            case _:
                pass

    def _begin(self, number: int, work: Any) -> None:
        task = self._host.start(work, name="voice.request")
        self._work[number] = task
        task.add_done_callback(lambda _: self._work.pop(number, None))

    async def _think(self, number: int, messages: list[Any]) -> None:
        end: dict[str, Any] = {"id": number, "done": True}
        left = _LONGEST_ANSWER
        try:
            async with aclosing(_closable(self._mind.think(messages))) as thoughts:
                async for thought in thoughts:
                    piece: dict[str, Any] = {"id": number}
                    if thought.text:
                        piece["text"] = thought.text[:left]
                        left -= len(thought.text)
                    if thought.citations:
                        piece["citations"] = [dict(citation) for citation in thought.citations]
                    if thought.tool is not None:
                        piece["tool"] = dict(thought.tool)
                    if thought.call is not None:
                        piece["called"] = True
                    if len(piece) == 1:
                        continue
                    self._send(Kind.THOUGHT, orjson.dumps(piece))
                    if left <= 0:
                        log.warning("voice.answer_cut", characters=_LONGEST_ANSWER)
                        break
        except DragomanError as error:
            end = {"id": number, "error": error.detail}
        except Exception:
            log.exception("voice.think_crashed")
            end = {"id": number, "error": "The agent failed to answer."}
        self._send(Kind.THOUGHT, orjson.dumps(end))

    async def _hear(self, number: int, sound: bytes, *, final: bool) -> None:
        try:
            heard = await self._mind.hear(sound, final=final)
            answer: dict[str, Any] = {"id": number, "text": heard.text, "language": heard.language}
        except DragomanError as error:
            answer = {"id": number, "error": error.detail}
        except Exception:
            log.exception("voice.hear_crashed")
            answer = {"id": number, "error": "What was said could not be understood."}
        self._send(Kind.HEARD, orjson.dumps(answer))

    async def _speak(self, number: int, text: str) -> None:
        end: dict[str, Any] = {"id": number}
        left = _LONGEST_PHRASE_BYTES
        try:
            async with aclosing(_closable(self._mind.speak(text))) as sounds:
                async for sound in sounds:
                    self._send(Kind.SPOKEN, numbered(number, sound[:left]))
                    left -= len(sound)
                    if left <= 0:
                        end["error"] = "The speech does not end."
                        break
        except DragomanError as error:
            end["error"] = error.detail
        except Exception:
            log.exception("voice.speak_crashed")
            end["error"] = "The answer could not be spoken."
        self._send(Kind.SPOKEN_END, orjson.dumps(end))

    def _send(self, kind: Kind, body: bytes) -> None:
        self.process.send(self._number, kind, body)


async def _closable(pieces: AsyncIterator[T]) -> AsyncGenerator[T]:
    """The pieces as a generator, whose closing closes theirs."""
    try:
        async for piece in pieces:
            yield piece
    finally:
        close = getattr(pieces, "aclose", None)
        if close is not None:
            await close()


def _told(setup: CallSetup) -> dict[str, Any]:
    return {
        "input": setup.form_in,
        "output": setup.form_out,
        "webrtc": setup.webrtc,
        "ice_servers": list(setup.ice_servers),
        "room_url": setup.room_url,
        "room_token": setup.room_token,
        "relayed": setup.relayed,
        "patience": setup.patience,
    }


def _require() -> None:
    for package in _PACKAGES:
        try:
            found = importlib.util.find_spec(package)
        except ModuleNotFoundError:
            found = None
        if found is None:
            raise Unavailable(
                f"Conversations need the Python package {package!r}: install dragoman[voice].",
                code="extra_missing",
            )
