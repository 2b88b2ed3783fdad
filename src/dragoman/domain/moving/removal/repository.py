"""SQL of removing an organisation: what there is of it, and taking it away in steps."""

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.db.facts import fact_or
from dragoman.db.facts.tables import facts
from dragoman.db.jobs import forget
from dragoman.domain.accounts.audit.tables import audit_events, audit_heads
from dragoman.domain.accounts.signin.tables import setup_links, sign_ins
from dragoman.domain.accounts.tables import organisations, users, versions
from dragoman.domain.agents.deep.jobs import STEP
from dragoman.domain.agents.deep.tables import deep_runs
from dragoman.domain.chat.channels.jobs import ANSWER, SEND
from dragoman.domain.chat.channels.tables import channel_contacts
from dragoman.domain.knowledge.tables import collections
from dragoman.domain.moving.plan import BOUND, MOVED, Moved
from dragoman.domain.schedules.jobs import AGAIN, ONCE
from dragoman.domain.schedules.tables import chat_recurring_tasks, chat_schedules
from dragoman.domain.usage.receipts.tables import receipts
from dragoman.domain.usage.tables import usage_records
from dragoman.kit.clock import now_ms

_AT_ONCE = 1000
_FACT = "organisation_removed:"
# No server comes back with a journal after so long; looking for what it brings takes a while where there is much.
_LATE_MS = 31 * 86_400_000
# What refers to others comes before what it refers to.
REMOVED: Mapping[str, Moved] = {one.table.name: one for one in (*BOUND, *reversed(list(MOVED.values())))}
# These go together, at the end.
_LAST = ("audit_events", "audit_heads", "users", "organisations")
STEPS = tuple(name for name in REMOVED if name not in _LAST)
_WAITING = (
    (ONCE, chat_schedules, "id"),
    (AGAIN, chat_recurring_tasks, "id"),
    (ANSWER, channel_contacts, "key"),
    (SEND, channel_contacts, "key"),
    (STEP, deep_runs, "number"),
)


def counts(connection: Connection, organisation_id: str) -> dict[str, int]:
    """How many rows by table there are of the organisation."""
    found = {
        name: connection.execute(
            sa.select(sa.func.count()).select_from(moved.table).where(moved.touched(organisation_id))
        ).scalar_one()
        for name, moved in REMOVED.items()
    }
    return {name: count for name, count in found.items() if count}


def lock_out(connection: Connection, organisation_id: str) -> None:
    """Lets none of the organisation's users in any more, and nothing begin that waits for its moment."""
    mine = users.c.organisation_id == organisation_id
    connection.execute(sa.update(users).where(mine).values(disabled=True))
    people = sa.select(users.c.id).where(mine)
    for table in (sign_ins, setup_links):
        connection.execute(sa.delete(table).where(table.c.user_id.in_(people)))
    for kind, table, column in _WAITING:
        rows = sa.select(table.c[column]).where(MOVED[table.name].touched(organisation_id))
        forget(connection, kind, [str(key) for key in connection.execute(rows).scalars()])


def collections_of(connection: Connection, organisation_id: str) -> list[int]:
    """The keys of the organisation's collections."""
    mine = MOVED["collections"].touched(organisation_id)
    return list(connection.execute(sa.select(collections.c.key).where(mine)).scalars())


def remove_some(connection: Connection, name: str, organisation_id: str) -> int:
    """Removes a bounded number of a table's rows; gives how many, 0 when none are left."""
    table, mine = REMOVED[name].table, REMOVED[name].touched(organisation_id)
    keys = list(table.primary_key.columns)
    found = connection.execute(sa.select(*keys).where(mine).limit(_AT_ONCE)).all()
    if found:
        connection.execute(sa.delete(table).where(sa.tuple_(*keys).in_([tuple(row) for row in found])))
    return len(found)


def end_of_chain(connection: Connection, organisation_id: str) -> tuple[int, str]:
    """Number and hash of the last event of the organisation's audit."""
    columns = audit_heads.c
    statement = sa.select(columns.number, columns.hash).where(columns.organisation_id == organisation_id)
    row = connection.execute(statement).one_or_none()
    return (0, "") if row is None else (row.number, row.hash)


def hold(connection: Connection, organisation_id: str) -> bool:
    """Whether the organisation is there; nobody adds anything to it, or to its users, until the transaction ends."""
    there = sa.select(organisations.c.id).where(organisations.c.id == organisation_id).with_for_update()
    people = sa.select(users.c.id).where(users.c.organisation_id == organisation_id).with_for_update()
    found = connection.execute(there).scalar()
    connection.execute(people).all()
    return found is not None


def remove_rest(connection: Connection, organisation_id: str) -> None:
    """Removes what is left, the audit, the users and the organisation itself, and keeps in mind that it was here."""
    for moved in REMOVED.values():
        if moved.table not in (audit_events, audit_heads, users, organisations):
            connection.execute(sa.delete(moved.table).where(moved.touched(organisation_id)))
    people = connection.execute(
        sa.select(users.c.id).where(users.c.organisation_id == organisation_id)
    ).scalars()
    for owner in (organisation_id, *people):
        connection.execute(sa.delete(versions).where(versions.c.topic.endswith(f":{owner}")))
    for table in (audit_events, audit_heads, users):
        connection.execute(sa.delete(table).where(table.c.organisation_id == organisation_id))
    connection.execute(sa.delete(organisations).where(organisations.c.id == organisation_id))
    connection.execute(sa.delete(facts).where(facts.c.name == f"{_FACT}{organisation_id}"))
    fact_or(connection, f"{_FACT}{organisation_id}", str(now_ms()))


def forget_late(connection: Connection) -> int:
    """Removes usage that came out of servers' journals after its organisation had been removed; how many rows."""
    told = connection.execute(sa.select(facts).where(facts.c.name.startswith(_FACT)))
    removed = {row.name.removeprefix(_FACT): int(row.value) for row in told}
    gone, long_ago = 0, now_ms() - _LATE_MS
    for organisation_id in (one for one, at in removed.items() if at > long_ago):
        here = sa.exists().where(organisations.c.id == organisation_id)
        for table in (usage_records, receipts):
            late = sa.delete(table).where(table.c.organisation_id == organisation_id, ~here)
            gone += connection.execute(late).rowcount
    return gone
