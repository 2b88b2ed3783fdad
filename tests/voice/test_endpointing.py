"""When speech is known to have ended, counted in samples, whatever the machine is busy with."""

import statistics

import pytest
from voice_people import FRAME, HZ, quiet

from dragoman.adapters.rooms.vad import CallVad, Ears
from dragoman.domain.voice.spec import Detection


async def ends(sound: bytes, detection: Detection) -> list[float]:
    """The seconds of the sound at which an end of speech was told."""
    ears, told, place = Ears(), [], 0

    def ended(_: bytes) -> None:
        told.append(place / 2 / HZ)

    ears.ended = ended
    detector = CallVad(detection, ears)
    stream = detector.stream()
    for start in range(0, len(sound) - FRAME + 1, FRAME):
        place = start + FRAME
        detector.hear(sound[start:place])
    await stream.aclose()
    return told


@pytest.mark.parametrize("rate_hz", [16_000, 8000])
@pytest.mark.parametrize("silence", [0.2, 0.55])
async def test_the_end_of_speech_is_known_within_50_ms_of_the_silence_asked_for(
    sentences: dict[str, bytes], silence: float, rate_hz: int
) -> None:
    late: list[float] = []
    for sound in sentences.values():
        told = await ends(quiet(0.5) + sound + quiet(1.5), Detection(min_silence=silence, rate_hz=rate_hz))
        late.append(told[-1] - 0.5 - len(sound) / 2 / HZ - silence)
    assert statistics.median(late) <= 0.05
    assert min(late) > -0.15


async def test_silence_and_a_click_are_no_speech() -> None:
    click = quiet(0.5) + b"\xff\x7f" * 80 + quiet(0.5)
    assert await ends(quiet(1.0), Detection()) == []
    assert await ends(click, Detection()) == []


async def test_what_is_said_before_anybody_listens_is_heard_then(sentences: dict[str, bytes]) -> None:
    ears, heard = Ears(), list[bytes]()
    ears.ended = heard.append
    detector = CallVad(Detection(), ears)
    detector.hear(quiet(0.5) + sentences["office"])
    stream = detector.stream()
    detector.hear(quiet(1.5))
    await stream.aclose()
    assert len(heard) == 1
    assert len(heard[0]) > 0.9 * len(sentences["office"])
    detector.hear(b"\xff\x7f" * HZ * 10)
