"""Packing samples as MP3, Opus, AAC, FLAC or WAV."""

import asyncio
import importlib
import importlib.util
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from dragoman.domain.inference.speech.ports import SoundFormat
from dragoman.kit.errors import Unavailable
from dragoman.kit.pcm import Resampler, wav_header

if TYPE_CHECKING:
    from dragoman.adapters.codecs.pyav import Encoder

_ENGINE = "dragoman.adapters.codecs.pyav"
PCM_RATE_HZ = 24_000


class Packer:
    """A ``SoundPacker``. Bare samples are always at 24 kHz, as speech APIs have it."""

    async def pack(
        self, sound: AsyncIterator[bytes], *, rate_hz: int, form: SoundFormat
    ) -> AsyncIterator[bytes]:
        """The packed sound as it comes.

        Raises:
            Unavailable: the format needs the extra ``voice``.
        """
        match form:
            case "pcm":
                resampler = Resampler(rate_hz, PCM_RATE_HZ)
                async for piece in sound:
                    yield resampler.push(piece)
                yield resampler.flush()
            case "wav":
                yield wav_header(rate_hz, None)
                async for piece in sound:
                    yield piece
            case _:
                encoder = await asyncio.to_thread(_encoder, form, rate_hz)
                async for piece in sound:
                    if packed := await asyncio.to_thread(encoder.push, piece):
                        yield packed
                yield await asyncio.to_thread(encoder.finish)


def _encoder(form: SoundFormat, rate_hz: int) -> "Encoder":
    if importlib.util.find_spec("av") is None:
        raise Unavailable(
            f"Sound as {form} needs the Python package 'av': install dragoman[voice], or ask for wav or pcm.",
            code="extra_missing",
        )
    return importlib.import_module(_ENGINE).Encoder(form, rate_hz)
