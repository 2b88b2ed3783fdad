"""The settings of a realtime session, as they are sent, in force and shown."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.inference.ports import ToolChoice
from dragoman.domain.messages.parts import ToolSpec
from dragoman.domain.voice.model import VoiceSession
from dragoman.domain.voice.spec import (
    Detection,
    EngineRef,
    Listening,
    Participant,
    Speaking,
    Thinking,
    TurnTaking,
    VoiceSpec,
)
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import InvalidInput

_FORMATS = {"audio/pcm": "pcm16@24000", "audio/pcmu": "pcmu@8000", "audio/pcma": "pcma@8000"}
_EAGERNESS = {"low": 2.0, "medium": 1.0, "auto": 1.0, "high": 0.5}
_HOUR_MS = 3_600_000
_SEMANTIC_SILENCE = 0.25
_CUSTOMARY = "realtime"
_MOST_TOKENS = 4096
# What may be null means something there; elsewhere it stands for the usual value.
_NULLABLE = ("include", "prompt", "tracing", "model")


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Format(_Wire):
    type: Literal["audio/pcm", "audio/pcmu", "audio/pcma"] = "audio/pcm"
    rate: Literal[24_000] | None = None


class _Transcription(_Wire):
    model: str | None = None
    language: str | None = Field(default=None, max_length=35)
    prompt: str | None = None


class _TurnDetection(_Wire):
    type: Literal["server_vad", "semantic_vad"] = "server_vad"
    threshold: float = Field(default=0.5, ge=0, le=1)
    prefix_padding_ms: int = Field(default=300, ge=0, le=10_000)
    silence_duration_ms: int = Field(default=500, ge=0, le=10_000)
    create_response: bool = True
    interrupt_response: bool = True
    idle_timeout_ms: int | None = Field(default=None, ge=1000)
    eagerness: Literal["low", "medium", "high", "auto"] = "auto"


class _Input(_Wire):
    format: _Format = _Format()
    transcription: _Transcription | None = None
    turn_detection: _TurnDetection | None = _TurnDetection()
    noise_reduction: dict[str, Any] | None = None


class _Voice(_Wire):
    id: str


class _Output(_Wire):
    format: _Format = _Format()
    voice: str | _Voice = "alloy"
    speed: float = Field(default=1.0, ge=0.25, le=1.5)


class _Audio(_Wire):
    input: _Input = _Input()
    output: _Output = _Output()


class _Tool(_Wire):
    type: Literal["function"] = "function"
    name: str = Field(min_length=1, max_length=64)
    description: str | None = None
    parameters: dict[str, Any] | None = None


class _NamedTool(_Wire):
    type: Literal["function"] = "function"
    name: str


class SessionConfig(_Wire):
    """Everything that may be set. A session of type ``transcription`` listens and never answers."""

    type: Literal["realtime", "transcription"] = "realtime"
    model: str | None = None
    instructions: str = ""
    output_modalities: list[Literal["text", "audio"]] = Field(
        default_factory=lambda: ["audio"], min_length=1, max_length=2
    )
    audio: _Audio = _Audio()
    max_output_tokens: Annotated[int, Field(ge=1, le=_MOST_TOKENS)] | Literal["inf"] = "inf"
    tools: list[_Tool] = Field(default_factory=list)
    tool_choice: Literal["auto", "none", "required"] | _NamedTool = "auto"
    include: list[str] | None = None
    prompt: dict[str, Any] | None = None
    tracing: str | dict[str, Any] | None = None
    truncation: str | dict[str, Any] = "auto"

    def tool_specs(self) -> tuple[ToolSpec, ...]:
        """The tools that the client carries out."""
        return tuple(ToolSpec(tool.name, tool.description, tool.parameters) for tool in self.tools)

    def choice(self) -> ToolChoice | None:
        """Which of them may or must be called; None without any."""
        if not self.tools:
            return None
        if isinstance(self.tool_choice, _NamedTool):
            return ToolChoice("function", self.tool_choice.name)
        return ToolChoice(self.tool_choice)


def merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """``over`` on top of ``under``, member by member."""
    result = dict(under)
    for name, value in over.items():
        known = result.get(name)
        result[name] = merged(known, value) if isinstance(value, dict) and isinstance(known, dict) else value
    return result


@dataclass(slots=True)
class Settings:
    """What is in force."""

    raw: dict[str, Any] = field(default_factory=dict[str, Any])
    config: SessionConfig = field(default_factory=SessionConfig)

    def update(self, changes: dict[str, Any], where: str = "session") -> None:
        """Takes changes.

        Raises:
            InvalidInput: one that cannot be; nothing is changed then.
        """
        raw = {
            name: value
            for name, value in merged(self.raw, changes).items()
            if value is not None or name in _NULLABLE
        }
        try:
            config = SessionConfig.model_validate(raw)
        except ValidationError as error:
            problem = error.errors()[0]
            path = ".".join([where, *_steps(raw, problem["loc"])])
            raise InvalidInput(f"{path}: {problem['msg']}", param=path, code="invalid_value") from error
        self.raw, self.config = raw, config

    @property
    def text_only(self) -> bool:
        """Whether answers are written, not spoken."""
        return self.config.output_modalities == ["text"]

    @property
    def hands_free(self) -> bool:
        """Whether the server finds out when the person has finished."""
        return self.config.audio.input.turn_detection is not None

    @property
    def answers(self) -> bool:
        """Whether it answers by itself then."""
        detection = self.config.audio.input.turn_detection
        return detection is not None and detection.create_response and self.config.type == "realtime"

    @property
    def form_in(self) -> str:
        """The format of the person's sound."""
        return _FORMATS[self.config.audio.input.format.type]

    @property
    def form_out(self) -> str:
        """The format of the agent's sound."""
        return _FORMATS[self.config.audio.output.format.type]

    @property
    def voice(self) -> str:
        """The voice by its name."""
        voice = self.config.audio.output.voice
        return voice if isinstance(voice, str) else voice.id

    def shown(self, session_id: str, model: str) -> dict[str, Any]:
        """The session as clients see it."""
        shown = self.config.model_dump(mode="json")
        shown |= {"object": "realtime.session", "id": session_id, "model": model}
        for side in ("input", "output"):
            form = shown["audio"][side]["format"]
            if form["type"] == "audio/pcm":
                form["rate"] = 24_000
            else:
                form.pop("rate", None)
        return shown

    def spec(self, model: str | None) -> VoiceSpec:
        """The voice agent of it."""
        given = self.config.audio.input
        language = given.transcription.language if given.transcription is not None else None
        spec = VoiceSpec(
            agent_id=model or _CUSTOMARY,
            # Instructions and tools go with each question.
            thinking=Thinking(EngineRef(model=model)),
            speaking=Speaking(voice=self.voice, speed=self.config.audio.output.speed),
            listening=Listening(language=language or "en", interim=False),
        )
        spec = _with_turns(spec, given.turn_detection)
        turns = replace(spec.turns, think_early=False, answers=self.answers and not self.text_only)
        return replace(spec, turns=turns)

    def session(self, caller: Caller, session_id: str, model: str | None) -> VoiceSession:
        """The voice session for it."""
        return VoiceSession(
            room=f"realtime-{secrets.token_hex(12)}",
            session_id=session_id,
            caller=caller,
            platform="api",
            participant=Participant("user"),
            spec=self.spec(model),
            shown={},
            sealed=None,
            created_at=now_ms(),
            expires_at=now_ms() + _HOUR_MS,
        )


def _with_turns(spec: VoiceSpec, wanted: _TurnDetection | None) -> VoiceSpec:
    if wanted is None:
        return spec
    semantic = wanted.type == "semantic_vad"
    silence = _SEMANTIC_SILENCE if semantic else wanted.silence_duration_ms / 1000
    delay = _SEMANTIC_SILENCE * _EAGERNESS[wanted.eagerness] if semantic else silence
    return replace(
        spec,
        detection=Detection(
            min_silence=silence,
            prefix_padding=wanted.prefix_padding_ms / 1000,
            threshold=wanted.threshold,
        ),
        turns=TurnTaking(
            interruptible=wanted.interrupt_response,
            interrupt_seconds=0.3,
            min_delay=delay,
            detect_end=semantic,
        ),
    )


def _steps(raw: Any, path: tuple[int | str, ...]) -> Iterator[str]:
    """The path as the client wrote it, without the alternatives that were tried."""
    value = raw
    for step in path:
        if not isinstance(value, dict | list):
            return
        yield str(step)
        inner: dict[Any, Any] = value if isinstance(value, dict) else dict(enumerate(value))
        value = inner.get(step)


def customary(model: str | None) -> bool:
    """Whether the name is one that clients send by custom, and means the model in force."""
    return model is None or _CUSTOMARY in model
