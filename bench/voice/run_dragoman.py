"""The benchmark's turns through this project's engine, in its own process, over its pipes."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from turns import (
    HEARD,
    LLM_SECONDS,
    REPLY,
    SPOKEN,
    STT_SECONDS,
    TTS_SECONDS,
    VAD_START_SECONDS,
    VAD_STOP_SECONDS,
    Turns,
    ask,
    own_cpu,
    own_mb,
    report,
    speech,
)

from dragoman.adapters.rooms.host import EngineHost
from dragoman.domain.voice.ports import CallSetup, Heard, Output, SoundOut, Thought, Told
from dragoman.domain.voice.spec import Detection, Listening, TurnTaking, VoiceSpec

_PAUSE_SECONDS = 0.5
SPEC = VoiceSpec(
    agent_id="bench",
    detection=Detection(min_speech=VAD_START_SECONDS, min_silence=VAD_STOP_SECONDS),
    listening=Listening(interim=False),
    turns=TurnTaking(min_delay=0.0, detect_end=False, think_early=False),
)


class FixedMind:
    """Thinks, hears and speaks in the time that is set."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns

    async def think(self, messages: list[Mapping[str, str]]) -> AsyncIterator[Thought]:
        """The reply."""
        await asyncio.sleep(LLM_SECONDS)
        for word in REPLY:
            yield Thought(word)

    async def hear(self, sound: bytes, *, final: bool) -> Heard:
        """The question."""
        await asyncio.sleep(STT_SECONDS)
        self._turns.heard.append(time.perf_counter())
        return Heard(HEARD, "en")

    async def speak(self, text: str) -> AsyncIterator[bytes]:
        """A second of sound."""
        await asyncio.sleep(TTS_SECONDS)
        yield SPOKEN

    async def warm(self) -> None:
        """Nothing to load."""


def taker(turns: Turns):
    """Notes what comes from the engine."""
    last = 0.0

    def take(output: Output) -> None:
        nonlocal last
        now = time.perf_counter()
        if isinstance(output, SoundOut) and any(output.data):
            if now - last > _PAUSE_SECONDS:
                turns.sounded.append(now)
            last = now
        elif isinstance(output, Told) and output.event.get("type") == "speech_stopped":
            turns.stopped.append(now)

    return take


def child_cpu(pid: int) -> float:
    """Processor seconds of the engine's process."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


def child_mb(pid: int) -> float:
    """The most memory it had."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


async def main(path: Path, count: int, number: int) -> None:
    """Holds so many conversations of so many turns at once."""
    said = speech(path)
    host = EngineHost(idle_seconds=60)
    await host.warm()
    pid = host.process_id
    assert pid is not None
    seen = [Turns() for _ in range(number)]
    cpu, begun = own_cpu() + child_cpu(pid), time.perf_counter()

    async def one(index: int, turns: Turns) -> None:
        call = await host.open(SPEC, CallSetup(), FixedMind(turns), taker(turns))

        async def push(data: bytes) -> None:
            call.sound(data)

        await ask(said, count, index, push, turns)
        call.close()

    await asyncio.gather(*[one(index, turns) for index, turns in enumerate(seen)])
    wall = time.perf_counter() - begun
    used, memory = own_cpu() + child_cpu(pid) - cpu, own_mb() + child_mb(pid)
    await host.close()
    report(seen, wall=wall, cpu=used, rss_mb=memory)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
