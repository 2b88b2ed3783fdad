"""All SQL of limits: who has which, what was used of them, what processes hold."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.db.locks import lock_alone, lock_shared
from dragoman.db.upsert import upsert
from dragoman.domain.usage.budgets.model import FIELD_OF, Bucket, Calendar, Limit
from dragoman.domain.usage.budgets.tables import (
    budget_counters,
    budget_holds,
    budget_limits,
    budget_shares,
)
from dragoman.domain.usage.journal import UsageRecord
from dragoman.domain.usage.tables import usage_records

_LOCK = "budgets"
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Ask:
    """A process's wish to use ``need`` of a bucket on top of what it ``uses`` already.

    ``unloaded``: how much of that is spent, though the counter does not know it yet. ``spare``: how much more it would
    like to have.
    """

    limit: Limit
    bucket: Bucket
    until: int
    uses: int
    unloaded: int
    need: int
    spare: int


@dataclass(frozen=True, slots=True)
class Given:
    """What came of an ask. ``share`` None: nothing is left; ``first``: nobody had been told of that before."""

    ask: Ask
    share: int | None
    spent: int
    reserved: int
    first: bool = False


def limits_of(connection: Connection, organisation_id: str | None) -> list[Limit]:
    """An organisation's limits, or everybody's, in the order they were set."""
    statement = sa.select(budget_limits).order_by(budget_limits.c.created_at, budget_limits.c.id)
    if organisation_id is not None:
        statement = statement.where(budget_limits.c.organisation_id == organisation_id)
    return _limits(connection, statement)


def _limits(connection: Connection, statement: sa.Select[Any]) -> list[Limit]:
    return [Limit(**row) for row in connection.execute(statement).mappings()]


def put(connection: Connection, limit: Limit) -> Limit:
    """Stores a limit in place of the one that differs only in its amount, which keeps its id and what was used."""
    columns = budget_limits.c
    same = [
        getattr(columns, name).is_not_distinct_from(getattr(limit, name))
        for name in ("organisation_id", "scope", "subject", "gateway_id", "measure", "period", "hard")
    ]
    there = _limits(
        connection, sa.select(budget_limits).where(*same, columns.by_operator == limit.by_operator)
    )
    if not there:
        connection.execute(sa.insert(budget_limits).values(**asdict(limit)))
        return limit
    changed = sa.update(budget_limits).where(columns.id == there[0].id).values(amount=limit.amount)
    connection.execute(changed)
    connection.execute(
        sa.update(budget_counters).where(budget_counters.c.limit_id == there[0].id).values(told=False)
    )
    return _limits(connection, sa.select(budget_limits).where(columns.id == there[0].id))[0]


def get(connection: Connection, limit_id: str) -> Limit | None:
    """The limit of that id."""
    found = _limits(connection, sa.select(budget_limits).where(budget_limits.c.id == limit_id))
    return found[0] if found else None


def remove(connection: Connection, limit_id: str) -> None:
    """Removes a limit with all that was counted for it."""
    for table in (budget_shares, budget_counters):
        connection.execute(sa.delete(table).where(table.c.limit_id == limit_id))
    connection.execute(sa.delete(budget_limits).where(budget_limits.c.id == limit_id))


def extend(connection: Connection, holder: str, asks: Sequence[Ask]) -> list[Given]:
    """Gives the holder more of each bucket as long as something of it is left.

    What is left is reckoned without the holder's own spare. The one that takes the last of it may take more than there is:
    a limit is overspent by one reservation at most.
    """
    # In one order, so that two processes never wait for each other's rows.
    ordered = sorted(asks, key=lambda ask: _order(ask.bucket))
    there = {limit.id: limit for limit in _those(connection, {ask.limit.id for ask in asks})}
    _make_counters(connection, [ask for ask in ordered if ask.limit.id in there])
    return [_extended(connection, holder, ask, there.get(ask.limit.id)) for ask in ordered]


def _order(bucket: Bucket) -> tuple[str, str, int]:
    return bucket.limit_id, bucket.subject, bucket.since


def _those(connection: Connection, ids: set[str]) -> list[Limit]:
    return _limits(connection, sa.select(budget_limits).where(budget_limits.c.id.in_(ids)))


def _extended(connection: Connection, holder: str, ask: Ask, limit: Limit | None) -> Given:
    if limit is None:
        # Removed a moment ago, so that it binds nobody.
        return Given(ask, ask.uses + ask.need, 0, 0)
    counter = connection.execute(_counter(ask.bucket).with_for_update()).one()
    others = _held(connection, ask.bucket, but=holder)
    free = limit.amount - counter.spent - others - ask.uses
    used = counter.spent + ask.unloaded
    reserved = others + ask.uses - ask.unloaded
    if free <= 0:
        first = not counter.told and used >= limit.amount
        if first:
            connection.execute(
                sa.update(budget_counters).where(_is(budget_counters, ask.bucket)).values(told=True)
            )
        return Given(ask, None, used, reserved, first)
    share = ask.uses + max(ask.need, min(ask.spare, free // 16))
    _set_share(connection, ask.bucket, holder, share)
    return Given(ask, share, used, reserved)


def _counter(bucket: Bucket) -> sa.Select[int, bool]:
    columns = budget_counters.c
    return sa.select(columns.spent, columns.told).where(_is(budget_counters, bucket))


def _make_counters(connection: Connection, asks: Sequence[Ask]) -> None:
    """Makes the counters that are not there from the records of their periods."""
    missing = [ask for ask in asks if connection.execute(_counter(ask.bucket)).one_or_none() is None]
    if not missing:
        return
    # Records that are being loaded now must either be in the sum or find the counter. Before any row is locked, as those
    # who load wait for rows while they hold this lock.
    lock_alone(connection, _LOCK)
    for ask in missing:
        used = spent(connection, ask.limit, ask.bucket, ask.until)
        values = asdict(ask.bucket) | {"spent": used, "told": False}
        connection.execute(
            upsert(connection.dialect.name, budget_counters).values(**values).on_conflict_do_nothing()
        )


def spent(connection: Connection, limit: Limit, bucket: Bucket, until: int) -> int:
    """What the loaded records of a period add up to."""
    records = usage_records.c
    amount: dict[str, sa.ColumnElement[int]] = {
        "requests": sa.type_coerce(records.requests, sa.Integer),
        "tokens": records.prompt_tokens + records.completion_tokens,
        "usd": records.cost_micro_usd,
    }
    conditions = [
        records.organisation_id == limit.organisation_id,
        records.at >= bucket.since,
        records.at < until,
        records[FIELD_OF[limit.scope]] == bucket.subject,
    ]
    if limit.gateway_id is not None:
        conditions.append(records.agent_id == limit.gateway_id)
    total = sa.func.coalesce(sa.func.sum(amount[limit.measure]), 0)
    return int(connection.execute(sa.select(total).where(*conditions)).scalar_one())


def level(connection: Connection, limit: Limit, bucket: Bucket, until: int) -> tuple[int, int]:
    """What is spent of a bucket and what is held of it."""
    statement = sa.select(budget_counters.c.spent).where(_is(budget_counters, bucket))
    counted = connection.execute(statement).scalar_one_or_none()
    used = spent(connection, limit, bucket, until) if counted is None else counted
    return used, _held(connection, bucket)


def _held(connection: Connection, bucket: Bucket, *, but: str | None = None) -> int:
    total = sa.select(sa.func.coalesce(sa.func.sum(budget_shares.c.amount), 0)).where(
        _is(budget_shares, bucket)
    )
    if but is not None:
        total = total.where(budget_shares.c.holder != but)
    return int(connection.execute(total).scalar_one())


def _set_share(connection: Connection, bucket: Bucket, holder: str, amount: int) -> None:
    statement = upsert(connection.dialect.name, budget_shares).values(
        **asdict(bucket), holder=holder, amount=amount
    )
    keys = [budget_shares.c[name] for name in ("limit_id", "subject", "since", "holder")]
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_={"amount": amount}))


def shrink(connection: Connection, holder: str, shares: Mapping[Bucket, int]) -> None:
    """Sets what the holder keeps of buckets."""
    for bucket in sorted(shares, key=_order):
        mine = _is(budget_shares, bucket), budget_shares.c.holder == holder
        if shares[bucket]:
            connection.execute(sa.update(budget_shares).where(*mine).values(amount=shares[bucket]))
        else:
            connection.execute(sa.delete(budget_shares).where(*mine))


def _is(table: sa.Table, bucket: Bucket) -> sa.ColumnElement[bool]:
    return sa.and_(
        table.c.limit_id == bucket.limit_id,
        table.c.subject == bucket.subject,
        table.c.since == bucket.since,
    )


def limits_now(connection: Connection) -> list[Limit]:
    """Every limit as of this transaction, which from here on no new counter overtakes."""
    lock_shared(connection, _LOCK)
    return limits_of(connection, None)


def new_ones(connection: Connection, records: Sequence[UsageRecord]) -> list[UsageRecord]:
    """Those of the records that are not in the database yet, each once."""
    ids = [record.id for record in records]
    there: set[str] = set()
    for start in range(0, len(ids), _AT_ONCE):
        chosen = usage_records.c.id.in_(ids[start : start + _AT_ONCE])
        there.update(connection.execute(sa.select(usage_records.c.id).where(chosen)).scalars())
    unique = {record.id: record for record in records if record.id not in there}
    return list(unique.values())


def charged(limits: Iterable[Limit], calendar: Calendar, records: Iterable[UsageRecord]) -> dict[Bucket, int]:
    """What records add to the buckets of limits."""
    by_organisation: dict[str, list[Limit]] = {}
    for limit in limits:
        by_organisation.setdefault(limit.organisation_id, []).append(limit)
    added: dict[Bucket, int] = {}
    for record in records:
        for limit in by_organisation.get(record.organisation_id, ()):
            subject = limit.subject_in(record)
            amount = limit.amount_in(record)
            if subject is not None and amount:
                bucket = Bucket(limit.id, subject, calendar.window(limit.period, record.at)[0])
                added[bucket] = added.get(bucket, 0) + amount
    return added


def charge(connection: Connection, holder: str, added: Mapping[Bucket, int]) -> None:
    """Moves what records used from the holder's shares to the counters; a bucket without a counter needs none yet."""
    for bucket in sorted(added, key=_order):
        amount = added[bucket]
        counted, share = budget_counters.c.spent, budget_shares.c.amount
        connection.execute(
            sa.update(budget_counters).where(_is(budget_counters, bucket)).values(spent=counted + amount)
        )
        connection.execute(
            sa.update(budget_shares)
            .where(_is(budget_shares, bucket), budget_shares.c.holder == holder)
            .values(amount=sa.case((share > amount, share - amount), else_=0))
        )


def keep_holds(connection: Connection, holder: str, holds: Sequence[UsageRecord]) -> None:
    """Keeps reservations for when the holder is killed."""
    if holds:
        rows = [{"id": hold.id, "holder": holder, "record": asdict(hold)} for hold in holds]
        connection.execute(
            upsert(connection.dialect.name, budget_holds).on_conflict_do_nothing(index_elements=["id"]), rows
        )


def drop_holds(connection: Connection, ids: Sequence[str]) -> None:
    """Forgets reservations that are settled."""
    for start in range(0, len(ids), _AT_ONCE):
        connection.execute(
            sa.delete(budget_holds).where(budget_holds.c.id.in_(ids[start : start + _AT_ONCE]))
        )


def hold_ids(connection: Connection, holder: str) -> set[str]:
    """The kept reservations of a holder."""
    statement = sa.select(budget_holds.c.id).where(budget_holds.c.holder == holder)
    return set(connection.execute(statement).scalars())


def left_by(connection: Connection, holder: str) -> list[UsageRecord]:
    """What a holder that is no more had reserved and did not settle."""
    statement = sa.select(budget_holds.c.record).where(budget_holds.c.holder == holder)
    return [UsageRecord(**record) for record in connection.execute(statement).scalars()]


def bury(connection: Connection, holder: str) -> None:
    """Gives back all that a holder that is no more had."""
    for table in (budget_holds, budget_shares):
        connection.execute(sa.delete(table).where(table.c.holder == holder))


def forget(connection: Connection, before: int) -> int:
    """Removes what was counted for periods that began before a moment; how much that was."""
    gone = 0
    for table in (budget_shares, budget_counters):
        gone += connection.execute(sa.delete(table).where(table.c.since < before)).rowcount
    return gone
