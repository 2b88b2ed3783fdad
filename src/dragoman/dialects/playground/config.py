"""The request body as published: every field with its kind, bounds and default. Durations are in seconds."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, field_validator

LONGEST_DELAY = 60.0
_METADATA_BYTES = 4096
_LANGUAGE = r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{1,8})*$"
_SESSION = r"^[A-Za-z0-9_-]{1,128}$"
# What can stand in a header.
_KEY = r"^[\x21-\x7e]+$"
_EMAIL = r"^[^@\s]{1,64}@[^@\s]+\.[^@\s.]{1,63}$"
USUAL_PROMPT = (
    "The following is a conversation with an AI assistant. The assistant is helpful, creative, clever, and very "
    "friendly."
)


def _delay(value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool) and value > LONGEST_DELAY:
        raise ValueError(f"must be at most {LONGEST_DELAY:g}; durations are seconds, not milliseconds")
    return value


Delay = Annotated[float, BeforeValidator(_delay), Field(ge=0)]
Language = Annotated[str, Field(pattern=_LANGUAGE, max_length=35)]


class Wire(BaseModel):
    """A part of the body; what is not known is let through and told of."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class ModelChoice(Wire):
    """Who does the work."""

    provider: str | None = Field(default=None, min_length=1, max_length=100)
    model: str | None = Field(default=None, min_length=1, max_length=230)
    api_key: str | None = Field(default=None, min_length=1, max_length=4096, pattern=_KEY)
    base_url: str | None = Field(default=None, min_length=1, max_length=2000, pattern=r"^https?://")


class _WithMetadata(Wire):
    model: ModelChoice = ModelChoice()
    metadata: dict[str, JsonValue] = Field(default_factory=dict)

    @field_validator("metadata", mode="after")
    @classmethod
    def _small(cls, value: dict[str, Any]) -> dict[str, Any]:
        if len(repr(value)) > _METADATA_BYTES:
            raise ValueError(f"must be at most {_METADATA_BYTES} bytes")
        return value


class AgentPart(Wire):
    """Who the agent is."""

    id: str | None = Field(default=None, min_length=1, max_length=128)
    description: str | None = Field(default=None, max_length=4000)
    welcome_text: str | None = Field(default=None, max_length=2000)
    full_name: str = Field(default="Assistant", min_length=1, max_length=200)
    language: Language = "en"


class EmotionPart(Wire):
    """How it is said."""

    emotion: Literal["anger", "positivity", "surprise", "sadness", "curiosity"]
    level: Literal["lowest", "low", "medium", "high", "highest"] = "medium"


class TtsPart(_WithMetadata):
    """How the agent sounds."""

    voice: str | None = Field(default=None, min_length=1, max_length=200)
    speed: Literal["default", "x-slow", "slow", "medium", "fast", "x-fast"] = "medium"
    volume: Literal["default", "silent", "x-soft", "soft", "medium", "loud", "x-loud"] = "medium"
    language: Language | None = None
    emotion: EmotionPart | None = None


class SttPart(_WithMetadata):
    """How the agent listens."""

    language: Language | None = None
    detect_language: bool = False
    interim_results: bool = True
    punctuate: bool = True


class LlmPart(_WithMetadata):
    """Who thinks. An unset prompt is the agent's own, else the usual one."""

    temperature: float | None = Field(default=None, ge=0, le=2)
    max_tokens: int | None = Field(default=None, ge=1, le=4096)
    system_prompt: str | None = Field(default=None, max_length=100_000)


class VadPart(Wire):
    """How speech is told from silence."""

    min_speech_duration: Delay = 0.05
    min_silence_duration: Delay = 0.55
    prefix_padding_duration: Delay = 0.5
    max_buffered_speech: float = Field(default=60.0, gt=0, le=3600)
    activation_threshold: float = Field(default=0.5, ge=0, le=1)
    sample_rate: Literal[8000, 16000] = 16000
    padding_duration: Delay | None = None


class AgentConfig(Wire):
    """The whole agent."""

    agent: AgentPart = AgentPart()
    tts: TtsPart = TtsPart()
    stt: SttPart = SttPart()
    llm: LlmPart = LlmPart()
    vad: VadPart = VadPart()
    allow_interruptions: bool = True
    interrupt_speech_duration: Delay = 0.5
    interrupt_min_words: int = Field(default=0, ge=0, le=1000)
    min_endpointing_delay: Delay = 0.5
    preemptive_synthesis: bool = False
    end_of_turn_detection: bool = True
    background_noise_enabled: bool = False


class UserInfo(Wire):
    """Who talks to the agent."""

    id: str | None = Field(default=None, min_length=1, max_length=200)
    name: str | None = Field(default=None, min_length=1, max_length=200)
    email: str | None = Field(default=None, max_length=320, pattern=_EMAIL)


class TokenRequest(Wire):
    """The body of a token request."""

    agent_config: AgentConfig = AgentConfig()
    agent_id: str | None = Field(default=None, min_length=1, max_length=230)
    platform: str = Field(default="web", min_length=1, max_length=64)
    session_id: str | None = Field(default=None, pattern=_SESSION)
    user_info: UserInfo = UserInfo()
    ttl: int = Field(default=900, ge=10, le=86_400)
    # LiveKit's clients name their participant so.
    participant_identity: str | None = Field(default=None, min_length=1, max_length=200)
    participant_name: str | None = Field(default=None, min_length=1, max_length=200)
