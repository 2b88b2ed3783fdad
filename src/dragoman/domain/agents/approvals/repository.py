"""All SQL of tool calls that a person must allow. A pending one whose time is over counts as expired for everybody."""

from dataclasses import asdict, replace

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.agents.approvals.model import Approval, ApprovalFilter, ApprovalState
from dragoman.domain.agents.approvals.tables import tool_approvals as table

_COLUMNS = [table.c[name] for name in Approval.__slots__]


def _approval(row: sa.RowMapping, now: int) -> Approval:
    found = Approval(**row)
    over = found.state in ("pending", "approved") and found.expires_at <= now
    return replace(found, state="expired") if over else found


def insert(connection: Connection, caller: Caller, approval: Approval, *, forget_before: int) -> None:
    """Stores a call of the caller's, and drops those made before that time."""
    values = {**asdict(approval), "organisation_id": caller.organisation_id, "owner_id": caller.user_id}
    connection.execute(sa.insert(table).values(**values))
    mine = table.c.owner_id == caller.user_id
    connection.execute(sa.delete(table).where(mine, table.c.created_at < forget_before))


def get(connection: Connection, caller: Caller, approval_id: str, now: int) -> Approval | None:
    """One of the caller's calls."""
    statement = sa.select(*_COLUMNS).where(table.c.id == approval_id, table.c.owner_id == caller.user_id)
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else _approval(row, now)


def open_of(connection: Connection, caller: Caller, call: str, now: int) -> Approval | None:
    """The latest that was asked for this call and has neither been carried out nor expired."""
    statement = (
        sa.select(*_COLUMNS)
        .where(
            table.c.owner_id == caller.user_id,
            table.c.call == call,
            table.c.state.in_(("pending", "approved", "rejected")),
            table.c.expires_at > now,
        )
        .order_by(table.c.created_at.desc(), table.c.id.desc())
        .limit(1)
    )
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else _approval(row, now)


def select(connection: Connection, caller: Caller, wanted: ApprovalFilter, now: int) -> list[Approval]:
    """The caller's calls that match, latest first."""
    statement = sa.select(*_COLUMNS).where(table.c.owner_id == caller.user_id)
    if wanted.agent_id is not None:
        statement = statement.where(table.c.agent_id == wanted.agent_id)
    if wanted.state == "expired":
        over = sa.and_(table.c.state.in_(("pending", "approved")), table.c.expires_at <= now)
        statement = statement.where(over)
    elif wanted.state is not None:
        statement = statement.where(table.c.state == wanted.state)
        if wanted.state in ("pending", "approved"):
            statement = statement.where(table.c.expires_at > now)
    statement = statement.order_by(table.c.created_at.desc(), table.c.id.desc())
    rows = connection.execute(statement.limit(wanted.limit).offset(wanted.offset)).mappings()
    return [_approval(row, now) for row in rows]


def change(
    connection: Connection,
    caller: Caller,
    approval_id: str,
    *,
    before: ApprovalState,
    to: ApprovalState,
    now: int,
    note: str | None = None,
) -> bool:
    """Whether the call was in that state, unexpired, and now is in the other."""
    values: dict[str, object] = {"state": to}
    if to != "used":
        values |= {"decided_at": now, "note": note}
    statement = sa.update(table).where(
        table.c.id == approval_id,
        table.c.owner_id == caller.user_id,
        table.c.state == before,
        table.c.expires_at > now,
    )
    return connection.execute(statement.values(**values)).rowcount > 0
