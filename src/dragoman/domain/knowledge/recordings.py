"""Recordings as documents: what is said in them, paragraph by paragraph."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from dragoman.domain.inference.speech.ports import Recording, Segment, TranscribeOptions, Transcript
from dragoman.domain.inference.speech.service import SpeechService
from dragoman.domain.knowledge.document import Block, Page, ParsedDocument
from dragoman.domain.knowledge.ports import Parser
from dragoman.kit.errors import InvalidInput

_ENDINGS = (
    ".aac", ".aiff", ".amr", ".flac", ".m4a", ".m4v", ".mka", ".mkv", ".mov", ".mp3", ".mp4", ".mpeg", ".mpga",
    ".oga", ".ogg", ".opus", ".wav", ".webm",
)  # fmt: skip
_KINDS = ("audio/", "video/")
_PAUSE_SECONDS = 1.5
_PARAGRAPH_CHARACTERS = 800


class RecordingParser:
    """A ``Parser`` that listens to recordings and has everything else read."""

    def __init__(self, parser: Parser, speech: SpeechService) -> None:
        self._parser = parser
        self._speech = speech

    async def parse(self, path: Path, *, name: str, media_type: str | None) -> ParsedDocument:
        """The document's text by page, or what is said in the recording.

        Raises:
            InvalidInput: the recording cannot be understood; else as the port says.
            Unavailable: there is no transcriber.
        """
        if not is_recording(name, media_type):
            return await self._parser.parse(path, name=name, media_type=media_type)
        transcript = await self._speech.transcribe(Recording(b"", name, path=str(path)), TranscribeOptions())
        if not transcript.text.strip():
            raise InvalidInput("Nothing is said in the recording.", code="audio_without_speech")
        return ParsedDocument(
            pages=(Page(None, _paragraphs(transcript)),),
            media_type=media_type or "audio/mpeg",
            metadata={"duration_seconds": f"{transcript.duration_seconds:.1f}"},
        )


def is_recording(name: str, media_type: str | None) -> bool:
    """Whether a file is sound or film, by its name or its media type."""
    return PurePosixPath(name.lower()).suffix in _ENDINGS or (media_type or "").lower().startswith(_KINDS)


def _paragraphs(transcript: Transcript) -> tuple[Block, ...]:
    """A new paragraph after a pause or when one has become long."""
    groups: list[list[Segment]] = []
    for segment in transcript.segments:
        last = groups[-1] if groups else None
        if (
            last is None
            or segment.start - last[-1].end > _PAUSE_SECONDS
            or _length(last) > _PARAGRAPH_CHARACTERS
        ):
            groups.append([segment])
        else:
            last.append(segment)
    texts = (" ".join(segment.text.strip() for segment in group) for group in groups)
    return tuple(Block("paragraph", text) for text in texts if text.strip())


def _length(segments: Sequence[Segment]) -> int:
    return sum(len(segment.text) for segment in segments)
