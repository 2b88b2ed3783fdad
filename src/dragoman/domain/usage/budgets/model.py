"""What a limit is, what it counts, and the stretch of time it counts in."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Literal, TypeAlias, get_args

from dragoman.domain.usage.journal import UsageRecord

Scope: TypeAlias = Literal["organisation", "user", "key", "gateway", "end_user"]
Measure: TypeAlias = Literal["requests", "tokens", "usd"]
Period: TypeAlias = Literal["minute", "day", "month"]

SCOPES: tuple[Scope, ...] = get_args(Scope)
MEASURES: tuple[Measure, ...] = get_args(Measure)
PERIODS: tuple[Period, ...] = get_args(Period)

_MINUTE_MS = 60_000
# The field of a usage record that says whom a limit of that scope counts for.
FIELD_OF: dict[Scope, str] = {
    "organisation": "organisation_id",
    "user": "user_id",
    "key": "key_id",
    "gateway": "agent_id",
    "end_user": "end_user",
}


@dataclass(frozen=True, slots=True)
class Limit:
    """A bound on what somebody uses in a calendar period.

    ``subject`` is the id of the user, key or gateway, or the end user's name; None = each of them for itself.
    ``gateway_id`` narrows a limit of end users to one gateway. ``amount`` counts requests, tokens or millionths of a
    US dollar. ``hard``: what goes beyond is refused, else only told of. ``by_operator``: set for the organisation by the
    server's operator, so that its own administrators cannot change it.
    """

    id: str
    organisation_id: str
    scope: Scope
    subject: str | None
    gateway_id: str | None
    measure: Measure
    period: Period
    amount: int
    hard: bool
    by_operator: bool
    created_at: int

    def subject_in(self, record: UsageRecord) -> str | None:
        """For whom the limit counts this record; None when it does not count it."""
        if record.organisation_id != self.organisation_id:
            return None
        found: str | None = getattr(record, FIELD_OF[self.scope])
        if found is None or self.subject not in (None, found):
            return None
        return None if self.gateway_id not in (None, record.agent_id) else found

    def amount_in(self, record: UsageRecord) -> int:
        """How much of the limit a record uses."""
        return amount_of(self.measure, record)


@dataclass(frozen=True, slots=True)
class Bucket:
    """What one limit counts for one subject in one period, which begins at ``since`` (milliseconds since 1970)."""

    limit_id: str
    subject: str
    since: int


@dataclass(frozen=True, slots=True)
class Level:
    """How full a bucket is. ``reserved`` is held for answers under way, by this process and others."""

    limit: Limit
    subject: str
    since: int
    until: int
    spent: int
    reserved: int

    @property
    def left(self) -> int:
        """What is not used yet, not below 0; answers under way may have reserved part of it."""
        return max(0, self.limit.amount - self.spent)


def amount_of(measure: Measure, record: UsageRecord) -> int:
    """What a record adds to a measure."""
    if measure == "requests":
        return record.requests
    if measure == "tokens":
        return record.prompt_tokens + record.completion_tokens
    return record.cost_micro_usd


class Calendar:
    """Minutes, days and months of one time zone."""

    def __init__(self, zone: tzinfo = UTC) -> None:
        self.zone = zone
        self._known: dict[Period, tuple[int, int]] = {}

    def window(self, period: Period, at: int) -> tuple[int, int]:
        """The period around a moment: its beginning and the next one's, in milliseconds since 1970."""
        known = self._known.get(period)
        if known is None or not known[0] <= at < known[1]:
            known = self._known[period] = self._window(period, at)
        return known

    def _window(self, period: Period, at: int) -> tuple[int, int]:
        if period == "minute":
            begin = at - at % _MINUTE_MS
            return begin, begin + _MINUTE_MS
        moment = datetime.fromtimestamp(at / 1000, self.zone)
        begin = datetime(moment.year, moment.month, moment.day if period == "day" else 1, tzinfo=self.zone)
        if period == "day":
            # Noon of the day after is in the day after, however long this one is.
            following = begin.replace(hour=12) + timedelta(days=1)
            end = datetime(following.year, following.month, following.day, tzinfo=self.zone)
        else:
            end = begin.replace(year=begin.year + begin.month // 12, month=begin.month % 12 + 1)
        return int(begin.timestamp()) * 1000, int(end.timestamp()) * 1000
