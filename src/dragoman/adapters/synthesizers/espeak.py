"""espeak-ng as a program: a plain voice for about a hundred languages, always quick."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Sequence

from dragoman.adapters.synthesizers.phrases import phrases
from dragoman.adapters.synthesizers.presets import PITCHES
from dragoman.domain.inference.speech.languages import base_language
from dragoman.domain.inference.speech.ports import SpeechRequest, Voice
from dragoman.domain.inference.speech.voices import unknown_voice
from dragoman.kit.errors import DeadlineExceeded, ProviderError, Unavailable

_RATE_HZ = 22_050
_WORDS_A_MINUTE = 165
_SLOWEST, _FASTEST = 80, 450
_USUAL_PITCH = 45
_SECONDS = 30.0
_HEADER_BYTES = 44
# What the program speaks, as its own list has it, by primary language.
_LANGUAGES = (
    " af am an ar as az ba be bg bn bpy bs ca chr cmn cs cu cy da de el en eo es et eu fa fi fr ga gd gn grc gu "
    "hak haw he hi hr ht hu hy hyw ia id io is it ja jbo ka kk kl kn ko kok ku ky la lb lfn lt ltg lv mi mk ml "
    "mr ms mt mto my nb nci ne nl no nog om or pa pap piqd pl pt py qdb qu quc qya ro ru sd shn si sjn sk sl smj "
    "sq sr sv sw ta te th tk tn tr tt ug uk ur uz vi yue zh "
)
_ACCENTS = frozenset({"en-gb", "en-us", "es-419", "fr-be", "fr-ch", "pt-br", "vi-vn-x-central"})
_SPELLINGS = {"zh": "cmn", "no": "nb", "en": "en-us"}


class EspeakSynthesizer:
    """A ``Synthesizer`` over the program.

    Raises:
        Unavailable: the program is missing.
    """

    def __init__(self) -> None:
        program = shutil.which("espeak-ng")
        if program is None:
            raise Unavailable(
                "The program espeak-ng is missing: install the package espeak-ng.", code="program_missing"
            )
        self._program = program
        self._voices = [Voice(name, "en") for name in PITCHES]

    @property
    def name(self) -> str:
        """The name it is listed by."""
        return "espeak"

    @property
    def sample_rate_hz(self) -> int:
        """The rate of its sound."""
        return _RATE_HZ

    @property
    def feels(self) -> bool:
        """It reads all in the same mood."""
        return False

    def voices(self) -> Sequence[Voice]:
        """The names by custom; each speaks every language."""
        return self._voices

    def speaks(self, language: str) -> bool:
        """Whether the program has rules for it."""
        return f" {base_language(language)} " in _LANGUAGES

    async def stream(self, request: SpeechRequest) -> AsyncIterator[bytes]:
        """The speech phrase by phrase."""
        voice = request.voice or self._voices[0].name
        if voice not in PITCHES:
            raise unknown_voice(voice, self._voices)
        pitch = max(0, min(99, round(_USUAL_PITCH + (PITCHES[voice] - 1) * 150)))
        rate = max(_SLOWEST, min(_FASTEST, round(_WORDS_A_MINUTE * request.speed)))
        options = ("--stdout", "--stdin", "-v", _spoken(request.language), "-s", str(rate), "-p", str(pitch))
        for phrase in phrases(request.text):
            yield await self._said(phrase, options)

    async def warm(self) -> None:
        """There is nothing to load."""

    async def _said(self, phrase: str, options: tuple[str, ...]) -> bytes:
        process = await asyncio.create_subprocess_exec(
            self._program,
            *options,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(_SECONDS):
                sound, report = await process.communicate(phrase.encode())
        except TimeoutError as error:
            raise DeadlineExceeded(f"espeak-ng did not answer within {_SECONDS:g} seconds.") from error
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode != 0 or len(sound) <= _HEADER_BYTES:
            words = report.decode("utf-8", "replace").strip()[:200]
            raise ProviderError(f"espeak-ng failed: {words or process.returncode}")
        return sound[_HEADER_BYTES:]


def _spoken(language: str | None) -> str:
    tag = (language or "en").lower().replace("_", "-")
    if tag in _ACCENTS:
        return tag
    base = base_language(tag)
    return _SPELLINGS.get(base, base)
