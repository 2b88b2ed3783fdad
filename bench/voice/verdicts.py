"""Figures of all runs put together, the bounds on them, and both as a table."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field

OVERHEAD_P50_MS, OVERHEAD_P95_MS, VAD_BEYOND_MS = 5.0, 10.0, 50.0
BARGE_IN_BEYOND_MS, GROWTH_PERCENT = 60.0, 5.0
CPU_OF_LIVEKIT, CPU_OF_PIPECAT = 1.1, 0.6
TOKEN_P99_MS, API_TIMES, VOICE_TO_VOICE_MS = 10.0, 2.0, 900.0
_PERCENTS = "cpu_percent_per_call"


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
            _PERCENTS: round(statistics.median(self.cpu_percent), 2),
            "rss_mb": round(max(self.rss_mb), 1),
        }


def quantile(values: list[float], share: float) -> float:
    """The value that this share does not go over; infinite without values."""
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1) if ordered else float("inf")


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
    cpu = _PERCENTS
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


def served_verdicts(found: Mapping[str, object]) -> dict[str, bool]:
    """Of each bound on the server around conversations whether it held."""
    alone, busy = (float(str(found[f"api_{when}_p99_ms"])) for when in ("alone", "during_calls"))
    return {
        f"token operation p99 <= {TOKEN_P99_MS} ms at 200 requests/s": float(str(found["token_p99_ms"]))
        <= TOKEN_P99_MS,
        f"API p99 during {found['api_calls']} calls <= {API_TIMES} x without": busy <= API_TIMES * alone
        and int(str(found["api_turns_meanwhile"])) > 0,
    }


def browser_verdicts(found: Mapping[str, object]) -> dict[str, bool]:
    """Of each bound on what is heard in a browser whether it held."""
    return {
        f"voice to voice in Chromium, all local, p50 <= {VOICE_TO_VOICE_MS} ms": float(
            str(found["browser_p50_ms"])
        )
        <= VOICE_TO_VOICE_MS
    }


def summary(
    measured: Mapping[tuple[str, int], Figures], more: Mapping[str, object], held: Mapping[str, bool]
) -> str:
    """Everything as tables in Markdown."""
    lines: list[str] = []
    if measured:
        names = list(next(iter(measured.values())).shown())
        lines += ["| engine, calls | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
        lines += [
            f"| {engine}, {calls} | " + " | ".join(str(value) for value in figures.shown().values()) + " |"
            for (engine, calls), figures in sorted(measured.items())
        ]
        lines.append("")
    if more:
        lines += [
            "| figure | value |",
            "|---|---|",
            *[f"| {name} | {value} |" for name, value in more.items()],
            "",
        ]
    lines += ["| bound | held |", "|---|---|"]
    lines += [f"| {bound} | {'yes' if whether else 'no'} |" for bound, whether in held.items()]
    return "\n".join(lines) + "\n"
