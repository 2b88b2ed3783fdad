"""Whisper on CTranslate2, inside a child process. Needs the extra ``voice``."""

import re
from functools import lru_cache

import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer
from numpy.typing import NDArray

from dragoman.domain.inference.speech.ports import Segment, TranscribeOptions, Transcript, Word
from dragoman.kit.pcm import samples

RATE_HZ = 16_000
_SHORTEST_SAMPLES = 400
_BEAM = 5
# A cough must not become a sentence.
_SURELY_SILENT = 0.8
_TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
# The model was made for half a minute at a time. With less to look at it answers sooner, and below ten seconds it
# begins to say short words again and again.
_FRAMES_A_SECOND = 100
_LEAST_FRAMES = 10 * _FRAMES_A_SECOND
_MOST_FRAMES = 30 * _FRAMES_A_SECOND
_SILENT_FRAMES = _FRAMES_A_SECOND
_MOST_TOKENS, _TOKENS_A_SECOND = 16, 10
_PERHAPS_SILENT = 0.3
_WORDS = re.compile(r"\w+")


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
    values = samples(sound).astype(np.float32) / 32768.0
    if options.quick and language is not None and (text := _briefly(whisper, values, language)) is not None:
        return Transcript(text, language, duration, (Segment(text, 0.0, round(duration, 2)),))
    temperature = options.temperature
    found, info = whisper.transcribe(
        values,
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


def _briefly(whisper: WhisperModel, values: NDArray[np.float32], language: str) -> str | None:
    """What is said, decoded with no more silence around it than needed; None where that cannot be relied on."""
    seconds = len(values) / RATE_HZ
    frames = max(_LEAST_FRAMES, int(seconds * _FRAMES_A_SECOND) + _SILENT_FRAMES)
    if frames > _MOST_FRAMES:
        return None
    features = whisper.feature_extractor(values)
    features = np.pad(features, ((0, 0), (0, frames - features.shape[1])))
    tokenizer = Tokenizer(
        whisper.hf_tokenizer, whisper.model.is_multilingual, task="transcribe", language=language
    )
    most = _MOST_TOKENS + int(seconds * _TOKENS_A_SECOND)
    [result] = whisper.model.generate(
        whisper.encode(features.astype(np.float32)),
        [[*tokenizer.sot_sequence, tokenizer.no_timestamps]],
        beam_size=1,
        max_length=most,
        return_no_speech_prob=True,
    )
    tokens = result.sequences_ids[0]
    text = tokenizer.decode(tokens)
    if result.no_speech_prob > _PERHAPS_SILENT or _repeats(text) or len(tokens) >= most - _MOST_TOKENS // 2:
        return None
    return text


def _repeats(text: str) -> bool:
    """Whether words are followed by the same words."""
    words = _WORDS.findall(text.lower())
    return any(
        words[at : at + length] == words[at + length : at + 2 * length]
        for length in range(1, len(words) // 2 + 1)
        for at in range(len(words) - 2 * length + 1)
    )
