"""Who speaks and who listens, from the settings and from what is installed."""

from contextlib import AsyncExitStack

import httpx
import structlog

from dragoman.adapters.codecs.packing import Packer
from dragoman.adapters.synthesizers.espeak import EspeakSynthesizer
from dragoman.adapters.synthesizers.openai import OpenAISynthesizer, OpenAISynthesizerSpec
from dragoman.adapters.synthesizers.piper import PiperSynthesizer
from dragoman.adapters.transcribers.openai import OpenAITranscriber, OpenAITranscriberSpec
from dragoman.adapters.transcribers.whisper import WhisperTranscriber
from dragoman.domain.inference.speech.ports import Synthesizer, Transcriber
from dragoman.domain.inference.speech.service import Engines, SpeechService
from dragoman.kit.egress import EgressPolicy, guarded_client
from dragoman.kit.errors import Unavailable
from dragoman.kit.processes import ChildPool
from dragoman.settings import Settings

log = structlog.get_logger(__name__)

_ANSWER_SECONDS = 120.0
_ANSWER_BYTES = 256 * 1024 * 1024
_READ_MEMORY_MB = 2048
_READ_IDLE_SECONDS = 60.0
# Names that clients of speech APIs send by custom.
_SPEAKING = frozenset({"tts-1", "tts-1-1106", "tts-1-hd", "tts-1-hd-1106", "gpt-4o-mini-tts"})
_LISTENING = frozenset({"whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe"})


def open_speech(settings: Settings, policy: EgressPolicy, stack: AsyncExitStack) -> SpeechService:
    """The service; what needs closing is given to the stack."""
    synthesizers, no_synthesizer = _synthesizers(settings, policy, stack)
    transcribers, no_transcriber = _transcribers(settings, policy, stack)
    engines = Engines(
        synthesizers={engine.name: engine for engine in synthesizers},
        transcribers={engine.name: engine for engine in transcribers},
        synthesizer_aliases=_SPEAKING,
        transcriber_aliases=_LISTENING,
        no_synthesizer=no_synthesizer,
        no_transcriber=no_transcriber,
        outside=frozenset(
            engine.name
            for engine in (*synthesizers, *transcribers)
            if isinstance(engine, OpenAISynthesizer | OpenAITranscriber)
        )
        if settings.speech.outside
        else frozenset(),
    )
    return SpeechService(engines, Packer(), longest_bytes=settings.speech.max_audio_bytes)


def _client(policy: EgressPolicy, stack: AsyncExitStack) -> httpx.AsyncClient:
    client = guarded_client(policy.for_operator(), timeout_seconds=_ANSWER_SECONDS, max_bytes=_ANSWER_BYTES)
    stack.push_async_callback(client.aclose)
    return client


def _synthesizers(
    settings: Settings, policy: EgressPolicy, stack: AsyncExitStack
) -> tuple[list[Synthesizer], str | None]:
    speech = settings.speech
    if speech.synthesizer == "none":
        return [], "speech.synthesizer is none."
    found: list[Synthesizer] = []
    reasons: list[str] = []
    if speech.tts_base_url is not None and speech.synthesizer in ("openai", "auto"):
        key = speech.tts_api_key.get_secret_value() if speech.tts_api_key is not None else None
        spec = OpenAISynthesizerSpec(speech.tts_base_url, speech.tts_model, key)
        found.append(OpenAISynthesizer(_client(policy, stack), spec))
    if speech.synthesizer in ("piper", "auto"):
        try:
            found.append(_piper(settings, stack))
        except Unavailable as error:
            reasons.append(error.detail)
    if speech.synthesizer in ("espeak", "piper", "auto"):
        # The plain voice stands in for languages that no other voice speaks.
        try:
            found.append(EspeakSynthesizer())
        except Unavailable as error:
            reasons.append(error.detail)
    if reasons:
        log.info("synthesizer.unavailable", reasons=reasons)
    return found, " ".join(dict.fromkeys(reasons)) or None


def _piper(settings: Settings, stack: AsyncExitStack) -> PiperSynthesizer:
    speech = settings.speech
    pool = ChildPool(
        size=speech.speak_processes, memory_mb=None, idle_seconds=speech.idle_seconds, name="speak"
    )
    stack.push_async_callback(pool.close)
    folders = [settings.weights_dir / "piper"]
    if speech.voices_dir is not None:
        folders.insert(0, speech.voices_dir)
    voices = PiperSynthesizer(folders, pool=pool, threads=speech.threads)
    stack.push_async_callback(voices.close)
    return voices


def _transcribers(
    settings: Settings, policy: EgressPolicy, stack: AsyncExitStack
) -> tuple[list[Transcriber], str | None]:
    speech = settings.speech
    if speech.transcriber == "none":
        return [], "speech.transcriber is none."
    if speech.transcriber == "openai":
        assert speech.stt_base_url is not None
        key = speech.stt_api_key.get_secret_value() if speech.stt_api_key is not None else None
        spec = OpenAITranscriberSpec(speech.stt_base_url, speech.stt_model, key)
        return [OpenAITranscriber(_client(policy, stack), spec)], None
    pool = ChildPool(
        size=speech.listen_processes, memory_mb=None, idle_seconds=speech.idle_seconds, name="listen"
    )
    readers = ChildPool(size=1, memory_mb=_READ_MEMORY_MB, idle_seconds=_READ_IDLE_SECONDS, name="read sound")
    stack.push_async_callback(pool.close)
    stack.push_async_callback(readers.close)
    try:
        whisper = WhisperTranscriber(
            speech.whisper_path,
            pool=pool,
            readers=readers,
            threads=speech.threads,
            longest_seconds=speech.max_audio_seconds,
        )
    except Unavailable as error:
        log.info("transcriber.unavailable", reason=error.detail)
        return [], error.detail
    return [whisper], None
