"""The refusal of an unknown voice."""

from collections.abc import Sequence

from dragoman.domain.inference.speech.ports import Voice
from dragoman.kit.errors import InvalidInput


def unknown_voice(wanted: str, known: Sequence[Voice]) -> InvalidInput:
    """An error that lists the known voices."""
    names = ", ".join(voice.name for voice in known)
    return InvalidInput(
        f"There is no voice {wanted[:100]!r}. Known voices: {names}.", param="voice", code="voice_not_found"
    )
