"""Reading a recording of any common format, inside a child process. Needs the Python package ``av``."""

import io
from typing import BinaryIO

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.error import FFmpegError

from dragoman.kit.errors import InvalidInput, TooLarge, Unsupported

RATE_HZ = 16_000
_ISO = b"ftyp"
# A tag with a picture may stand before the first frame.
_HEAD_BYTES = 4 << 20


def decoded(source: bytes | str, longest_seconds: int) -> bytes:
    """16-bit mono samples at 16 kHz of a recording or of the file at a path.

    Raises:
        InvalidInput: empty, damaged, or without sound.
        Unsupported: not a format that is read here.
        TooLarge: longer than allowed.
    """
    data: BinaryIO = io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb")  # noqa: SIM115 - the process keeps it for one call
    with data:
        return _read(data, longest_seconds)


def _read(data: BinaryIO, longest_seconds: int) -> bytes:
    head = data.read(_HEAD_BYTES)
    if not head:
        raise InvalidInput("The recording is empty.", code="audio_empty")
    form = container_of(head)
    data.seek(0)
    if form is None:
        raise Unsupported(
            "The recording is in a format that cannot be read: send flac, m4a, mp3, mp4, mpeg, mpga, ogg, wav "
            "or webm.",
            code="audio_format",
        )
    limit = longest_seconds * RATE_HZ * 2
    sound = bytearray()
    try:
        # The form is named because guessing would let playlists and other files in.
        with av.open(data, format=form, mode="r") as container:
            stream = next(iter(container.streams.audio), None)
            if stream is None:
                raise InvalidInput("There is no sound in the recording.", code="audio_without_sound")
            resampler = AudioResampler(format="s16", layout="mono", rate=RATE_HZ)
            for frame in container.decode(stream):
                _take(sound, resampler, frame)
                if len(sound) > limit:
                    raise TooLarge(f"The recording is longer than {longest_seconds} seconds.")
            _take(sound, resampler, None)
    except (FFmpegError, ValueError, IndexError) as error:
        if not sound:
            raise InvalidInput(
                "The recording is damaged or not what it says it is.", code="audio_damaged"
            ) from error
    if not sound:
        raise InvalidInput("There is no sound in the recording.", code="audio_without_sound")
    return bytes(sound)


def _take(sound: bytearray, resampler: AudioResampler, frame: AudioFrame | None) -> None:
    for made in resampler.resample(frame):
        sound += bytes(made.planes[0])[: made.samples * 2]


def container_of(data: bytes) -> str | None:
    """The reader for what the first bytes show; None when there is none."""
    head = data[:16]
    signs: tuple[tuple[bool, str], ...] = (
        (head[:4] == b"RIFF" and head[8:12] == b"WAVE", "wav"),
        (head[:4] == b"RF64", "wav"),
        (head[:4] == b"OggS", "ogg"),
        (head[:4] == b"fLaC", "flac"),
        (head[:4] == b"\x1aE\xdf\xa3", "matroska"),
        (head[4:8] in (_ISO, b"moov", b"mdat", b"free", b"wide", b"skip"), "mov"),
        (head[:4] in (b"FORM",), "aiff"),
        (head[:5] == b"#!AMR", "amr"),
        (head[:4] == b"caff", "caf"),
        (head[:4] == b"\x00\x00\x01\xba", "mpeg"),
        (head[:4] == b".snd", "au"),
        (head[:4] == b"\x30\x26\xb2\x75", "asf"),
    )
    for fits, form in signs:
        if fits:
            return form
    return _frames(data)


def _frames(data: bytes) -> str | None:
    """Bare frames of MPEG audio, which begin anywhere and may follow a tag."""
    start = 0
    if data[:3] == b"ID3" and len(data) > 10:
        size = data[6] << 21 | data[7] << 14 | data[8] << 7 | data[9]
        start = 10 + size
    head = data[start : start + 2]
    if len(head) == 2 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
        return "aac"
    if data[:3] == b"ID3" or (len(head) == 2 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0):
        return "mp3"
    return None
