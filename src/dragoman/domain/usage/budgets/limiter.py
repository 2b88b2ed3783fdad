"""Reserving what an answer may use before it begins: from memory, where this process has a share of what is left.

A share is taken from the database in one short transaction and lasts for many answers, so that a limit costs an answer
next to nothing; near the end of a limit shares shrink to single reservations. What was used moves from the share to the
counter in the transaction that loads the journal.
"""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts.audit.record import record_by_operator
from dragoman.domain.usage.budgets import repository, words
from dragoman.domain.usage.budgets.model import Bucket, Calendar, Level, Limit
from dragoman.domain.usage.budgets.repository import Ask, Given
from dragoman.domain.usage.journal import Journal, UsageRecord
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import DragomanError, PaymentRequired, QuotaExceeded

log = structlog.get_logger(__name__)

_TIDY_SECONDS = 1.0
# How many reservations of the same size a share is made for.
_SPARE_FACTOR = 32
_SOON_SECONDS = 1.0
_REFUSED_SECONDS = 0.5
REACHED = "limits.reached"


@dataclass(slots=True)
class _Share:
    """What this process has of a bucket. ``over``: a soft limit that is used up; ``used``: since it was last tidied;
    ``refused``: the last answer that nothing was left, which stands for a while.
    """

    limit: Limit
    until: int
    share: int = 0
    reserved: int = 0
    unloaded: int = 0
    over: bool = False
    used: bool = True
    refused: Given | None = None
    refused_at: float = 0.0

    @property
    def uses(self) -> int:
        return self.reserved + self.unloaded


@dataclass(slots=True)
class Reserved:
    """What was reserved of a limit, and used of it; None until that is known."""

    limit: Limit
    amount: int
    used: int | None = None


@dataclass(slots=True)
class Hold:
    """A reservation. ``estimate`` has its id and is charged when the process is killed; ``warnings``: soft limits that
    are used up; ``told``: the limits that were asked, with what was reserved and, once settled, used of each. One hold is
    used by one task at a time.
    """

    estimate: UsageRecord
    parts: tuple[tuple[Bucket, int], ...]
    warnings: tuple[str, ...] = ()
    told: tuple["Reserved", ...] = ()
    settled: bool = False


@dataclass(frozen=True, slots=True)
class _Need:
    limit: Limit
    bucket: Bucket
    until: int
    amount: int


class Limiter:
    """One process's dealings with all limits. Only ``settle`` and ``release`` may be called outside the event loop.

    Args:
        journal: what is reserved and released is written there first.
    """

    def __init__(self, database: Database, journal: Journal, calendar: Calendar) -> None:
        self._database = database
        self._journal = journal
        self.calendar = calendar
        self._limits: dict[str, list[Limit]] = {}
        self._shares: dict[Bucket, _Share] = {}
        self._lock = asyncio.Lock()
        # Records may be written by other threads than the loop's.
        self._guard = threading.Lock()

    async def reload(self) -> None:
        """Reads all limits anew; to be called once before the others and whenever one was changed."""
        found: dict[str, list[Limit]] = {}
        for limit in await self._database.read(repository.limits_of, None):
            found.setdefault(limit.organisation_id, []).append(limit)
        self._limits = found
        known = {limit.id: limit for limits in found.values() for limit in limits}
        for bucket, share in list(self._shares.items()):
            if bucket.limit_id not in known:
                del self._shares[bucket]
            else:
                share.limit, share.over, share.refused = known[bucket.limit_id], False, None

    def limits_of(self, organisation_id: str) -> list[Limit]:
        """The organisation's limits, as this process knows them."""
        return self._limits.get(organisation_id, [])

    async def reserve(self, estimate: UsageRecord) -> Hold | None:
        """A hold on what the record reckons with; None when no limit counts it.

        Raises:
            PaymentRequired: the tokens or the money of a day or month are used up.
            QuotaExceeded: the requests are, or those of a minute, or the rest is reserved for answers under way.
            Unavailable: the database cannot be reached.
        """
        limits = self._limits.get(estimate.organisation_id)
        if not limits:
            return None
        needs = self._needs(limits, estimate)
        if not needs:
            return None
        if not self._take(needs):
            self._refuse_as_before(needs)
            async with self._lock:
                while not self._take(needs):
                    # Others may take from a share while more of it is asked for.
                    await self._ask(needs)
        warnings = tuple(
            words.name_of(need.limit) + " is used up."
            for need in needs
            if not need.limit.hard and self._shares[need.bucket].over
        )
        self._journal.hold(estimate)
        return Hold(
            estimate,
            tuple((need.bucket, need.amount) for need in needs),
            warnings,
            tuple(Reserved(need.limit, need.amount) for need in needs),
        )

    def _needs(self, limits: Iterable[Limit], estimate: UsageRecord) -> list[_Need]:
        needs: list[_Need] = []
        for limit in limits:
            subject = limit.subject_in(estimate)
            amount = limit.amount_in(estimate)
            if subject is not None and amount > 0:
                since, until = self.calendar.window(limit.period, estimate.at)
                needs.append(_Need(limit, Bucket(limit.id, subject, since), until, amount))
        return needs

    def _take(self, needs: list[_Need]) -> bool:
        """Whether all of it is covered by shares, which are used then."""
        for need in needs:
            share = self._shares.get(need.bucket)
            if share is None or not (share.over or share.share - share.uses >= need.amount):
                return False
        with self._guard:
            for need in needs:
                share = self._shares[need.bucket]
                share.reserved += need.amount
                share.used = True
        return True

    def _refuse_as_before(self, needs: list[_Need]) -> None:
        """Spares the database the clients that try again and again."""
        for need in needs:
            share = self._shares.get(need.bucket)
            if share is not None and share.refused is not None:
                if time.monotonic() - share.refused_at < _REFUSED_SECONDS:
                    raise self._refusal(share.refused)
                share.refused = None

    async def _ask(self, needs: list[_Need]) -> None:
        """Gets more of what is missing from the database."""
        asks: list[Ask] = []
        for need in needs:
            share = self._shares.setdefault(need.bucket, _Share(need.limit, need.until))
            if not share.over and share.share - share.uses < need.amount:
                spare = need.amount * _SPARE_FACTOR
                asks.append(
                    Ask(
                        limit=need.limit,
                        bucket=need.bucket,
                        until=need.until,
                        uses=share.uses,
                        unloaded=share.unloaded,
                        need=need.amount,
                        spare=spare,
                    )
                )
        given = await self._database.write(_extend, self._journal.name, asks)
        refused: Given | None = None
        for answer in given:
            share = self._shares[answer.ask.bucket]
            if answer.share is not None:
                share.share = answer.share
            elif not answer.ask.limit.hard:
                share.over = answer.spent >= answer.ask.limit.amount
                share.share = max(share.share, share.uses + answer.ask.need)
            else:
                refused = refused or answer
                if answer.spent >= answer.ask.limit.amount:
                    share.refused, share.refused_at = answer, time.monotonic()
        if refused is not None:
            raise self._refusal(refused)

    def _refusal(self, given: Given) -> DragomanError:
        ask, limit = given.ask, given.ask.limit
        now = now_ms()
        since = ask.bucket.since
        level = Level(limit, ask.bucket.subject, since, ask.until, given.spent, given.reserved)
        sentence = words.used_up(level, self.calendar.zone)
        if given.spent < limit.amount:
            return QuotaExceeded(sentence, code="limit_reserved", retry_after_seconds=_SOON_SECONDS)
        wait = max(_SOON_SECONDS, (ask.until - now) / 1000)
        if limit.measure == "requests" or limit.period == "minute":
            return QuotaExceeded(sentence, code=f"{limit.measure}_limit_reached", retry_after_seconds=wait)
        return PaymentRequired(sentence, code=f"{limit.measure}_limit_reached", retry_after_seconds=wait)

    def settle(self, hold: Hold | None, record: UsageRecord) -> None:
        """Takes what was really used; the record is in the journal already."""
        if hold is not None:
            self._let_go(hold)
            for part in hold.told:
                part.used = part.limit.amount_in(record)
        for limit in self._limits.get(record.organisation_id, ()):
            subject = limit.subject_in(record)
            amount = limit.amount_in(record)
            if subject is not None and amount:
                since, until = self.calendar.window(limit.period, record.at)
                bucket = Bucket(limit.id, subject, since)
                with self._guard:
                    self._shares.setdefault(bucket, _Share(limit, until)).unloaded += amount

    def release(self, hold: Hold | None) -> None:
        """Gives up a reservation of which nothing was used; one that is settled stays as it is."""
        if hold is not None and not hold.settled:
            self._let_go(hold)
            self._journal.release(hold.estimate.id)

    def _let_go(self, hold: Hold) -> None:
        with self._guard:
            parts, hold.parts = hold.parts, ()
            hold.settled = True
            for bucket, amount in parts:
                share = self._shares.get(bucket)
                if share is not None:
                    share.reserved -= amount

    @asynccontextmanager
    async def loading(self) -> AsyncGenerator[None]:
        """While records are loaded no shares are asked for, so that both agree on what was loaded."""
        async with self._lock:
            yield

    def loaded(self, added: Mapping[Bucket, int]) -> None:
        """Takes what moved from shares to counters; to be called inside ``loading``."""
        with self._guard:
            self._loaded(added)

    def _loaded(self, added: Mapping[Bucket, int]) -> None:
        for bucket, amount in added.items():
            share = self._shares.get(bucket)
            if share is not None:
                share.unloaded = max(0, share.unloaded - amount)
                share.share = max(0, share.share - amount)

    async def run(self) -> None:
        """Gives back shares that are not needed, for ever; start it with ``kit.tasks``."""
        while True:
            await asyncio.sleep(_TIDY_SECONDS)
            try:
                await self.tidy()
            except DragomanError as error:
                log.warning("limits.tidy_failed", reason=error.detail)

    async def tidy(self) -> None:
        """Gives back what was not used since the last time, and forgets periods that are over.

        Raises:
            Unavailable: the database cannot be reached.
        """
        if not self._shares:
            return
        async with self._lock:
            now = now_ms()
            changed: dict[Bucket, int] = {}
            for bucket, share in list(self._shares.items()):
                idle = not share.used or share.until <= now
                share.used = False
                if idle and share.share > share.uses:
                    changed[bucket] = share.share = share.uses
                if idle and share.until <= now and not share.uses:
                    del self._shares[bucket]
            if changed:
                await self._database.write(repository.shrink, self._journal.name, changed)


def _extend(connection: Connection, holder: str, asks: list[Ask]) -> list[Given]:
    given = repository.extend(connection, holder, asks)
    for answer in given:
        if answer.first:
            limit = answer.ask.limit
            record_by_operator(
                connection,
                limit.organisation_id,
                REACHED,
                limit.id,
                limit=words.name_of(limit),
                subject=answer.ask.bucket.subject,
                spent=answer.spent,
                hard=limit.hard,
            )
    return given
