"""Speaking and listening by the engines in force, or the reason why there are none."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from dragoman.domain.inference.speech.ports import (
    Recording,
    SoundFormat,
    SoundPacker,
    SpeechRequest,
    Synthesizer,
    TranscribeOptions,
    Transcriber,
    Transcript,
)
from dragoman.domain.inference.speech.voices import unknown_voice
from dragoman.domain.labels.handling import current_handling
from dragoman.kit.errors import DragomanError, InvalidInput, NotFound, TooLarge, Unavailable

T = TypeVar("T")
_SILENCE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Engines:
    """What speaks and listens here, the engine in force first.

    ``aliases`` are further names of the engine in force. ``reason``: why there is none, with what to do.
    ``outside``: names of those that text or sound leaves the operator's systems for.
    """

    synthesizers: Mapping[str, Synthesizer] = field(default_factory=dict[str, Synthesizer])
    transcribers: Mapping[str, Transcriber] = field(default_factory=dict[str, Transcriber])
    synthesizer_aliases: frozenset[str] = frozenset()
    transcriber_aliases: frozenset[str] = frozenset()
    no_synthesizer: str | None = None
    no_transcriber: str | None = None
    outside: frozenset[str] = frozenset()


class SpeechService:
    """The one place that text becomes sound and sound text.

    Args:
        engines: what there is.
        packer: packs samples into files.
        longest_bytes: larger recordings are refused.
    """

    def __init__(self, engines: Engines, packer: SoundPacker, *, longest_bytes: int) -> None:
        self._engines = engines
        self._packer = packer
        self.longest_bytes = longest_bytes

    @property
    def models(self) -> list[str]:
        """Names of the engines that speak or listen here."""
        return list(dict.fromkeys([*self._engines.synthesizers, *self._engines.transcribers]))

    @property
    def synthesizers(self) -> list[str]:
        """Names of the engines that speak here."""
        return list(self._engines.synthesizers)

    @property
    def transcribers(self) -> list[str]:
        """Names of the engines that listen here."""
        return list(self._engines.transcribers)

    @property
    def listens_outside(self) -> bool:
        """Whether recordings leave the operator's systems when no engine is named."""
        return next(iter(self._engines.transcribers), None) in self._engines.outside

    def is_outside(self, engine: str) -> bool:
        """Whether the engine of that name is outside the operator's systems."""
        return engine in self._engines.outside

    def synthesizer(self, model: str | None = None, language: str | None = None) -> Synthesizer:
        """Who speaks: the one asked for, else the first in force that has a voice for the language.

        Raises:
            NotFound: no engine of that name.
            Unavailable: there is none; the message says why.
        """
        engines = self._engines
        if model is not None and model not in engines.synthesizer_aliases:
            if model not in engines.synthesizers:
                raise _unknown(model, [*engines.synthesizers, *sorted(engines.synthesizer_aliases)])
            return engines.synthesizers[model]
        if not engines.synthesizers:
            raise Unavailable(
                f"Nothing can be spoken here: {engines.no_synthesizer}", code="synthesizer_unavailable"
            )
        known = list(engines.synthesizers.values())
        if language is not None:
            known = [engine for engine in known if engine.speaks(language)] or known
        return known[0]

    def transcriber(self, model: str | None = None) -> Transcriber:
        """Who listens.

        Raises:
            NotFound: no engine of that name.
            Unavailable: there is none; the message says why.
        """
        engines = self._engines
        if model is not None and model not in engines.transcriber_aliases:
            if model not in engines.transcribers:
                raise _unknown(model, [*engines.transcribers, *sorted(engines.transcriber_aliases)])
            return engines.transcribers[model]
        if not engines.transcribers:
            raise Unavailable(
                f"Nothing can be transcribed here: {engines.no_transcriber}", code="transcriber_unavailable"
            )
        return next(iter(engines.transcribers.values()))

    def speak(
        self, request: SpeechRequest, *, form: SoundFormat, model: str | None = None
    ) -> AsyncIterator[bytes]:
        """The speech as a file of that format, piece by piece as it is made.

        Raises:
            InvalidInput: an unknown voice.
            NotFound: an unknown model.
            Unavailable: a part is missing; the message says what to install.
            Forbidden: with the first piece, when the request at hand bears a label that forbids this engine.
        """
        engine = self.synthesizer(model, request.language)
        self.check_voice(engine, request.voice)
        samples = self._let_through(engine.name, engine.stream(request))
        return self._packer.pack(
            _or_silence(samples, engine.sample_rate_hz), rate_hz=engine.sample_rate_hz, form=form
        )

    async def _let_through(self, engine: str, made: AsyncIterator[T]) -> AsyncIterator[T]:
        """What the engine makes, once nothing at hand is found that may not go to it."""
        handling = current_handling()
        if handling is not None:
            await handling.to_model(engine, outside=self.is_outside(engine))
        async for piece in made:
            yield piece

    def check_voice(self, engine: Synthesizer, voice: str | None) -> None:
        """Returns when the engine may have that voice.

        Raises:
            InvalidInput: it does not; the message lists those it has.
        """
        known = engine.voices()
        if voice is not None and known and voice not in {each.name for each in known}:
            raise unknown_voice(voice, known)

    def listen(
        self, recording: Recording, options: TranscribeOptions, *, model: str | None = None
    ) -> AsyncIterator[Transcript]:
        """The transcript in parts as they are ready.

        Raises:
            InvalidInput: the recording cannot be read.
            NotFound: an unknown model.
            Unavailable: a part is missing; the message says what to install.
            Forbidden: with the first part, when the request at hand bears a label that forbids this engine.
        """
        if not recording.data and recording.path is None:
            raise InvalidInput("The recording is empty.", param="file", code="audio_empty")
        if len(recording.data) > self.longest_bytes:
            raise TooLarge(f"The recording is larger than {self.longest_bytes} bytes.", param="file")
        engine = self.transcriber(model)
        return self._let_through(engine.name, engine.stream(recording, options))

    async def transcribe(
        self, recording: Recording, options: TranscribeOptions, *, model: str | None = None
    ) -> Transcript:
        """The whole transcript; raises as ``listen``."""
        parts: list[Transcript] = []
        async for part in self.listen(recording, options, model=model):
            parts.append(part)  # noqa: PERF401 - pyright cannot follow an asynchronous comprehension here
        return joined(parts)

    async def text(self, data: bytes, *, format: str) -> str:
        """What is said in a recording of a conversation.

        Raises:
            DragomanError: the recording cannot be read.
        """
        return (await self.transcribe(Recording(data, f"audio.{format}"), TranscribeOptions())).text.strip()

    async def warm(self) -> None:
        """Loads the engines in force, so that the first answer is as quick as the others."""
        for make in (self.synthesizer, self.transcriber):
            try:
                await make().warm()
            except DragomanError:
                # Whoever needs the engine is told then.
                continue


async def _or_silence(samples: AsyncIterator[bytes], rate_hz: int) -> AsyncIterator[bytes]:
    """The samples; where a text has nothing to pronounce a moment of silence, so that its file can be played."""
    spoken = False
    async for piece in samples:
        spoken = spoken or bool(piece)
        yield piece
    if not spoken:
        yield bytes(2 * int(rate_hz * _SILENCE_SECONDS))


def joined(parts: list[Transcript]) -> Transcript:
    """The parts of one recording as one."""
    if not parts:
        return Transcript("", "en", 0.0)
    return Transcript(
        text="".join(part.text for part in parts),
        language=parts[0].language,
        duration_seconds=sum(part.duration_seconds for part in parts),
        segments=tuple(segment for part in parts for segment in part.segments),
    )


async def first_then_rest(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The pieces, once the first is there: what can fail has failed before an answer begins.

    Raises:
        DragomanError: what making the first piece raised.
    """
    first = await anext(pieces, b"")

    async def all_of() -> AsyncIterator[bytes]:
        yield first
        async for piece in pieces:
            yield piece

    return all_of()


def _unknown(model: str, known: list[str]) -> NotFound:
    return NotFound(
        f"There is no speech model {model[:100]!r}. Known: {', '.join(known) or 'none'}.",
        param="model",
        code="model_not_found",
    )
