"""All SQL of runs that have ended."""

from dataclasses import asdict

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.agents.traces.model import RunTrace, Step, TraceFilter
from dragoman.domain.agents.traces.tables import agent_runs

_COLUMNS = [agent_runs.c[name] for name in RunTrace.__slots__]
_FORGOTTEN_AT_ONCE = 200


def insert(connection: Connection, caller: Caller, trace: RunTrace, *, forget_before: int) -> None:
    """Stores a run of the caller's, and drops some of those that began before that time."""
    values = {**asdict(trace), "organisation_id": caller.organisation_id, "owner_id": caller.user_id}
    connection.execute(sa.insert(agent_runs).values(**values))
    old = (
        sa.select(agent_runs.c.id)
        .where(agent_runs.c.owner_id == caller.user_id, agent_runs.c.started_at < forget_before)
        .limit(_FORGOTTEN_AT_ONCE)
    )
    connection.execute(sa.delete(agent_runs).where(agent_runs.c.id.in_(old)))


def get(connection: Connection, caller: Caller, run_id: str, *, not_before: int) -> RunTrace | None:
    """One of the caller's runs."""
    statement = sa.select(*_COLUMNS).where(
        agent_runs.c.id == run_id,
        agent_runs.c.owner_id == caller.user_id,
        agent_runs.c.started_at >= not_before,
    )
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else _trace(row)


def select(connection: Connection, caller: Caller, wanted: TraceFilter, *, not_before: int) -> list[RunTrace]:
    """The caller's runs that match, latest first, without their steps."""
    shown = [column for column in _COLUMNS if column.name != "steps"]
    statement = sa.select(*shown).where(
        agent_runs.c.owner_id == caller.user_id, agent_runs.c.started_at >= not_before
    )
    for name in ("agent_id", "person", "ended"):
        value = getattr(wanted, name)
        if value is not None:
            statement = statement.where(agent_runs.c[name] == value)
    statement = statement.order_by(agent_runs.c.started_at.desc(), agent_runs.c.id.desc())
    rows = connection.execute(statement.limit(wanted.limit).offset(wanted.offset)).mappings()
    return [RunTrace(**row) for row in rows]


def _trace(row: sa.RowMapping) -> RunTrace:
    values = dict(row)
    values["steps"] = tuple(Step(**step) for step in values["steps"])
    return RunTrace(**values)
