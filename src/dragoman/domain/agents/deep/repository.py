"""All SQL of researches."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.agents.deep.model import (
    DeepProgress,
    DeepRun,
    DeepSettings,
    DeepState,
    DeepUpdate,
    Told,
)
from dragoman.domain.agents.deep.tables import deep_runs, deep_updates
from dragoman.kit.clock import now_ms

WORKING: DeepState = "working"


def _run(row: sa.RowMapping) -> DeepRun:
    values = dict(row)
    values["settings"] = DeepSettings.model_validate(values["settings"])
    values["progress"] = DeepProgress.model_validate(values["progress"])
    return DeepRun(**values)


def insert(connection: Connection, caller: Caller, question: str, settings: DeepSettings) -> DeepRun:
    """A new research of the caller's, at its beginning."""
    now = now_ms()
    statement = (
        sa.insert(deep_runs)
        .values(
            organisation_id=caller.organisation_id,
            user_id=caller.user_id,
            state=WORKING,
            turn=1,
            question=question,
            settings=settings.model_dump(mode="json"),
            progress=DeepProgress().model_dump(mode="json"),
            updates=0,
            created_at=now,
            updated_at=now,
        )
        .returning(deep_runs)
    )
    return _run(connection.execute(statement).mappings().one())


def get(connection: Connection, caller: Caller, number: int) -> DeepRun | None:
    """The caller's research of that number."""
    mine = sa.and_(deep_runs.c.number == number, deep_runs.c.user_id == caller.user_id)
    row = connection.execute(sa.select(deep_runs).where(mine)).mappings().one_or_none()
    return None if row is None else _run(row)


def latest(connection: Connection, caller: Caller, limit: int) -> list[DeepRun]:
    """The caller's researches, newest first."""
    statement = (
        sa.select(deep_runs)
        .where(deep_runs.c.user_id == caller.user_id)
        .order_by(deep_runs.c.number.desc())
        .limit(limit)
    )
    return [_run(row) for row in connection.execute(statement).mappings()]


def working(connection: Connection, caller: Caller) -> int:
    """How many of the caller's researches are at work."""
    mine = sa.and_(deep_runs.c.user_id == caller.user_id, deep_runs.c.state == WORKING)
    return connection.execute(sa.select(sa.func.count()).where(mine)).scalar_one()


def of_job(connection: Connection, number: int, *, hold: bool = False) -> DeepRun | None:
    """The research that a job is about, whosever it is; ``hold`` keeps others from changing it until the end."""
    statement = sa.select(deep_runs).where(deep_runs.c.number == number)
    row = connection.execute(statement.with_for_update() if hold else statement).mappings().one_or_none()
    return None if row is None else _run(row)


def save(
    connection: Connection,
    run: DeepRun,
    *,
    state: DeepState,
    progress: DeepProgress,
    told: Sequence[Told],
    question: str | None = None,
    turn: int | None = None,
    settings: DeepSettings | None = None,
) -> None:
    """Stores how far a research has come together with what it tells."""
    now = now_ms()
    if told:
        rows = [
            {
                "run": run.number,
                "sequence": run.updates + place,
                "at": now,
                "kind": one.kind,
                "payload": dict(one.payload),
            }
            for place, one in enumerate(told, 1)
        ]
        connection.execute(sa.insert(deep_updates), rows)
    connection.execute(
        sa.update(deep_runs)
        .where(deep_runs.c.number == run.number)
        .values(
            state=state,
            progress=progress.model_dump(mode="json"),
            updates=run.updates + len(told),
            question=run.question if question is None else question,
            turn=run.turn if turn is None else turn,
            settings=(settings or run.settings).model_dump(mode="json"),
            updated_at=now,
        )
    )


def updates_after(
    connection: Connection, caller: Caller, number: int, sequence: int, *, limit: int
) -> tuple[DeepState | None, list[DeepUpdate]]:
    """The research's state and what it told after that place; no state when the caller has no such research."""
    mine = sa.and_(deep_runs.c.number == number, deep_runs.c.user_id == caller.user_id)
    found = connection.execute(sa.select(deep_runs.c.state, deep_runs.c.updates).where(mine)).one_or_none()
    if found is None:
        return None, []
    state, total = found
    columns = deep_updates.c
    statement = (
        sa.select(columns.sequence, columns.at, columns.kind, columns.payload)
        .where(columns.run == number, columns.sequence > sequence)
        .order_by(columns.sequence)
        .limit(limit)
    )
    told = [
        DeepUpdate(place, at, kind, payload, last=state != WORKING and place == total)
        for place, at, kind, payload in connection.execute(statement)
    ]
    return state, told
