"""What speech needs from outside: engines that speak, engines that listen, and ways to pack sound."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

SoundFormat: TypeAlias = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice by its name; ``language`` is a BCP-47 tag."""

    name: str
    language: str


@dataclass(frozen=True, slots=True)
class Emotion:
    """How something is said; engines without feelings leave it out."""

    name: str
    level: str = "medium"


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    """One text to be spoken.

    ``voice`` None = the engine's first for the language. ``speed`` 1 is the voice's own. ``metadata`` goes into
    the request of an outside provider as it is.
    """

    text: str
    voice: str | None = None
    speed: float = 1.0
    language: str | None = None
    instructions: str | None = None
    emotion: Emotion | None = None
    metadata: Mapping[str, object] = field(default_factory=dict[str, object])


class Synthesizer(Protocol):
    """Speaks."""

    @property
    def name(self) -> str:
        """The name it is listed by."""
        ...

    @property
    def sample_rate_hz(self) -> int:
        """The rate of its sound."""
        ...

    @property
    def feels(self) -> bool:
        """Whether it can speak with an emotion."""
        ...

    def voices(self) -> Sequence[Voice]:
        """Its voices, the usual one first; empty when only its provider knows them."""
        ...

    def speaks(self, language: str) -> bool:
        """Whether it has a voice for this language."""
        ...

    def stream(self, request: SpeechRequest) -> AsyncIterator[bytes]:
        """The speech as pieces of 16-bit mono samples; closing the iterator early ends the work.

        Raises:
            InvalidInput: an unknown voice; the message lists the known ones.
            Unavailable: a program or file is missing; the message says what to install.
            ProviderError: the engine failed.
        """
        ...

    async def warm(self) -> None:
        """Makes the first answer as quick as the others."""
        ...


@dataclass(frozen=True, slots=True)
class Recording:
    """Sound to be understood: a file of any format, or bare 16-bit mono samples when ``pcm_rate_hz`` is given.

    ``path`` stands for ``data`` when the file is large; it stays until the transcript is there.
    """

    data: bytes
    name: str = "audio"
    pcm_rate_hz: int | None = None
    path: str | None = None


@dataclass(frozen=True, slots=True)
class TranscribeOptions:
    """How to listen. ``language`` None = find out. ``prompt`` holds names and words to expect.

    ``quick``: for conversations, where an answer now is worth more than a slightly better one.
    """

    language: str | None = None
    prompt: str | None = None
    temperature: float | None = None
    words: bool = False
    translate: bool = False
    quick: bool = False


@dataclass(frozen=True, slots=True)
class Word:
    """One word and when it is said, in seconds."""

    text: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of speech, in seconds from the beginning, with what the engine thinks of its own work."""

    text: str
    start: float
    end: float
    tokens: tuple[int, ...] = ()
    temperature: float = 0.0
    avg_logprob: float = 0.0
    compression_ratio: float = 0.0
    no_speech_prob: float = 0.0
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class Transcript:
    """What is said in a recording, or in a part of it."""

    text: str
    language: str
    duration_seconds: float
    segments: tuple[Segment, ...] = ()


class Transcriber(Protocol):
    """Listens."""

    @property
    def name(self) -> str:
        """The name it is listed by."""
        ...

    def understands(self, language: str) -> bool:
        """Whether it knows this language."""
        ...

    def stream(self, recording: Recording, options: TranscribeOptions) -> AsyncIterator[Transcript]:
        """The transcript in parts as they are ready; together they are the whole.

        Raises:
            InvalidInput: no sound in it, too long, or a language it does not know.
            Unavailable: a package or file is missing; the message says what to install.
            ProviderError: the engine failed.
        """
        ...

    async def warm(self) -> None:
        """Makes the first answer as quick as the others."""
        ...


class SoundPacker(Protocol):
    """Packs samples into a format people can store and play."""

    def pack(self, sound: AsyncIterator[bytes], *, rate_hz: int, form: SoundFormat) -> AsyncIterator[bytes]:
        """The packed sound, piece by piece.

        Raises:
            Unavailable: a package is missing; the message says what to install.
        """
        ...
