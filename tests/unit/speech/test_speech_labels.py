"""Text and sound under a label go to no engine that the label forbids."""

from collections.abc import AsyncIterator, Sequence

import pytest

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.inference.speech.ports import (
    Recording,
    SoundFormat,
    SpeechRequest,
    TranscribeOptions,
    Transcript,
    Voice,
)
from dragoman.domain.inference.speech.service import Engines, SpeechService
from dragoman.domain.labels.handling import Handling, with_handling
from dragoman.domain.labels.model import Decision, LabelPolicy, Policies
from dragoman.kit.errors import Forbidden

pytestmark = pytest.mark.anyio
_ANA = Caller("o", "u", 1, "ana@example.org", "owner")


class Engine:
    """Speaks and listens, and notes what it was given."""

    sample_rate_hz = 24_000
    feels = False

    def __init__(self, name: str) -> None:
        self.name = name
        self.given: list[object] = []

    def voices(self) -> Sequence[Voice]:
        return ()

    def speaks(self, language: str) -> bool:
        return bool(language)

    understands = speaks

    async def warm(self) -> None:
        pass


class Speaking(Engine):
    async def stream(self, request: SpeechRequest) -> AsyncIterator[bytes]:
        self.given.append(request.text)
        yield b"\0\0"


class Listening(Engine):
    async def stream(self, recording: Recording, options: TranscribeOptions) -> AsyncIterator[Transcript]:
        self.given.append(recording.data)
        yield Transcript(text="heard", language="en", duration_seconds=1.0)


class Plain:
    """Leaves sound as it is."""

    async def pack(
        self, sound: AsyncIterator[bytes], *, rate_hz: int, form: SoundFormat
    ) -> AsyncIterator[bytes]:
        async for piece in sound:
            yield piece


async def _note(caller: Caller, decision: Decision) -> None:
    pass


async def _speak(service: SpeechService) -> bytes:
    return b"".join([piece async for piece in service.speak(SpeechRequest("secret"), form="pcm")])


@pytest.mark.parametrize("outside", [True, False])
async def test_only_engines_inside_are_given_what_may_not_leave(outside: bool) -> None:
    mouth, ear = Speaking("mouth"), Listening("ear")
    away = frozenset({"mouth", "ear"}) if outside else frozenset[str]()
    engines = Engines({"mouth": mouth}, {"ear": ear}, outside=away)
    service = SpeechService(engines, Plain(), longest_bytes=100)
    policies = Policies(
        [LabelPolicy("CUI", frozenset({"outside"}), "CUI", "", "#502b85")], web_risks=frozenset()
    )
    with with_handling(Handling(policies, _note)) as handling:
        assert await _speak(service) == b"\0\0"
        await handling.take(_ANA, ["CUI"], "this conversation")
        mouth.given.clear()
        if not outside:
            assert await _speak(service) == b"\0\0"
            assert (await service.transcribe(Recording(b"x"), TranscribeOptions())).text == "heard"
            return
        with pytest.raises(Forbidden) as refused:
            await _speak(service)
        assert refused.value.code == "label_policy"
        with pytest.raises(Forbidden):
            await service.transcribe(Recording(b"x"), TranscribeOptions())
    assert (mouth.given, ear.given) == ([], [])
