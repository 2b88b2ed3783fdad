"""All SQL of usage: taking in journal lines, sums, the latest records."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from operator import attrgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Dialect

from dragoman.db.upsert import upsert
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.usage.budgets import repository as budgets
from dragoman.domain.usage.budgets.model import Bucket, Calendar
from dragoman.domain.usage.journal import UsageRecord
from dragoman.domain.usage.receipts import repository as receipts
from dragoman.domain.usage.tables import journal_offsets, usage_records
from dragoman.kit.errors import Conflict
from dragoman.kit.jsontypes import JsonObject

QUARTER_MS = 900_000
_LISTED = 1000
_SLICES = 50_000
_DAY_MS = 86_400_000
_REFUSED = 400
_SUMMED = ("prompt_tokens", "completion_tokens", "cached_tokens", "cost_micro_usd")
_FIELDS = tuple(each.name for each in fields(UsageRecord))
_row_of = attrgetter(*_FIELDS)


@dataclass(frozen=True, slots=True)
class UsageFilter:
    """Which records: from ``since`` to before ``until`` (milliseconds since 1970), None = all.

    ``whole_organisation`` takes the records of everybody in the caller's organisation.
    """

    since: int | None = None
    until: int | None = None
    kind: str | None = None
    application: str | None = None
    model: str | None = None
    whole_organisation: bool = False


@dataclass(frozen=True, slots=True)
class UsageTotals:
    """Sums over records. ``prompt_tokens`` includes ``cached_tokens``."""

    answers: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    cost_micro_usd: int

    @property
    def total_tokens(self) -> int:
        """Prompt and completion together."""
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True)
class UsageSlice:
    """Sums over the records of one day (UTC; ``day`` is its first millisecond), kind, model, user and key."""

    day: int
    kind: str
    model: str
    user_id: str
    key_id: str | None
    answers: int
    failed: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    cost_micro_usd: int


def offset(connection: Connection, segment: str) -> int:
    """How many bytes of the segment have been loaded."""
    statement = sa.select(journal_offsets.c.offset).where(journal_offsets.c.segment == segment)
    return connection.execute(statement).scalar_one_or_none() or 0


@dataclass(slots=True)
class Lines:
    """What a stretch of the journal holds. ``settled``: ids of holds that are done with."""

    records: list[UsageRecord] = field(default_factory=list[UsageRecord])
    holds: list[UsageRecord] = field(default_factory=list[UsageRecord])
    settled: list[str] = field(default_factory=list[str])
    receipts: list[JsonObject] = field(default_factory=list[JsonObject])

    def without_settled(self, held: set[str]) -> "Lines":
        """Only those holds that are not settled in the same stretch; of the settled ones those in ``held``."""
        if not self.holds and not held:
            return Lines(self.records, [], [], self.receipts)
        done = {record.id for record in self.records} | set(self.settled)
        return Lines(
            self.records,
            [hold for hold in self.holds if hold.id not in done],
            sorted(done & held),
            self.receipts,
        )


def load(
    connection: Connection,
    segment: str,
    lines: Lines,
    *,
    loaded: int,
    end: int,
    writer: str,
    calendar: Calendar,
) -> dict[Bucket, int]:
    """Takes in a segment's lines between the two offsets, and gives what they added to the buckets of limits.

    A record that is there already changes nothing.

    Raises:
        Conflict: the segment has been loaded to another offset than ``loaded``.
    """
    if offset(connection, segment) != loaded:
        raise Conflict(f"Journal segment {segment} is being loaded by somebody else.")
    added = _take_in(connection, writer, lines.records, calendar)
    budgets.keep_holds(connection, writer, lines.holds)
    budgets.drop_holds(connection, lines.settled)
    receipts.insert(connection, lines.receipts)
    moved = connection.execute(
        sa.update(journal_offsets)
        .where(journal_offsets.c.segment == segment, journal_offsets.c.offset == loaded)
        .values(offset=end)
    )
    if moved.rowcount == 0:
        # A second loader of a new segment fails here on the primary key.
        connection.execute(sa.insert(journal_offsets).values(segment=segment, offset=end))
    return added


def _take_in(
    connection: Connection, writer: str, records: Sequence[UsageRecord], calendar: Calendar
) -> dict[Bucket, int]:
    if not records:
        return {}
    limits = budgets.limits_now(connection)
    added: dict[Bucket, int] = {}
    if limits:
        records = budgets.new_ones(connection, records)
        added = budgets.charged(limits, calendar, records)
    if records:
        _insert_new(connection, records)
    budgets.charge(connection, writer, added)
    return added


def bury(connection: Connection, writer: str, *, calendar: Calendar) -> int:
    """Charges what a killed process had reserved and not settled, and gives back what it held; how many answers."""
    left = budgets.left_by(connection, writer)
    _take_in(connection, writer, left, calendar)
    budgets.bury(connection, writer)
    return len(left)


def _insert_new(connection: Connection, records: Sequence[UsageRecord]) -> None:
    """Rows straight to the driver: every answer given pays for this, and Core's own handling of rows costs as much
    again as the database.
    """
    dialect = connection.dialect
    statement = _insert_sql(dialect)
    rows: list[tuple[object, ...]] = [_row_of(record) for record in records]
    if dialect.positional:
        connection.exec_driver_sql(statement, rows)
    else:
        connection.exec_driver_sql(statement, [dict(zip(_FIELDS, row, strict=True)) for row in rows])


@cache
def _insert_sql(dialect: Dialect) -> str:
    statement = upsert(dialect.name, usage_records).on_conflict_do_nothing(index_elements=["id"])
    return str(statement.compile(dialect=dialect, column_keys=list(_FIELDS)))


def forget_segment(connection: Connection, segment: str) -> None:
    """Drops the offset of a segment whose file is gone."""
    connection.execute(sa.delete(journal_offsets).where(journal_offsets.c.segment == segment))


def totals(connection: Connection, caller: Caller, wanted: UsageFilter) -> UsageTotals:
    """Sums over the caller's records that the filter lets through."""
    columns = usage_records.c
    row = connection.execute(
        sa.select(
            sa.func.count(),
            sa.func.coalesce(sa.func.sum(columns.prompt_tokens), 0),
            sa.func.coalesce(sa.func.sum(columns.completion_tokens), 0),
            sa.func.coalesce(sa.func.sum(columns.cached_tokens), 0),
            sa.func.coalesce(sa.func.sum(columns.cost_micro_usd), 0),
        ).where(*_conditions(caller, wanted))
    ).one()
    return UsageTotals(*(int(value) for value in row))


def breakdown(connection: Connection, caller: Caller, wanted: UsageFilter) -> list[UsageSlice]:
    """The caller's records summed for each day (UTC), kind, model, user and key, by day; at most 50,000 sums."""
    columns = usage_records.c
    day = (columns.at // _DAY_MS).label("day")
    parts = (day, columns.kind, columns.model, columns.user_id, columns.key_id)
    failed = sa.func.sum(sa.case((columns.status >= _REFUSED, 1), else_=0))
    sums = (columns.prompt_tokens, columns.completion_tokens, columns.cached_tokens, columns.cost_micro_usd)
    # One answer may leave several records, and documents that were taken in are none.
    answers = sa.func.sum(columns.requests)
    statement = (
        sa.select(*parts, answers, failed, *(sa.func.sum(column) for column in sums))
        .where(*_conditions(caller, wanted))
        .group_by(*parts)
        .order_by(day, columns.kind, columns.model, columns.user_id)
        .limit(_SLICES)
    )
    return [_slice(row) for row in connection.execute(statement)]


def _slice(row: sa.Row[*tuple[Any, ...]]) -> UsageSlice:
    day, kind, model, user_id, key_id, *sums = row
    answers, failed, prompt, completion, cached, cost = (int(value) for value in sums)
    return UsageSlice(
        int(day) * _DAY_MS, kind, model, user_id, key_id, answers, failed, prompt, completion, cached, cost
    )


def latest(connection: Connection, caller: Caller, wanted: UsageFilter, count: int) -> list[UsageRecord]:
    """The caller's newest records that the filter lets through, newest first, at most 1,000."""
    statement = (
        sa.select(usage_records)
        .where(*_conditions(caller, wanted))
        .order_by(usage_records.c.at.desc(), usage_records.c.number.desc())
        .limit(min(count, _LISTED))
    )
    return [_record(row) for row in connection.execute(statement).mappings()]


def sums(
    connection: Connection,
    organisation_id: str | None,
    user_id: str | None,
    *,
    by: str,
    since: int | None,
    until: int | None,
) -> list[sa.RowMapping]:
    """What was used in an organisation, or in all, grouped by a column; by ``at``, in quarters of an hour."""
    columns = usage_records.c
    # Every time zone's midnight is at the beginning of a quarter.
    key = columns.at // sa.literal_column(str(QUARTER_MS)) if by == "at" else columns[by]
    statement = sa.select(
        columns.organisation_id,
        key.label("key"),
        sa.func.sum(columns.requests).label("requests"),
        *(sa.func.sum(columns[name]).label(name) for name in _SUMMED),
    ).group_by(columns.organisation_id, key)
    for column, value in ((columns.organisation_id, organisation_id), (columns.user_id, user_id)):
        if value is not None:
            statement = statement.where(column == value)
    if since is not None:
        statement = statement.where(columns.at >= since)
    if until is not None:
        statement = statement.where(columns.at < until)
    return list(connection.execute(statement).mappings())


def _conditions(caller: Caller, wanted: UsageFilter) -> list[sa.ColumnElement[bool]]:
    columns = usage_records.c
    conditions: list[sa.ColumnElement[bool]] = [columns.organisation_id == caller.organisation_id]
    if not wanted.whole_organisation:
        conditions.append(columns.user_id == caller.user_id)
    if wanted.since is not None:
        conditions.append(columns.at >= wanted.since)
    if wanted.until is not None:
        conditions.append(columns.at < wanted.until)
    for column, value in (
        (columns.kind, wanted.kind),
        (columns.application, wanted.application),
        (columns.model, wanted.model),
    ):
        if value is not None:
            conditions.append(column == value)
    return conditions


def _record(row: sa.RowMapping) -> UsageRecord:
    return UsageRecord(**{name: row[name] for name in _FIELDS})
