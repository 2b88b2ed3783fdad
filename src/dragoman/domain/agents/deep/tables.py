"""Researches, and what each told on its way."""

import sqlalchemy as sa

from dragoman.db.schema import EpochMs, Json, RowKey, metadata

# ``number`` is what callers know a research by. ``turn`` counts its questions from 1. ``settings`` is what was asked for,
# ``progress`` how far it has come, ``updates`` how many rows it has in deep_updates.
deep_runs = sa.Table(
    "deep_runs",
    metadata,
    sa.Column("number", RowKey, primary_key=True, autoincrement=True),
    sa.Column("organisation_id", sa.String(36), nullable=False),
    sa.Column("user_id", sa.String(36), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("turn", sa.Integer, nullable=False),
    sa.Column("question", sa.Text, nullable=False),
    sa.Column("settings", Json, nullable=False),
    sa.Column("progress", Json, nullable=False),
    sa.Column("updates", sa.Integer, nullable=False),
    sa.Column("created_at", EpochMs, nullable=False),
    sa.Column("updated_at", EpochMs, nullable=False),
    sa.Index("ix_deep_runs_user_id_number", "user_id", "number"),
)

deep_updates = sa.Table(
    "deep_updates",
    metadata,
    sa.Column("run", RowKey, sa.ForeignKey("deep_runs.number", ondelete="CASCADE"), primary_key=True),
    sa.Column("sequence", sa.Integer, primary_key=True),
    sa.Column("at", EpochMs, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("payload", Json, nullable=False),
)
