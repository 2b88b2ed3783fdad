"""Whisper on CTranslate2, inside a child process. Needs the extra ``voice``."""

from functools import lru_cache

import numpy as np
from faster_whisper import WhisperModel

from dragoman.domain.inference.speech.ports import Segment, TranscribeOptions, Transcript, Word
from dragoman.kit.pcm import samples

RATE_HZ = 16_000
_SHORTEST_SAMPLES = 400
_BEAM = 5
# A cough must not become a sentence.
_SURELY_SILENT = 0.8
_TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


@lru_cache(maxsize=1)
def listener(model: str, threads: int) -> WhisperModel:
    """The process's model, loaded by the first call."""
    return WhisperModel(model, device="cpu", compute_type="int8", cpu_threads=threads, local_files_only=True)


def heard(model: str, threads: int, sound: bytes, options: TranscribeOptions) -> Transcript:
    """What is said in 16-bit mono samples at 16 kHz."""
    duration = len(sound) / 2 / RATE_HZ
    whisper = listener(model, threads)
    language = options.language if whisper.model.is_multilingual else "en"
    if len(sound) // 2 < _SHORTEST_SAMPLES:
        return Transcript("", language or "en", duration)
    temperature = options.temperature
    found, info = whisper.transcribe(
        samples(sound).astype(np.float32) / 32768.0,
        language=language,
        task="translate" if options.translate and whisper.model.is_multilingual else "transcribe",
        beam_size=1 if options.quick else _BEAM,
        temperature=_usual(options.quick) if temperature is None else temperature,
        initial_prompt=options.prompt,
        word_timestamps=options.words,
        without_timestamps=options.quick,
        condition_on_previous_text=False,
        vad_filter=not options.quick,
    )
    segments = tuple(
        Segment(
            text=segment.text,
            start=round(segment.start, 2),
            end=round(min(segment.end, duration), 2),
            tokens=tuple(segment.tokens),
            temperature=segment.temperature or 0.0,
            avg_logprob=segment.avg_logprob,
            compression_ratio=segment.compression_ratio,
            no_speech_prob=segment.no_speech_prob,
            words=tuple(
                Word(word.word, round(word.start, 2), round(word.end, 2)) for word in segment.words or ()
            ),
        )
        for segment in found
        if not (options.quick and segment.no_speech_prob > _SURELY_SILENT)
    )
    return Transcript("".join(segment.text for segment in segments), info.language, duration, segments)


def _usual(quick: bool) -> float | tuple[float, ...]:
    return 0.0 if quick else _TEMPERATURES
