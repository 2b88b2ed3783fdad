"""A transcript in the shapes clients ask for."""

from collections.abc import Sequence

from dragoman.domain.inference.speech.ports import Segment, Transcript, Word

_LANGUAGES = {
    "ar": "arabic", "de": "german", "en": "english", "es": "spanish", "fr": "french", "hi": "hindi",
    "it": "italian", "ja": "japanese", "ko": "korean", "nl": "dutch", "pl": "polish", "pt": "portuguese",
    "ru": "russian", "sv": "swedish", "tr": "turkish", "uk": "ukrainian", "zh": "chinese",
}  # fmt: skip


def usage_of(transcript: Transcript) -> dict[str, object]:
    """What it cost: seconds of sound."""
    return {"type": "duration", "seconds": round(transcript.duration_seconds)}


def verbose(transcript: Transcript, task: str, granularities: Sequence[str]) -> dict[str, object]:
    """All there is to know."""
    told: dict[str, object] = {
        "task": task,
        "language": _LANGUAGES.get(transcript.language, transcript.language),
        "duration": round(transcript.duration_seconds, 2),
        "text": transcript.text.strip(),
        "usage": usage_of(transcript),
    }
    if "word" in granularities:
        words = [word for segment in transcript.segments for word in segment.words]
        told["words"] = [_word(word) for word in words]
    if "segment" in granularities:
        told["segments"] = [_segment(number, segment) for number, segment in enumerate(transcript.segments)]
    return told


def _word(word: Word) -> dict[str, object]:
    return {"word": word.text.strip(), "start": word.start, "end": word.end}


def _segment(number: int, segment: Segment) -> dict[str, object]:
    return {
        "id": number,
        "seek": round(segment.start * 100),
        "start": segment.start,
        "end": segment.end,
        "text": segment.text,
        "tokens": list(segment.tokens),
        "temperature": segment.temperature,
        "avg_logprob": segment.avg_logprob,
        "compression_ratio": segment.compression_ratio,
        "no_speech_prob": segment.no_speech_prob,
    }


def srt(transcript: Transcript) -> str:
    """Subtitles as SubRip has them."""
    return "".join(
        f"{number}\n{_time(segment.start, ',')} --> {_time(segment.end, ',')}\n{segment.text.strip()}\n\n"
        for number, segment in enumerate(transcript.segments, 1)
    )


def vtt(transcript: Transcript) -> str:
    """Subtitles as WebVTT has them."""
    cues = "".join(
        f"{_time(segment.start, '.')} --> {_time(segment.end, '.')}\n{_escaped(segment.text.strip())}\n\n"
        for segment in transcript.segments
    )
    return f"WEBVTT\n\n{cues}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _time(seconds: float, point: str) -> str:
    milliseconds = round(seconds * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02}{point}{milliseconds % 1000:03}"
