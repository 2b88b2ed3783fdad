"""Runs of agents that have ended."""

import sqlalchemy as sa

from dragoman.db.schema import EpochMs, Json, metadata

agent_runs = sa.Table(
    "agent_runs",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("organisation_id", sa.String(36), sa.ForeignKey("organisations.id"), nullable=False),
    sa.Column("owner_id", sa.String(36), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("agent_id", sa.String(36)),
    sa.Column("agent_name", sa.String(230), nullable=False),
    sa.Column("model", sa.String(230), nullable=False),
    sa.Column("dialect", sa.String(32), nullable=False),
    sa.Column("origin", sa.String(64), nullable=False),
    sa.Column("conversation_id", sa.String(128)),
    sa.Column("person", sa.String(256)),
    sa.Column("started_at", EpochMs, nullable=False),
    sa.Column("ended_at", EpochMs, nullable=False),
    sa.Column("ended", sa.String(16), nullable=False),
    sa.Column("rounds", sa.Integer, nullable=False),
    sa.Column("prompt_tokens", sa.BigInteger, nullable=False),
    sa.Column("completion_tokens", sa.BigInteger, nullable=False),
    sa.Column("cost_micro_usd", sa.BigInteger, nullable=False),
    sa.Column("steps", Json, nullable=False),
    sa.Index("ix_agent_runs_owner_id_started_at", "owner_id", "started_at"),
)
