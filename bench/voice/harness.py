"""Measures what this project adds to a spoken turn, beside pipecat-ai and bare livekit-agents, in interleaved runs.

Run ``python bench/voice/harness.py``. The peers are installed into an environment of their own at the first run; this needs
a package index. Parts take fixed times, so what is measured is the engines. Exits with 1 when a bound is missed.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import wave
from contextlib import suppress
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE)]

from turns import HZ  # noqa: E402
from verdicts import (  # noqa: E402
    Figures,
    browser_verdicts,
    further_verdicts,
    served_verdicts,
    summary,
    verdicts,
)

from dragoman.adapters.synthesizers.piper import PiperSynthesizer  # noqa: E402
from dragoman.domain.inference.speech.ports import SpeechRequest  # noqa: E402
from dragoman.kit import pcm  # noqa: E402
from dragoman.kit.processes import ChildPool  # noqa: E402
from dragoman.kit.weights import default_folder  # noqa: E402

PEERS = ("pipecat-ai[silero]==1.14.0", "livekit-agents==1.8.9", "livekit-plugins-silero==1.8.9")
ENGINES = ("dragoman", "livekit", "pipecat")
PARTS = ("engines", "figures", "served", "browser")
QUESTION = "Could you please tell me what time the office opens on Monday morning?"
RUN_SECONDS = 120


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


def in_turn() -> None:
    """Takes turns with all programs: those that go first wait for one another for longer than an answer takes."""
    with suppress(AttributeError, OSError):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def part(name: str, sound: Path, *arguments: object, first: bool = False) -> dict[str, object]:
    """What another program of this folder measures of this project alone."""
    command = [sys.executable, "-B", str(HERE / f"{name}.py"), str(sound), *map(str, arguments)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=3 * RUN_SECONDS,
        check=False,
        preexec_fn=None if first else in_turn,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        raise SystemExit(f"bench: {name} failed:\n{done.stderr[-2000:]}")
    found = json.loads(lines[-1])
    print(f"bench: {found}", file=sys.stderr, flush=True)
    return found


def engines(options: argparse.Namespace, sound: Path) -> dict[tuple[str, int], Figures]:
    """All engines in turn, with one conversation and with many."""
    python = peers(options.peers)
    measured: dict[tuple[str, int], Figures] = {}
    for number in range(options.rounds):
        order = ENGINES[number % 3 :] + ENGINES[: number % 3]
        for calls in (1, options.calls):
            for engine in order:
                figures = measured.setdefault((engine, calls), Figures())
                figures.add(run(engine, python, sound, options.turns, calls))
                print(f"bench: {engine}, {calls} at once: {figures.shown()}", file=sys.stderr, flush=True)
    return measured


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
    parser.add_argument("--browser-turns", type=int, default=8, help="questions asked in Chromium")
    parser.add_argument(
        "--parts", nargs="+", choices=PARTS, default=PARTS, help="what is measured; all of it"
    )
    parser.add_argument("--summary", type=Path, help="a file for the figures as tables in Markdown")
    options = parser.parse_args()
    measured: dict[tuple[str, int], Figures] = {}
    more: dict[str, object] = {}
    held: dict[str, bool] = {}
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        sound = options.wav or Path(folder) / "question.wav"
        if options.wav is None:
            weights = Path(os.environ.get("DRAGOMAN_WEIGHTS__DIR") or default_folder())
            asyncio.run(question(sound, weights))
        alone = not options.shared and first_in_line()
        if "engines" in options.parts:
            measured = engines(options, sound)
            held |= verdicts(measured, options.calls)
        if "figures" in options.parts:
            counts = ("--barge-ins", options.barge_ins, "--short-calls", options.short_calls)
            found = part("figures", sound, *counts, first=True)
            more, held = {**more, **found}, {**held, **further_verdicts(found)}
        if "served" in options.parts:
            found = part("served", sound, "--calls", options.calls, "--rounds", options.rounds)
            more, held = {**more, **found}, {**held, **served_verdicts(found)}
        if "browser" in options.parts:
            found = part("browser", sound, "--turns", options.browser_turns)
            more, held = {**more, **found}, {**held, **browser_verdicts(found)}
    shown = {f"{engine}, {calls}": figures.shown() for (engine, calls), figures in measured.items()}
    if options.summary is not None:
        options.summary.write_text(summary(measured, more, held), encoding="utf-8")
    told = {"figures": shown, "further": more, "bounds": held, "load_before": load, "before_all_else": alone}
    print(json.dumps(told, indent=2))
    return 0 if all(held.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
