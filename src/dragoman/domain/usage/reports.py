"""What was used: sums and the latest records, up to the last answer given by this process."""

from datetime import UTC, datetime

from dragoman.db.database import Database
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.roles import require
from dragoman.domain.usage import repository
from dragoman.domain.usage.journal import UsageRecord
from dragoman.domain.usage.loader import JournalLoader
from dragoman.domain.usage.repository import UsageFilter, UsageSlice, UsageTotals


class UsageReports:
    """Reads usage after taking in what the journal holds."""

    def __init__(self, database: Database, loader: JournalLoader) -> None:
        self._database = database
        self._loader = loader

    async def totals(self, caller: Caller, wanted: UsageFilter) -> UsageTotals:
        """Sums over the caller's records.

        Raises:
            Unavailable: the database cannot be reached.
        """
        await self._loader.load()
        return await self._database.read(repository.totals, caller, wanted)

    async def breakdown(self, caller: Caller, wanted: UsageFilter) -> list[UsageSlice]:
        """The caller's records summed for each day, kind, model, user and key.

        Raises:
            Forbidden: the whole organisation's were asked for by who does not administer it.
            Unavailable: the database cannot be reached.
        """
        if wanted.whole_organisation:
            require(caller, "manage")
        await self._loader.load()
        return await self._database.read(repository.breakdown, caller, wanted)

    async def latest(self, caller: Caller, wanted: UsageFilter, count: int) -> list[UsageRecord]:
        """The caller's newest records, newest first.

        Raises:
            Unavailable: the database cannot be reached.
        """
        await self._loader.load()
        return await self._database.read(repository.latest, caller, wanted, count)


def month_of(milliseconds: int) -> tuple[int, int]:
    """The calendar month (UTC) around a moment, as ``since`` and ``until`` of a filter."""
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    first = moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    following = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    return int(first.timestamp()) * 1000, int(following.timestamp()) * 1000
