"""From the published settings to a voice agent and back to what may be shown."""

from dataclasses import dataclass, field
from typing import Any

from dragoman.dialects.playground.config import USUAL_PROMPT, AgentConfig, ModelChoice
from dragoman.dialects.playground.errors import invalid_field
from dragoman.domain.inference.speech.ports import Emotion
from dragoman.domain.voice.spec import (
    Detection,
    EngineRef,
    Listening,
    Speaking,
    Thinking,
    TurnTaking,
    VoiceSecrets,
    VoiceSpec,
)
from dragoman.kit.ids import uuid7

_SPEEDS = {"default": 1.0, "x-slow": 0.5, "slow": 0.75, "medium": 1.0, "fast": 1.25, "x-fast": 1.5}
# Decibels -12, -6, 0, +4, +8 as factors of the amplitude.
_GAINS = {
    "default": 1.0, "silent": 0.0, "x-soft": 0.25, "soft": 0.5, "medium": 1.0, "loud": 1.585, "x-loud": 2.512,
}  # fmt: skip
_OUTSIDE = "openai"
_OUTSIDE_URL = "https://api.openai.com/v1"
_HERE = ("local", "dragoman")
_USUAL_TEMPERATURE = 0.5
_USUAL_TOKENS = 60
_TELEPHONE = "phone"


@dataclass(frozen=True, slots=True)
class Known:
    """Engines by the names that ``provider`` may have, beside ``local`` and ``openai``."""

    speaking: frozenset[str] = frozenset()
    listening: frozenset[str] = frozenset()


@dataclass(slots=True)
class Translated:
    """A voice agent with its secrets, its settings as they may be shown, and what could not be honoured."""

    spec: VoiceSpec
    secrets: VoiceSecrets
    shown: dict[str, Any]
    warnings: list[str] = field(default_factory=list[str])


def translate(config: AgentConfig, known: Known, *, own_model: str | None, platform: str) -> Translated:
    """The voice agent.

    Args:
        config: as it was sent, on top of what was stored.
        known: engines of this server.
        own_model: the stored agent that thinks unless another model is asked for.
        platform: ``phone`` listens at telephone quality.

    Raises:
        InvalidFieldsError: a provider that is not known, or an address without one that could be there.
    """
    agent, vad = config.agent, config.vad
    thinker = EngineRef(None, *_address(config.llm.model, "llm"))
    if thinker.endpoint is None:
        thinker = EngineRef(model=_here(config.llm.model, "llm") or own_model)
    own = own_model is not None and thinker.model == own_model
    rate = vad.sample_rate
    if platform == _TELEPHONE and "sample_rate" not in vad.model_fields_set:
        rate = 8000
    spec = VoiceSpec(
        agent_id=agent.id or uuid7(),
        name=agent.full_name,
        welcome=agent.welcome_text or None,
        thinking=_thinking(config, thinker, own=own),
        speaking=_speaking(config, known),
        listening=_listening(config, known),
        detection=Detection(
            min_speech=vad.min_speech_duration,
            min_silence=vad.min_silence_duration,
            prefix_padding=vad.prefix_padding_duration
            if vad.padding_duration is None
            else vad.padding_duration,
            max_buffered=vad.max_buffered_speech,
            threshold=vad.activation_threshold,
            rate_hz=rate,
        ),
        turns=TurnTaking(
            interruptible=config.allow_interruptions,
            interrupt_seconds=config.interrupt_speech_duration,
            interrupt_words=config.interrupt_min_words,
            min_delay=config.min_endpointing_delay,
            speak_early=config.preemptive_synthesis,
            detect_end=config.end_of_turn_detection,
        ),
        ambience=config.background_noise_enabled,
    )
    keys = VoiceSecrets(
        thinking=config.llm.model.api_key,
        speaking=config.tts.model.api_key,
        listening=config.stt.model.api_key,
    )
    return Translated(spec, keys, _shown(config, spec))


def _thinking(config: AgentConfig, ref: EngineRef, *, own: bool) -> Thinking:
    """A stored agent keeps its own prompt and sampling; a bare model gets the usual ones."""
    llm = config.llm
    prompt = llm.system_prompt if llm.system_prompt is not None or own else USUAL_PROMPT
    role = config.agent.description
    instructions = "\n\n".join(part for part in (prompt, role) if part) or None
    temperature, tokens = llm.temperature, llm.max_tokens
    if not own:
        temperature = _USUAL_TEMPERATURE if temperature is None else temperature
        tokens = _USUAL_TOKENS if tokens is None else tokens
    return Thinking(ref, temperature, tokens, instructions, dict(llm.metadata))


def _speaking(config: AgentConfig, known: Known) -> Speaking:
    tts = config.tts
    emotion = None if tts.emotion is None else Emotion(tts.emotion.emotion, tts.emotion.level)
    return Speaking(
        ref=_engine(tts.model, "tts", known.speaking),
        voice=tts.voice,
        speed=_SPEEDS[tts.speed],
        gain=_GAINS[tts.volume],
        language=tts.language or config.agent.language,
        emotion=emotion,
        metadata=dict(tts.metadata),
    )


def _listening(config: AgentConfig, known: Known) -> Listening:
    stt = config.stt
    return Listening(
        ref=_engine(stt.model, "stt", known.listening),
        language=None if stt.detect_language else stt.language or config.agent.language,
        interim=stt.interim_results,
        punctuate=stt.punctuate,
        metadata=dict(stt.metadata),
    )


def _engine(choice: ModelChoice, part: str, known: frozenset[str]) -> EngineRef:
    endpoint, model = _address(choice, part)
    if endpoint is not None:
        return EngineRef(None, endpoint, model)
    if choice.provider in known:
        return EngineRef(choice.provider)
    return EngineRef(_here(choice, part, known))


def _address(choice: ModelChoice, part: str) -> tuple[str | None, str | None]:
    """The address of an outside provider and its model; nothing for what is here."""
    if choice.base_url is None and choice.provider != _OUTSIDE:
        return None, None
    if choice.model is None:
        raise invalid_field(f"agent_config.{part}.model.model", "is needed with a provider's address")
    return (choice.base_url or _OUTSIDE_URL).rstrip("/"), choice.model


def _here(choice: ModelChoice, part: str, known: frozenset[str] = frozenset()) -> str | None:
    if choice.provider is not None and choice.provider not in _HERE:
        names = ", ".join([*_HERE[:1], *sorted(known), _OUTSIDE])
        raise invalid_field(
            f"agent_config.{part}.model.provider",
            f"there is no provider {choice.provider[:100]!r}; known: {names}, or any name with a base_url",
        )
    return choice.model


def _shown(config: AgentConfig, spec: VoiceSpec) -> dict[str, Any]:
    """Everything as it is in force, without secrets."""
    shown = config.model_dump(mode="json")
    for part in ("tts", "stt", "llm"):
        shown[part]["model"].pop("api_key")
        shown[part]["model"]["provider"] = shown[part]["model"]["provider"] or _HERE[0]
    shown["agent"]["id"] = spec.agent_id
    shown["tts"]["language"] = spec.speaking.language
    shown["stt"]["language"] = spec.listening.language or config.stt.language or config.agent.language
    shown["llm"]["model"]["model"] = spec.thinking.ref.model
    shown["llm"]["temperature"] = spec.thinking.temperature
    shown["llm"]["max_tokens"] = spec.thinking.max_tokens
    shown["llm"]["system_prompt"] = config.llm.system_prompt or (
        USUAL_PROMPT if spec.thinking.instructions else None
    )
    shown["vad"]["sample_rate"] = spec.detection.rate_hz
    shown["vad"]["prefix_padding_duration"] = spec.detection.prefix_padding
    shown["vad"].pop("padding_duration")
    return shown
