"""Further figures of conversations: how soon an interruption silences the agent, and what many short calls leave behind.

Run ``python bench/voice/figures.py SOUND``; ``scripts/bench voice`` does. Prints JSON.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from turns import HZ, speech

from dragoman.adapters.rooms.host import EngineHost
from dragoman.domain.voice.ports import CallSetup, Ended, Heard, Output, SoundOut, Thought, Told
from dragoman.domain.voice.spec import Detection, Listening, TurnTaking, VoiceSpec

INTERRUPT_SECONDS = 0.5
_WARM_SHARE = 0.25
_AT_ONCE = 10
_FRAME_SECONDS = 0.02
_FRAME = int(HZ * _FRAME_SECONDS)
_LOUD = 300
_LONG = " ".join(f"Sentence number {number} goes on and on." for number in range(12))
_SPOKEN = b"\x10\x20" * 24_000
_SECONDS = 30.0
SPEC = VoiceSpec(
    agent_id="bench",
    detection=Detection(min_silence=0.25),
    listening=Listening(interim=False),
    turns=TurnTaking(min_delay=0.0, detect_end=False, think_early=False, interrupt_seconds=INTERRUPT_SECONDS),
)


class Quick:
    """Answers at once, at length or in a word; everything that is said to it is the same."""

    def __init__(self, answer: str) -> None:
        self._answer = answer

    async def think(self, messages: list[Mapping[str, str]]) -> AsyncIterator[Thought]:
        """The answer."""
        yield Thought(self._answer)

    async def hear(self, sound: bytes, *, final: bool) -> Heard:
        """Something."""
        return Heard("Stop.", "en")

    async def speak(self, text: str) -> AsyncIterator[bytes]:
        """A second of sound."""
        yield _SPOKEN

    async def warm(self) -> None:
        """Nothing to load."""


@dataclass
class Ear:
    """What comes from the agent, and when its last sound came."""

    last_sound: float = 0.0
    told: list[str] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, output: Output) -> None:
        if isinstance(output, SoundOut) and any(output.data):
            if not self.last_sound:
                self.told.append("sound")
            self.last_sound = time.perf_counter()
        if isinstance(output, Told):
            self.told.append(str(output.event.get("type")))
        if isinstance(output, Ended):
            self.told.append("ended")
        self.changed.set()

    async def until(self, kind: str, *, after: int = 0) -> int:
        """The place after the next event of a kind."""
        async with asyncio.timeout(_SECONDS):
            while kind not in self.told[after:]:
                self.changed.clear()
                await self.changed.wait()
        return self.told.index(kind, after) + 1


async def barge_in(host: EngineHost, sound: Path, times: int) -> dict[str, object]:
    """Milliseconds from the person's first sound to the agent's last, without ``INTERRUPT_SECONDS``."""
    said = speech(sound)
    begin = int((abs(said.astype(int)) > _LOUD).argmax())
    data = said[begin:].tobytes()
    beyond: list[float] = []
    for _ in range(times):
        ear = Ear()
        call = await host.open(SPEC, CallSetup(), Quick(_LONG), ear)
        await ear.until("opened")
        call.text("Tell me all.")
        await ear.until("sound")
        begun = time.perf_counter()
        for number, start in enumerate(range(0, len(data) - 2 * _FRAME, 2 * _FRAME), 1):
            await asyncio.sleep(max(0.0, begun + number * _FRAME_SECONDS - time.perf_counter()))
            call.sound(data[start : start + 2 * _FRAME])
            if "clear" in ear.told:
                break
        # A sound is in the air for as long as it lasts.
        beyond.append(1000 * (ear.last_sound + _FRAME_SECONDS - begun - INTERRUPT_SECONDS))
        call.close()
    beyond.sort()
    return {
        "barge_ins": len(beyond),
        "barge_in_beyond_p50_ms": round(statistics.median(beyond), 1),
        "barge_in_beyond_p95_ms": round(beyond[min(len(beyond) - 1, int(0.95 * len(beyond)))], 1),
    }


async def short_call(host: EngineHost) -> None:
    """A greeting, a question in writing, some sound, an answer."""
    ear = Ear()
    call = await host.open(replace(SPEC, welcome="Hello."), CallSetup(), Quick("Yes."), ear)
    after = await ear.until("agent_said")
    call.text("Are you there?")
    for _ in range(10):
        call.sound(bytes(2 * _FRAME))
    await ear.until("agent_said", after=after)
    call.close()


async def leftovers(host: EngineHost, calls: int) -> dict[str, object]:
    """What calls that are over leave behind, in this process and in that of the conversations."""
    pid = host.process_id
    assert pid is not None

    async def hold(count: int) -> None:
        left = iter(range(count))

        async def one_after_another() -> None:
            for _ in left:
                await short_call(host)

        await asyncio.gather(*[one_after_another() for _ in range(min(_AT_ONCE, count))])
        await asyncio.sleep(1)

    await hold(max(_AT_ONCE, int(calls * _WARM_SHARE)))
    before, files, tasks = resident_mb(pid), open_files(pid), len(asyncio.all_tasks())
    threads = thread_count(pid)
    await hold(calls)
    after = resident_mb(pid)
    return {
        "short_calls": calls,
        "memory_growth_percent": round(100 * (after - before) / before, 2),
        "memory_mb": round(after, 1),
        "tasks_left": len(asyncio.all_tasks()) - tasks,
        "files_left": open_files(pid) - files,
        "threads_left": thread_count(pid) - threads,
        "same_process": host.process_id == pid,
    }


def resident_mb(pid: int) -> float:
    """The memory of a process and of this one."""
    return sum(_status(one, "VmRSS") for one in (pid, os.getpid())) / 1024


def _status(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def open_files(pid: int) -> int:
    """Files, sockets and pipes of a process and of this one."""
    return sum(len(os.listdir(f"/proc/{one}/fd")) for one in (pid, os.getpid()))


def alive(pid: int | None) -> bool:
    """Whether there is such a process."""
    return pid is not None and os.path.exists(f"/proc/{pid}")


def thread_count(pid: int) -> int:
    """Threads of a process and of this one."""
    return _status(pid, "Threads") + _status(os.getpid(), "Threads")


async def measured(sound: Path, *, barge_ins: int, calls: int) -> dict[str, object]:
    """All the figures, with the engine in a process of its own."""
    host = EngineHost(idle_seconds=60)
    try:
        await host.warm()
        found = {**await barge_in(host, sound, barge_ins), **await leftovers(host, calls)}
        pid = host.process_id
    finally:
        await host.close()
    return {**found, "process_left": alive(pid)}


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sound", type=Path)
    parser.add_argument("--barge-ins", type=int, default=20)
    parser.add_argument("--short-calls", type=int, default=200)
    options = parser.parse_args()
    found = asyncio.run(measured(options.sound, barge_ins=options.barge_ins, calls=options.short_calls))
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    sys.exit(main())
