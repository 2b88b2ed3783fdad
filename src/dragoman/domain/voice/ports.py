"""What conversations need from outside: an engine that takes turns, and speech at addresses of the caller's own."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from dragoman.domain.inference.speech.ports import Synthesizer, Transcriber
from dragoman.domain.messages.events import Finished
from dragoman.domain.messages.parts import ToolCall
from dragoman.domain.voice.spec import VoiceSpec
from dragoman.kit.jsontypes import JsonValue


@dataclass(frozen=True, slots=True)
class SoundOut:
    """A piece of the agent's voice in the client's own format."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Told:
    """Something that happened: ``type`` and what belongs to it."""

    event: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Ended:
    """The conversation is over; ``message`` may be shown."""

    reason: str
    message: str | None = None

    def told(self) -> list[dict[str, JsonValue]]:
        """What the client is told of it before its connection ends."""
        why: list[dict[str, JsonValue]] = []
        if self.message is not None:
            why.append({"type": "error", "code": self.reason, "message": self.message})
        return [*why, {"type": "ended", "reason": self.reason}]


Output = SoundOut | Told | Ended


@dataclass(frozen=True, slots=True)
class Heard:
    """A transcript of open or ended speech."""

    text: str
    language: str


@dataclass(frozen=True, slots=True)
class Thought:
    """A piece of an answer, the references it rests on, or a call that whoever asked has to carry out.

    ``end`` is the last, where the model told of it.
    """

    text: str = ""
    citations: tuple[Mapping[str, JsonValue], ...] = ()
    tool: Mapping[str, JsonValue] | None = None
    call: ToolCall | None = None
    end: Finished | None = None


class Mind(Protocol):
    """What the engine asks of whoever holds the conversation."""

    def think(self, messages: list[Mapping[str, str]]) -> AsyncIterator[Thought]:
        """The answer to what was said so far.

        Raises:
            DragomanError: there is none.
        """
        ...

    async def hear(self, sound: bytes, *, final: bool) -> Heard:
        """What is said in 16 kHz samples.

        Raises:
            DragomanError: it cannot be told.
        """
        ...

    def speak(self, text: str) -> AsyncIterator[bytes]:
        """The spoken text as 24 kHz samples.

        Raises:
            DragomanError: it cannot be spoken.
        """
        ...


@dataclass(frozen=True, slots=True)
class CallSetup:
    """How a client is connected. ``form_in`` and ``form_out`` as ``pcm16@16000`` or ``pcmu@8000``.

    ``relayed``: events go to the client through whoever opened the call, also those of a WebRTC data channel.
    ``patience``: the seconds that whoever thinks, hears or speaks may keep the agent waiting before it apologises.
    """

    form_in: str = "pcm16@16000"
    form_out: str = "pcm16@24000"
    webrtc: bool = False
    ice_servers: tuple[str, ...] = ()
    room_url: str | None = None
    room_token: str | None = field(default=None, repr=False)
    relayed: bool = False
    patience: float = 30.0


class EngineCall(Protocol):
    """One conversation of the engine's."""

    def sound(self, data: bytes) -> None:
        """Takes the person's sound in the client's format."""
        ...

    def text(self, text: str) -> None:
        """Takes what the person writes."""
        ...

    def say(self, text: str) -> None:
        """Has the agent say something."""
        ...

    def reply(self) -> None:
        """Has the agent go on without anything new from the person."""
        ...

    def interrupt(self) -> None:
        """Stops what the agent is saying."""
        ...

    def played(self, milliseconds: int) -> None:
        """Takes how much of the utterance under way the client has played."""
        ...

    def relay(self, text: str) -> None:
        """Sends a text over the data channel, where there is one."""
        ...

    def retune(self, spec: VoiceSpec) -> None:
        """Goes on with other settings, on the same connection."""
        ...

    async def answer(self, offer: str) -> str:
        """The answer to a WebRTC offer.

        Raises:
            InvalidInput: it cannot be answered.
        """
        ...

    def close(self) -> None:
        """Ends it; nothing is told any more."""
        ...


class VoiceEngine(Protocol):
    """Takes turns."""

    async def warm(self) -> None:
        """Gets ready, so that the first conversation begins at once.

        Raises:
            Unavailable: the engine cannot run; the message says what to install.
        """
        ...

    async def open(
        self, spec: VoiceSpec, setup: CallSetup, mind: Mind, told: Callable[[Output], None]
    ) -> EngineCall:
        """A conversation that has begun.

        Raises:
            Unavailable: the engine cannot run; the message says what to install.
        """
        ...


class SpeechEndpoints(Protocol):
    """Engines at addresses that callers give."""

    def synthesizer(self, base_url: str, model: str, key: str | None) -> Synthesizer:
        """Who speaks there."""
        ...

    def transcriber(self, base_url: str, model: str, key: str | None) -> Transcriber:
        """Who listens there."""
        ...
