"""Measures what this project adds to a spoken turn, beside pipecat-ai and bare livekit-agents, in interleaved runs.

Run ``python bench/voice/harness.py``. The peers are installed into an environment of their own at the first run; this needs
a package index. Parts take fixed times, so what is measured is the engines. Exits with 1 when a bound is missed.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import wave
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE)]

from turns import HZ  # noqa: E402

from dragoman.adapters.synthesizers.piper import PiperSynthesizer  # noqa: E402
from dragoman.domain.inference.speech.ports import SpeechRequest  # noqa: E402
from dragoman.kit import pcm  # noqa: E402
from dragoman.kit.processes import ChildPool  # noqa: E402
from dragoman.kit.weights import default_folder  # noqa: E402

PEERS = ("pipecat-ai[silero]==1.14.0", "livekit-agents==1.8.9", "livekit-plugins-silero==1.8.9")
ENGINES = ("dragoman", "livekit", "pipecat")
QUESTION = "Could you please tell me what time the office opens on Monday morning?"
RUN_SECONDS = 120
OVERHEAD_P50_MS, OVERHEAD_P95_MS, VAD_BEYOND_MS = 5.0, 10.0, 50.0
BARGE_IN_BEYOND_MS, GROWTH_PERCENT = 60.0, 5.0
CPU_OF_LIVEKIT, CPU_OF_PIPECAT = 1.1, 0.6


@dataclass
class Figures:
    """All runs of one engine with one number of conversations, put together."""

    vad_beyond_ms: list[float] = field(default_factory=list)
    overhead_ms: list[float] = field(default_factory=list)
    whole_ms: list[float] = field(default_factory=list)
    cpu_percent: list[float] = field(default_factory=list)
    rss_mb: list[float] = field(default_factory=list)
    missed: int = 0

    def add(self, run: dict[str, object]) -> None:
        """Takes one run's figures."""
        for name in ("vad_beyond_ms", "overhead_ms", "whole_ms"):
            getattr(self, name).extend(run[name])
        self.cpu_percent.append(float(str(run["cpu_percent"])))
        self.rss_mb.append(float(str(run["rss_mb"])))
        self.missed += int(str(run["missed"]))

    def shown(self) -> dict[str, object]:
        """The figures in short."""
        return {
            "turns": len(self.whole_ms),
            "missed": self.missed,
            "vad_beyond_p50_ms": quantile(self.vad_beyond_ms, 0.5),
            "overhead_p50_ms": quantile(self.overhead_ms, 0.5),
            "overhead_p95_ms": quantile(self.overhead_ms, 0.95),
            "end_to_sound_p50_ms": quantile(self.whole_ms, 0.5),
            "end_to_sound_p95_ms": quantile(self.whole_ms, 0.95),
            "cpu_percent_per_call": round(statistics.median(self.cpu_percent), 2),
            "rss_mb": round(max(self.rss_mb), 1),
        }


def quantile(values: list[float], share: float) -> float:
    """The value that this share does not go over; infinite without values."""
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1) if ordered else float("inf")


async def question(target: Path, weights: Path) -> None:
    """Writes the recorded question."""
    pool = ChildPool(size=1, memory_mb=None, idle_seconds=60, name="speak")
    try:
        voice = PiperSynthesizer([weights / "piper"], pool=pool, threads=1)
        sound = b"".join([piece async for piece in voice.stream(SpeechRequest(QUESTION))])
    finally:
        await pool.close()
    with wave.open(str(target), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(HZ)
        file.writeframes(pcm.resampled(sound, voice.sample_rate_hz, HZ))


def peers(folder: Path) -> Path:
    """The interpreter that has the peers."""
    python = folder / "bin" / "python"
    done = folder / "peers.txt"
    wanted = "\n".join(PEERS)
    if not done.is_file() or done.read_text() != wanted:
        print(f"bench: installing {', '.join(PEERS)} into {folder}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *PEERS], check=True)
        done.write_text(wanted)
    return python


def first_in_line() -> bool:
    """Goes before all else on this machine, with every process started later; whether that is allowed.

    Another program's slice of the processor is longer than what is measured here. All engines have it alike.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except (AttributeError, OSError):
        return False
    return True


def run(engine: str, python: Path, sound: Path, turns: int, calls: int) -> dict[str, object]:
    """One run of one engine in a process of its own."""
    interpreter = sys.executable if engine == "dragoman" else str(python)
    command = [interpreter, "-B", str(HERE / f"run_{engine}.py"), str(sound), str(turns), str(calls)]
    environment = {**os.environ, "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=RUN_SECONDS, env=environment, check=False
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        raise SystemExit(f"bench: {engine} failed:\n{done.stderr[-2000:]}")
    return json.loads(lines[-1])


def further(python: str, sound: Path, *, barge_ins: int, calls: int) -> dict[str, object]:
    """What ``figures.py`` measures of this project alone."""
    command = [python, "-B", str(HERE / "figures.py"), str(sound)]
    command += ["--barge-ins", str(barge_ins), "--short-calls", str(calls)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3 * RUN_SECONDS, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        raise SystemExit(f"bench: figures failed:\n{done.stderr[-2000:]}")
    return json.loads(lines[-1])


def further_verdicts(found: dict[str, object]) -> dict[str, bool]:
    """Of each bound on those whether it held."""
    left = [found[name] for name in ("tasks_left", "files_left", "threads_left")]
    return {
        f"agent silent <= {BARGE_IN_BEYOND_MS} ms after interrupt_speech_duration, p95": float(
            str(found["barge_in_beyond_p95_ms"])
        )
        <= BARGE_IN_BEYOND_MS,
        f"{found['short_calls']} short calls: memory growth < {GROWTH_PERCENT} %": float(
            str(found["memory_growth_percent"])
        )
        < GROWTH_PERCENT,
        "short calls leave no task, file, socket, thread or process": max(int(str(one)) for one in left) <= 0
        and found["process_left"] is False
        and found["same_process"] is True,
    }


def verdicts(measured: dict[tuple[str, int], Figures], many: int) -> dict[str, bool]:
    """Of each bound whether it held."""
    ours, few = measured["dragoman", many].shown(), measured["dragoman", 1].shown()
    others = [measured[peer, many].shown() for peer in ("livekit", "pipecat")]
    alone = [measured[peer, 1].shown() for peer in ("livekit", "pipecat")]
    cpu = "cpu_percent_per_call"
    livekit, pipecat = (float(str(other[cpu])) for other in others)

    def at_most(value: object, *bounds: object) -> bool:
        return all(float(str(value)) <= float(str(bound)) for bound in bounds)

    p50, p95 = "overhead_p50_ms", "overhead_p95_ms"
    return {
        "no turn missed": measured["dragoman", 1].missed + measured["dragoman", many].missed == 0,
        f"overhead p50, 1 call <= {OVERHEAD_P50_MS} ms": at_most(few[p50], OVERHEAD_P50_MS),
        "overhead p50, 1 call <= the better peer": at_most(few[p50], *[peer[p50] for peer in alone]),
        f"overhead p95, {many} calls <= {OVERHEAD_P95_MS} ms": at_most(ours[p95], OVERHEAD_P95_MS),
        f"overhead p95, {many} calls <= the better peer": at_most(ours[p95], *[peer[p95] for peer in others]),
        f"end of speech seen <= {VAD_BEYOND_MS} ms late, p50": at_most(
            few["vad_beyond_p50_ms"], VAD_BEYOND_MS
        ),
        f"cpu a call <= {CPU_OF_LIVEKIT} x livekit-agents": at_most(ours[cpu], CPU_OF_LIVEKIT * livekit),
        f"cpu a call <= {CPU_OF_PIPECAT} x pipecat": at_most(ours[cpu], CPU_OF_PIPECAT * pipecat),
    }


def main() -> int:
    """Runs, prints and judges."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=5, help="turns a conversation; the first is not counted")
    parser.add_argument("--calls", type=int, default=10, help="conversations at once, beside a single one")
    parser.add_argument("--rounds", type=int, default=2, help="interleaved runs of each engine")
    parser.add_argument("--wav", type=Path, help="a question of 16 kHz mono PCM16; without it one is spoken")
    parser.add_argument(
        "--peers",
        type=Path,
        default=Path(tempfile.gettempdir()) / "dragoman-voice-peers",
        help="the environment for the peers",
    )
    parser.add_argument("--barge-ins", type=int, default=20, help="interruptions of an agent that speaks")
    parser.add_argument("--short-calls", type=int, default=200, help="calls whose leftovers are looked for")
    parser.add_argument(
        "--shared", action="store_true", help="let other programs go first now and then; for real use"
    )
    options = parser.parse_args()
    python = peers(options.peers)
    measured: dict[tuple[str, int], Figures] = {}
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        sound = options.wav or Path(folder) / "question.wav"
        if options.wav is None:
            weights = Path(os.environ.get("DRAGOMAN_WEIGHTS__DIR") or default_folder())
            asyncio.run(question(sound, weights))
        alone = not options.shared and first_in_line()
        for number in range(options.rounds):
            order = ENGINES[number % 3 :] + ENGINES[: number % 3]
            for calls in (1, options.calls):
                for engine in order:
                    figures = measured.setdefault((engine, calls), Figures())
                    figures.add(run(engine, python, sound, options.turns, calls))
                    print(f"bench: {engine}, {calls} at once: {figures.shown()}", file=sys.stderr, flush=True)
        more = further(sys.executable, sound, barge_ins=options.barge_ins, calls=options.short_calls)
        print(f"bench: {more}", file=sys.stderr, flush=True)
    held = {**verdicts(measured, options.calls), **further_verdicts(more)}
    shown = {f"{engine}, {calls}": figures.shown() for (engine, calls), figures in measured.items()}
    print(
        json.dumps(
            {
                "figures": shown,
                "further": more,
                "bounds": held,
                "load_before": load,
                "before_all_else": alone,
            },
            indent=2,
        )
    )
    return 0 if all(held.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
