"""All SQL of receipts."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.usage.journal import UsageRecord
from dragoman.domain.usage.receipts.tables import receipts
from dragoman.domain.usage.tables import usage_records
from dragoman.kit.jsontypes import JsonObject

_FIELDS = tuple(each.name for each in fields(UsageRecord))


@dataclass(frozen=True, slots=True)
class Receipt:
    """What one request used. ``told``: what its parts had to tell, one for each answer that an agent gave in it."""

    id: str
    lines: tuple[UsageRecord, ...]
    told: tuple[JsonObject, ...]

    @property
    def cost_micro_usd(self) -> int:
        """The sum of its lines, in millionths of a US dollar."""
        return sum(line.cost_micro_usd for line in self.lines)


@dataclass(frozen=True, slots=True)
class ReceiptLine:
    """A receipt in a list. ``status`` is the highest of its lines."""

    id: str
    at: int
    dialect: str
    models: tuple[str, ...]
    lines: int
    prompt_tokens: int
    completion_tokens: int
    cost_micro_usd: int
    status: int


def insert(connection: Connection, values: Sequence[JsonObject]) -> None:
    """Stores what receipts tell."""
    if values:
        connection.execute(sa.insert(receipts), [dict(value) for value in values])


def get(connection: Connection, caller: Caller, receipt_id: str) -> Receipt | None:
    """The caller's receipt of that id."""
    records = usage_records.c
    lines = connection.execute(
        sa.select(usage_records)
        .where(
            sa.or_(records.receipt_id == receipt_id, records.id == receipt_id),
            records.user_id == caller.user_id,
            records.organisation_id == caller.organisation_id,
        )
        .order_by(records.number)
    ).mappings()
    told = connection.execute(
        sa.select(receipts.c.told)
        .where(
            receipts.c.id == receipt_id,
            receipts.c.user_id == caller.user_id,
            receipts.c.organisation_id == caller.organisation_id,
        )
        .order_by(receipts.c.number)
    ).scalars()
    found = tuple(UsageRecord(**{name: line[name] for name in _FIELDS}) for line in lines)
    said = tuple(told)
    return Receipt(receipt_id, found, said) if found or said else None


def select(
    connection: Connection, caller: Caller, *, since: int, limit: int, offset: int
) -> list[ReceiptLine]:
    """The caller's receipts with use since then, latest first."""
    records = usage_records.c
    receipt_id = sa.func.coalesce(records.receipt_id, records.id).label("id")
    mine = sa.and_(
        records.user_id == caller.user_id,
        records.organisation_id == caller.organisation_id,
        records.at >= since,
    )
    summed = (
        sa.select(
            receipt_id,
            sa.func.max(records.at).label("at"),
            sa.func.max(records.dialect).label("dialect"),
            sa.func.count().label("lines"),
            sa.func.sum(records.prompt_tokens).label("prompt_tokens"),
            sa.func.sum(records.completion_tokens).label("completion_tokens"),
            sa.func.sum(records.cost_micro_usd).label("cost_micro_usd"),
            sa.func.max(records.status).label("status"),
            sa.func.max(records.number).label("last"),
        )
        .where(mine)
        .group_by(receipt_id)
        .order_by(sa.desc("last"))
        .limit(limit)
        .offset(offset)
    )
    rows = connection.execute(summed).mappings().all()
    models = _models(connection, mine, receipt_id, [row["id"] for row in rows])
    return [
        ReceiptLine(
            id=row["id"],
            at=row["at"],
            dialect=row["dialect"],
            models=tuple(models.get(row["id"], ())),
            lines=row["lines"],
            prompt_tokens=int(row["prompt_tokens"]),
            completion_tokens=int(row["completion_tokens"]),
            cost_micro_usd=int(row["cost_micro_usd"]),
            status=row["status"],
        )
        for row in rows
    ]


def _models(
    connection: Connection,
    mine: sa.ColumnElement[bool],
    receipt_id: sa.Label[str],
    ids: Sequence[str],
) -> dict[str, list[str]]:
    records = usage_records.c
    statement = (
        sa.select(receipt_id, records.model)
        .where(mine, sa.or_(records.receipt_id.in_(ids), records.id.in_(ids)))
        .order_by(records.number)
    )
    found: dict[str, list[str]] = {}
    for row in connection.execute(statement):
        known = found.setdefault(row.id, [])
        if row.model and row.model not in known:
            known.append(row.model)
    return found
