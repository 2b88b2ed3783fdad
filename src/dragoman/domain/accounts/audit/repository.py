"""SQL of the audit chains."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.db.schema import SEAL
from dragoman.db.upsert import upsert
from dragoman.domain.accounts.audit.chain import START, Event, Head
from dragoman.domain.accounts.audit.tables import audit_events, audit_heads
from dragoman.domain.accounts.tables import organisations


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events: those that hold the text in their action or content, of an outcome, from a moment on in milliseconds,
    before a number.
    """

    text: str = ""
    outcome: str | None = None
    since: int | None = None
    before: int | None = None
    limit: int = 100


def sealing_key(connection: Connection) -> bytes | None:
    """The key that ends of chains are sealed with, which the database was opened with."""
    return connection.get_execution_options().get(SEAL)


def locked_head(connection: Connection, organisation_id: str) -> Head:
    """The end of the organisation's chain; until this transaction ends nobody else adds to it."""
    found = _head(connection, organisation_id)
    if found is None:
        first = upsert(connection.dialect.name, audit_heads).values(
            organisation_id=organisation_id, number=0, hash=START, seal=None
        )
        connection.execute(first.on_conflict_do_nothing())
        found = _head(connection, organisation_id)
    assert found is not None
    return found


def _head(connection: Connection, organisation_id: str) -> Head | None:
    statement = sa.select(audit_heads).where(audit_heads.c.organisation_id == organisation_id)
    row = connection.execute(statement.with_for_update()).mappings().one_or_none()
    return None if row is None else Head(**row)


def append(connection: Connection, event: Event, head: Head) -> None:
    """Adds the row and moves the end to it."""
    columns = audit_events.c
    connection.execute(
        sa.insert(audit_events).values(
            {
                columns.organisation_id: event.organisation_id,
                columns.number: event.number,
                columns.at: event.at,
                columns.action: event.action,
                columns.outcome: event.outcome,
                columns.content: event.content,
                columns.content_hash: event.content_hash,
                columns.previous: event.previous,
                columns.hash: event.hash,
            }
        )
    )
    moved = sa.update(audit_heads).where(audit_heads.c.organisation_id == head.organisation_id)
    connection.execute(moved.values(number=head.number, hash=head.hash, seal=head.seal))


def chains(connection: Connection) -> list[tuple[str, str, Head | None, int]]:
    """Of every organisation: id, name, the end of its chain, and the greatest number of its rows (0: none)."""
    last = (
        sa.select(audit_events.c.organisation_id, sa.func.max(audit_events.c.number).label("last"))
        .group_by(audit_events.c.organisation_id)
        .subquery()
    )
    statement = (
        sa.select(
            organisations.c.id,
            organisations.c.name,
            audit_heads.c.number,
            audit_heads.c.hash,
            audit_heads.c.seal,
            last.c.last,
        )
        .select_from(organisations)
        .outerjoin(audit_heads, audit_heads.c.organisation_id == organisations.c.id)
        .outerjoin(last, last.c.organisation_id == organisations.c.id)
        .order_by(organisations.c.created_at, organisations.c.id)
    )
    return [
        (
            row.id,
            row.name,
            None if row.hash is None else Head(row.id, row.number, row.hash, row.seal),
            row.last or 0,
        )
        for row in connection.execute(statement)
    ]


def events(connection: Connection, organisation_id: str, *, after: int, limit: int) -> list[Event]:
    """The organisation's rows after that number, in their order."""
    statement = sa.select(audit_events).where(
        audit_events.c.organisation_id == organisation_id, audit_events.c.number > after
    )
    rows = connection.execute(statement.order_by(audit_events.c.number).limit(limit)).mappings()
    return [Event(**row) for row in rows]


def latest(connection: Connection, organisation_id: str, limit: int) -> list[Event]:
    """The organisation's last rows, in their order."""
    statement = sa.select(audit_events).where(audit_events.c.organisation_id == organisation_id)
    rows = connection.execute(statement.order_by(audit_events.c.number.desc()).limit(limit)).mappings()
    return [Event(**row) for row in rows][::-1]


def search(connection: Connection, organisation_id: str, wanted: EventFilter) -> list[Event]:
    """The organisation's rows that match, the latest first."""
    columns = audit_events.c
    statement = sa.select(audit_events).where(columns.organisation_id == organisation_id)
    if wanted.text:
        # Names stand in the content as JSON writes them.
        written = json.dumps(wanted.text)[1:-1]
        sought = columns.action.icontains(wanted.text, autoescape=True)
        statement = statement.where(sought | columns.content.icontains(written, autoescape=True))
    if wanted.outcome is not None:
        statement = statement.where(columns.outcome == wanted.outcome)
    if wanted.since is not None:
        statement = statement.where(columns.at >= wanted.since)
    if wanted.before is not None:
        statement = statement.where(columns.number < wanted.before)
    statement = statement.order_by(columns.number.desc()).limit(wanted.limit)
    return [Event(**row) for row in connection.execute(statement).mappings()]


def redact(connection: Connection, organisation_id: str, numbers: Sequence[int]) -> list[int]:
    """Removes the content of those of the rows that there are, and says which."""
    there = sa.and_(audit_events.c.organisation_id == organisation_id, audit_events.c.number.in_(numbers))
    found = connection.execute(
        sa.select(audit_events.c.number).where(there, audit_events.c.content.is_not(None))
    ).scalars()
    kept = sorted(found)
    if kept:
        connection.execute(sa.update(audit_events).where(there).values(content=None))
    return kept
