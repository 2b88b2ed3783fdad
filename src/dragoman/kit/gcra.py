"""A rate limit in memory that spreads calls evenly and lets short bursts through (generic cell rate
algorithm).
"""

import time
from collections import OrderedDict
from collections.abc import Callable


class RateLimit:
    """So many calls at once, then one every ``period_seconds``, for each key on its own.

    The memory is bounded: of more than ``remembered`` keys, those longest unused are forgotten.
    """

    def __init__(
        self,
        *,
        burst: int,
        period_seconds: float,
        remembered: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._period = period_seconds
        self._tolerance = period_seconds * (burst - 1)
        self._remembered = remembered
        self._clock = clock
        self._due: OrderedDict[str, float] = OrderedDict()

    def wait_seconds(self, key: str) -> float:
        """0 when the call may go on, which counts it; else the seconds until one may, and nothing is
        counted.
        """
        now = self._clock()
        due = max(self._due.get(key, now), now)
        wait = due - self._tolerance - now
        if wait > 1e-9:
            return wait
        self._due[key] = due + self._period
        self._due.move_to_end(key)
        while len(self._due) > self._remembered:
            self._due.popitem(last=False)
        return 0.0

    def give_back(self, key: str) -> None:
        """Takes back one call that was counted and should not have been."""
        due = self._due.get(key)
        if due is not None:
            self._due[key] = due - self._period
