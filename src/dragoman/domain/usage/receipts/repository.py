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
