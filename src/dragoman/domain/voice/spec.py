"""What a voice agent is: who thinks, speaks and listens, and how turns are taken. Durations are in seconds."""

from dataclasses import dataclass, field

from pydantic import JsonValue

from dragoman.domain.inference.speech.ports import Emotion


@dataclass(frozen=True, slots=True)
class EngineRef:
    """An engine by its name here, or an OpenAI-compatible ``endpoint`` with a ``model`` of its own.

    All None = the one in force.
    """

    engine: str | None = None
    endpoint: str | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Thinking:
    """Who answers. ``instructions`` None = the agent's own."""

    ref: EngineRef = EngineRef()
    temperature: float | None = None
    max_tokens: int | None = None
    instructions: str | None = None
    metadata: dict[str, JsonValue] = field(default_factory=dict[str, JsonValue])


@dataclass(frozen=True, slots=True)
class Speaking:
    """How it sounds. ``gain`` is a factor of the amplitude; 0 is silent speech that takes its time."""

    ref: EngineRef = EngineRef()
    voice: str | None = None
    speed: float = 1.0
    gain: float = 1.0
    language: str = "en"
    emotion: Emotion | None = None
    metadata: dict[str, JsonValue] = field(default_factory=dict[str, JsonValue])


@dataclass(frozen=True, slots=True)
class Listening:
    """How it listens. ``language`` None = find out."""

    ref: EngineRef = EngineRef()
    language: str | None = "en"
    interim: bool = True
    punctuate: bool = True
    metadata: dict[str, JsonValue] = field(default_factory=dict[str, JsonValue])


@dataclass(frozen=True, slots=True)
class Detection:
    """How speech is told from silence."""

    min_speech: float = 0.05
    min_silence: float = 0.55
    prefix_padding: float = 0.5
    max_buffered: float = 60.0
    threshold: float = 0.5
    rate_hz: int = 16_000


@dataclass(frozen=True, slots=True)
class TurnTaking:
    """Who may speak when.

    ``think_early``: whether an answer is begun before the turn is certain to be over, and dropped if it was not; for
    agents whose tools do things that cannot be taken back it is not. ``answers``: whether the agent answers by itself; else
    it is told when a turn is over and waits to be asked.
    """

    interruptible: bool = True
    interrupt_seconds: float = 0.5
    interrupt_words: int = 0
    min_delay: float = 0.5
    answers: bool = True
    think_early: bool = True
    speak_early: bool = False
    detect_end: bool = True


@dataclass(frozen=True, slots=True)
class VoiceSpec:
    """A voice agent. ``welcome`` is said first, without asking a model."""

    agent_id: str
    name: str = "Assistant"
    welcome: str | None = None
    thinking: Thinking = Thinking()
    speaking: Speaking = Speaking()
    listening: Listening = Listening()
    detection: Detection = Detection()
    turns: TurnTaking = TurnTaking()
    ambience: bool = False


@dataclass(frozen=True, slots=True)
class VoiceSecrets:
    """Keys of the addresses in a spec, and that of the chat session which the call belongs to; sealed at rest, never shown."""

    thinking: str | None = None
    speaking: str | None = None
    listening: str | None = None
    chat: str | None = None


@dataclass(frozen=True, slots=True)
class Participant:
    """The person who talks. ``email`` stays on the server."""

    identity: str
    name: str | None = None
    email: str | None = None
