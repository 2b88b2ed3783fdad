"""What one run of an agent may use, and what is left of it."""

import time
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Literal, TypeAlias

# The bound that made a run come to its end.
Bound: TypeAlias = Literal["rounds", "time", "output", "cost", "repetition"]

_REFUSED_REPEATS = 3
_REASONS: dict[Bound, str] = {
    "rounds": "the limit of tool rounds for one answer is reached",
    "time": "the time for this answer is over",
    "output": "the limit of text from tools for one answer is reached",
    "cost": "the limit of cost for one answer is reached",
    "repetition": "the same tool calls were made again and again",
}


@dataclass(frozen=True, slots=True)
class RunLimits:
    """Bounds of one run. ``run_usd`` 0 = none. ``same_calls``: how often the same call may give the same result.

    Approvals are waited for ``streamed_wait_seconds`` where the caller sees the answer as it comes about, else for
    ``whole_wait_seconds``; that time does not count.
    """

    rounds: int = 25
    tool_seconds: float = 120.0
    run_seconds: float = 900.0
    tool_characters: int = 60_000
    run_characters: int = 600_000
    run_usd: float = 0.0
    parallel: int = 8
    calls_a_turn: int = 32
    same_calls: int = 3
    streamed_wait_seconds: float = 120.0
    whole_wait_seconds: float = 20.0


def reason_of(bound: Bound) -> str:
    """Why the run ends, as the second half of a sentence."""
    return _REASONS[bound]


class Allowance:
    """What is left of the bounds of one run.

    Args:
        spent_usd: what the run has cost so far.
    """

    def __init__(
        self,
        limits: RunLimits,
        spent_usd: Callable[[], float],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits = limits
        self._spent_usd = spent_usd
        self._monotonic = monotonic
        self._deadline = monotonic() + limits.run_seconds
        self._characters = limits.run_characters
        self._attempts: Counter[Hashable] = Counter()
        self._results: dict[Hashable, int] = {}
        self._refused_repeats = 0

    @property
    def seconds(self) -> float:
        """The time that is left, not below 0."""
        return max(0.0, self._deadline - self._monotonic())

    def waited(self, seconds: float) -> None:
        """Gives back time that was spent waiting for a person."""
        self._deadline += seconds

    def taken(self, characters: int) -> int:
        """How many of so many further characters of a tool's text may be kept; they are used up then."""
        kept = min(characters, self.limits.tool_characters, self._characters)
        self._characters -= kept
        return kept

    def repeats(self, call: Hashable) -> bool:
        """Whether a call has been made so often with the same result that it is not to be made again."""
        self._attempts[call] += 1
        if self._attempts[call] <= self.limits.same_calls:
            return False
        self._refused_repeats += 1
        return True

    def resulted(self, call: Hashable, result: str, *, changes: bool) -> None:
        """Notes what came of a call. ``changes``: it may have changed what other calls will give."""
        if changes:
            kept = self._attempts[call]
            self._attempts.clear()
            self._attempts[call] = kept
        digest = hash(result)
        if self._results.get(call, digest) != digest:
            self._attempts[call] = 1
        self._results[call] = digest

    def reached(self, rounds: int) -> Bound | None:
        """The bound that forbids further tool calls after so many rounds of them."""
        if self.limits.run_usd and self._spent_usd() >= self.limits.run_usd:
            return "cost"
        if self.seconds <= 0:
            return "time"
        if self._characters <= 0:
            return "output"
        if self._refused_repeats >= _REFUSED_REPEATS:
            return "repetition"
        return "rounds" if rounds >= self.limits.rounds - 1 else None
