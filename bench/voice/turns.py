"""One recorded question asked again and again in real time, and what comes of it; needs numpy only."""

import asyncio
import json
import resource
import sys
import time
import wave
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

HZ = 16_000
FRAME_SECONDS = 0.02
SILENCE_SECONDS = 2.6
VAD_STOP_SECONDS = 0.2
VAD_START_SECONDS = 0.2
STT_SECONDS, LLM_SECONDS, TTS_SECONDS = 0.1, 0.2, 0.1
HEARD = "what time does the office open?"
REPLY = ("Sure, ", "the ", "office ", "opens ", "at ", "nine ", "on ", "Monday ", "morning. ")
SPOKEN = b"\x10\x00" * 24_000
_SAMPLES = int(HZ * FRAME_SECONDS)
APART_SECONDS = 0.37
_LEAD_FRAMES = 50


@dataclass
class Turns:
    """Moments of one conversation: ends of speech, when each was seen, transcripts, first sounds of answers."""

    ended: list[float] = field(default_factory=list)
    stopped: list[float] = field(default_factory=list)
    heard: list[float] = field(default_factory=list)
    sounded: list[float] = field(default_factory=list)


def speech(path: Path) -> np.ndarray:
    """The samples of a 16 kHz mono file up to the last loud one."""
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (HZ, 1, 2)
        values = np.frombuffer(file.readframes(file.getnframes()), dtype=np.int16)
    return values[: np.flatnonzero(np.abs(values.astype(int)) > 300)[-1] + 1]


async def ask(
    said: np.ndarray, turns: int, number: int, push: Callable[[bytes], Awaitable[None]], seen: Turns
) -> None:
    """Says it ``turns`` times, with silence after each; conversations begin a little apart."""
    await asyncio.sleep(number * APART_SECONDS)
    begun, count = time.perf_counter(), 0

    async def frame(data: bytes) -> None:
        nonlocal count
        count += 1
        await asyncio.sleep(max(0.0, begun + count * FRAME_SECONDS - time.perf_counter()))
        await push(data)

    padding = -len(said) % _SAMPLES
    sound = np.concatenate([said, np.zeros(padding, dtype=np.int16)]).tobytes()
    silence = bytes(_SAMPLES * 2)
    for _ in range(_LEAD_FRAMES):
        await frame(silence)
    for _ in range(turns):
        for start in range(0, len(sound), _SAMPLES * 2):
            await frame(sound[start : start + _SAMPLES * 2])
        seen.ended.append(time.perf_counter() - padding / HZ)
        for _ in range(int(SILENCE_SECONDS / FRAME_SECONDS)):
            await frame(silence)


def own_cpu() -> float:
    """Processor seconds of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def own_mb() -> float:
    """The most memory this process had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def report(conversations: list[Turns], *, wall: float, cpu: float, rss_mb: float) -> None:
    """Prints the figures as JSON; the first turn of each conversation warms up and is left out.

    Overhead is what lies between the later of the end that was seen and the transcript, and the first sound, without
    the time that model and voice took.
    """
    seen_after, overhead, whole, missed = [], [], [], 0
    for turns in conversations:
        for ended in turns.ended[1:]:
            before = ended + SILENCE_SECONDS
            stopped = [at for at in turns.stopped if ended < at < before]
            sounded = [at for at in turns.sounded if ended < at < before]
            heard = [at for at in turns.heard if sounded and ended < at < sounded[0]]
            if not stopped or not sounded or not heard:
                missed += 1
                continue
            ready = max(stopped[0], heard[-1])
            seen_after.append(1000 * (stopped[0] - ended - VAD_STOP_SECONDS))
            overhead.append(1000 * (sounded[0] - ready - LLM_SECONDS - TTS_SECONDS))
            whole.append(1000 * (sounded[0] - ended))
    figures = {
        "turns": len(whole),
        "missed": missed,
        "vad_beyond_ms": seen_after,
        "overhead_ms": overhead,
        "whole_ms": whole,
        "cpu_percent": round(100 * cpu / wall / len(conversations), 2),
        "rss_mb": round(rss_mb, 1),
    }
    print(json.dumps(figures), flush=True)


async def hold(number: int, one: Callable[[int, Turns], Awaitable[None]]) -> None:
    """Holds so many conversations at once in this process, and prints what came of them."""
    seen = [Turns() for _ in range(number)]
    cpu, begun = own_cpu(), time.perf_counter()
    await asyncio.gather(*[one(index, turns) for index, turns in enumerate(seen)])
    wall = time.perf_counter() - begun
    report(seen, wall=wall, cpu=own_cpu() - cpu, rss_mb=own_mb())


def begin(main: Callable[[Path, int, int], Awaitable[None]]) -> None:
    """Runs it with what the command line says: the question, turns of a conversation, conversations."""
    asyncio.run(_awaited(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))


async def _awaited(work: Awaitable[None]) -> None:
    await work
