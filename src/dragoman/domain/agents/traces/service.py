"""Runs of agents: kept for a while, shown to their owners."""

from collections.abc import Callable, Sequence
from typing import Protocol

from dragoman.db.database import Database
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.agents.traces import repository
from dragoman.domain.agents.traces.model import RunTrace, TraceFilter
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import NotFound

_DAY_MS = 86_400_000


class TraceSink(Protocol):
    """Is told of every run beside the log, and never holds it up."""

    def put(self, trace: RunTrace) -> None:
        """Takes a run that has ended."""
        ...


class TraceLog:
    """Runs by owner; nobody sees another's.

    Args:
        days: how long a run can be read; older ones are dropped as new ones come.
        sinks: told of every run as well.
    """

    def __init__(
        self,
        database: Database,
        *,
        days: int,
        sinks: Sequence[TraceSink] = (),
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self._database = database
        self._kept_ms = days * _DAY_MS
        self._sinks = tuple(sinks)
        self._clock_ms = clock_ms

    async def keep(self, caller: Caller, trace: RunTrace) -> None:
        """Keeps a run; a killed process cannot lose it once this returns.

        Raises:
            Unavailable: the database cannot be written to.
        """
        for sink in self._sinks:
            sink.put(trace)
        if self._kept_ms:
            await self._database.write(repository.insert, caller, trace, forget_before=self._oldest())

    async def get(self, caller: Caller, run_id: str) -> RunTrace:
        """One of the caller's runs with its steps.

        Raises:
            NotFound: the caller had no such run, or it is no longer kept.
        """
        found = await self._database.read(repository.get, caller, run_id, not_before=self._oldest())
        if found is None:
            raise NotFound("There is no run with this id.", code="run_not_found")
        return found

    async def select(self, caller: Caller, wanted: TraceFilter) -> list[RunTrace]:
        """The caller's runs that match, latest first, without their steps."""
        return await self._database.read(repository.select, caller, wanted, not_before=self._oldest())

    def _oldest(self) -> int:
        return self._clock_ms() - self._kept_ms
