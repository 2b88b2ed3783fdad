"""Limits, what has been used of them, and what processes hold of them for answers under way."""

import sqlalchemy as sa

from dragoman.db.schema import EpochMs, Json, metadata

# ``subject`` null = each for itself. ``amount`` in requests, tokens or millionths of a US dollar.
budget_limits = sa.Table(
    "budget_limits",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column(
        "organisation_id", sa.String(36), sa.ForeignKey("organisations.id"), nullable=False, index=True
    ),
    sa.Column("scope", sa.String(16), nullable=False),
    sa.Column("subject", sa.String(200)),
    sa.Column("gateway_id", sa.String(36)),
    sa.Column("measure", sa.String(16), nullable=False),
    sa.Column("period", sa.String(16), nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Column("hard", sa.Boolean, nullable=False),
    sa.Column("by_operator", sa.Boolean, nullable=False),
    sa.Column("created_at", EpochMs, nullable=False),
)

# What usage records add up to; made when it is first asked for, kept up by whoever loads records. ``told``: that the
# limit was reached in this period has been written down.
budget_counters = sa.Table(
    "budget_counters",
    metadata,
    sa.Column(
        "limit_id", sa.String(36), sa.ForeignKey("budget_limits.id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("subject", sa.String(200), primary_key=True),
    sa.Column("since", EpochMs, primary_key=True),
    sa.Column("spent", sa.BigInteger, nullable=False),
    sa.Column("told", sa.Boolean, nullable=False, default=False),
)

# What a process (``holder`` is the name of its journal) may use without asking again.
budget_shares = sa.Table(
    "budget_shares",
    metadata,
    sa.Column(
        "limit_id", sa.String(36), sa.ForeignKey("budget_limits.id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("subject", sa.String(200), primary_key=True),
    sa.Column("since", EpochMs, primary_key=True),
    sa.Column("holder", sa.String(64), primary_key=True),
    sa.Column("amount", sa.BigInteger, nullable=False),
)

# Reservations of answers that have been under way for longer than a load of the journal takes: what is charged when their
# process is killed.
budget_holds = sa.Table(
    "budget_holds",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("holder", sa.String(64), nullable=False, index=True),
    sa.Column("record", Json, nullable=False),
)
