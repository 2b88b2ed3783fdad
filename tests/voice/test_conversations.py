"""Conversations through the real engine, with minds that do what the test says."""

import os
import signal
from dataclasses import replace

import pytest
from voice_people import Mind, quiet, talk

from dragoman.adapters.rooms.host import EngineHost
from dragoman.domain.voice.ports import CallSetup
from dragoman.domain.voice.spec import Detection, TurnTaking, VoiceSpec
from dragoman.kit.errors import ProviderError
from dragoman.kit.pcm import mulaw_decoded, samples

QUICK = VoiceSpec(
    agent_id="a",
    detection=Detection(min_silence=0.25),
    turns=TurnTaking(min_delay=0.2, detect_end=False),
)
LONG = " ".join(f"Sentence number {number} goes on and on." for number in range(12))


async def test_the_welcome_is_said_first_without_asking(host: EngineHost) -> None:
    mind = Mind()
    person = await talk(host, replace(QUICK, welcome="Hello, who is there?"), mind)
    said = await person.until("agent_said")
    assert said["text"] == "Hello, who is there?"
    assert not mind.asked
    assert 0.8 < sum(len(data) for _, data in person.sounds) / 48_000 < 1.3


async def test_two_turns_are_held_and_remembered(host: EngineHost, sentences: dict[str, bytes]) -> None:
    mind = Mind(
        ["What time does the office open?", "And when does it close?"], ["It opens at nine.", "At six."]
    )
    person = await talk(host, QUICK, mind)
    await person.play(quiet(0.4), sentences["office"], quiet(1.0))
    await person.until("agent_said", text="It opens at nine.")
    await person.play(quiet(0.3), sentences["office"], quiet(1.0))
    await person.until("agent_said", text="At six.")
    assert mind.asked[-1] == [
        {"role": "user", "text": "What time does the office open?"},
        {"role": "assistant", "text": "It opens at nine."},
        {"role": "user", "text": "And when does it close?"},
    ]
    stages = person.of("metrics")
    assert len(stages) == 2
    assert set(stages[0]) == {"type", "vad", "stt", "eou_delay", "llm_ttft", "tts_ttfb", "e2e"}


@pytest.mark.realtime
async def test_an_interruption_stops_the_agent_and_history_keeps_what_was_heard(
    host: EngineHost, sentences: dict[str, bytes]
) -> None:
    mind = Mind(["Tell me everything.", "Stop."], [LONG, "All right."])
    person = await talk(host, QUICK, mind)
    await person.play(quiet(0.3), sentences["office"], quiet(2.2))
    await person.play(sentences["flowing"], quiet(1.0))
    said = await person.until("agent_said", interrupted=True)
    await person.until("agent_said", text="All right.")
    text = str(said["text"])
    assert text
    assert LONG.startswith(text[:20])
    assert len(text) < len(LONG) / 2
    assert {"role": "assistant", "text": text} in mind.asked[-1]
    began = [at for at, event in person.events if event["type"] == "speech_started"][1]
    cleared = next(at for at, event in person.events if event["type"] == "clear")
    # The engine itself takes some 30 ms; the rest is for a busy machine.
    assert cleared - began <= QUICK.turns.interrupt_seconds + 0.5
    assert not [at for at, _ in person.sounds if cleared + 0.05 < at < cleared + 0.5]


async def test_a_noise_that_says_nothing_lets_the_agent_go_on(
    host: EngineHost, sentences: dict[str, bytes]
) -> None:
    mind = Mind(["Tell me.", ""], [" ".join(f"word{number}" for number in range(24)) + "."])
    person = await talk(host, replace(QUICK, turns=replace(QUICK.turns, interrupt_seconds=0.3)), mind)
    await person.play(quiet(0.3), sentences["office"], quiet(1.8))
    await person.play(sentences["umbrella"], quiet(0.5))
    said = await person.until("agent_said", seconds=25)
    assert said["interrupted"] is False
    assert str(said["text"]).endswith("word23.")


async def test_an_agent_that_may_not_be_interrupted_is_not(
    host: EngineHost, sentences: dict[str, bytes]
) -> None:
    answer = " ".join(f"word{number}" for number in range(12)) + "."
    spec = replace(QUICK, turns=replace(QUICK.turns, interruptible=False))
    person = await talk(host, spec, Mind(answers=[answer]))
    await person.play(quiet(0.3), sentences["office"], quiet(1.5), sentences["stop"], quiet(0.5))
    assert (await person.until("agent_said"))["interrupted"] is False


@pytest.mark.realtime
async def test_a_pause_in_mid_sentence_is_not_the_end(host: EngineHost, sentences: dict[str, bytes]) -> None:
    mind = Mind(["The weather will be cold and rainy, so bring an umbrella."], ["I will."])
    person = await talk(host, VoiceSpec(agent_id="a"), mind)
    await person.play(quiet(0.3), sentences["rainy"], quiet(0.5), sentences["umbrella"], quiet(2.0))
    await person.until("agent_said", text="I will.")
    assert len(mind.spoken) == 1
    assert [event["text"] for event in person.of("transcript") if event["final"]] == mind.says


async def test_what_is_written_is_answered_like_what_is_said(host: EngineHost) -> None:
    mind = Mind()
    person = await talk(host, QUICK, mind)
    assert person.call is not None
    person.call.text("When do you open?")
    await person.until("agent_said", text="Sure, it opens at nine.")
    assert mind.asked[0][-1] == {"role": "user", "text": "When do you open?"}


async def test_references_are_shown_and_not_spoken(host: EngineHost) -> None:
    mind = Mind(answers=["**Nine** o'clock [1], see [the page](https://x.example)."])
    person = await talk(host, QUICK, mind)
    assert person.call is not None
    person.call.text("When?")
    await person.until("agent_said")
    assert " ".join(mind.spoken) == "Nine o'clock, see the page."
    shown = "".join(str(event["delta"]) for event in person.of("agent_text"))
    assert "[1]" in shown


async def test_an_agent_that_fails_apologises_and_the_conversation_goes_on(host: EngineHost) -> None:
    mind = Mind(answers=[ProviderError("The provider is down."), "Back again."])
    person = await talk(host, QUICK, mind)
    assert person.call is not None
    person.call.text("Hello?")
    assert (await person.until("error"))["message"] == "The provider is down."
    await person.until("agent_said", text="Sorry, I cannot answer that just now.")
    person.call.text("Hello?")
    await person.until("agent_said", text="Back again.")


async def test_a_telephone_hears_mu_law(host: EngineHost) -> None:
    person = await talk(
        host, replace(QUICK, welcome="One two three four."), Mind(), CallSetup("pcmu@8000", "pcmu@8000")
    )
    await person.until("agent_said")
    sound = b"".join(data for _, data in person.sounds)
    assert 0.8 < len(sound) / 8000 < 1.3
    assert abs(int(samples(mulaw_decoded(sound))[4000]) - 6000) < 400


async def test_a_room_sounds_around_an_agent_also_while_it_is_silent(host: EngineHost) -> None:
    person = await talk(host, replace(QUICK, ambience=True), Mind())
    await person.play(quiet(1.5))
    loudest = max(abs(int(value)) for value in samples(b"".join(data for _, data in person.sounds)))
    assert 300 < loudest < 3000


async def test_odd_bytes_floods_and_silence_do_no_harm(host: EngineHost) -> None:
    person = await talk(host, QUICK, Mind())
    assert person.call is not None
    for data in (b"", b"\x01", b"\x01\x02\x03", bytes(2_000_000), b"\xff" * 31):
        person.call.sound(data)
    person.call.interrupt()
    person.call.text("Still there?")
    await person.until("agent_said")


async def test_when_the_process_dies_the_conversation_ends_and_the_next_one_works() -> None:
    host = EngineHost(idle_seconds=60)
    try:
        person = await talk(host, QUICK, Mind())
        assert host.process_id is not None
        os.kill(host.process_id, signal.SIGKILL)
        assert (await person.over()).reason == "failed"
        again = await talk(host, replace(QUICK, welcome="Hello again."), Mind())
        await again.until("agent_said", text="Hello again.")
    finally:
        await host.close()
    assert host.process_id is None
