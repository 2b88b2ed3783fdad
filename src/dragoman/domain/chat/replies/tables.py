"""Answers that their user may go on from."""

import sqlalchemy as sa

from dragoman.db.schema import EpochMs, Json, metadata

# ``asked`` and ``told`` are what the client sent and got, in its own vocabulary; ``previous_id`` is the reply before.
replies = sa.Table(
    "replies",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("user_id", sa.String(36), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("previous_id", sa.String(64)),
    sa.Column("asked", Json, nullable=False),
    sa.Column("told", Json, nullable=False),
    sa.Column("created_at", EpochMs, nullable=False),
    sa.Column("expires_at", EpochMs, nullable=False, index=True),
    sa.Index("ix_replies_user_id_created_at", "user_id", "created_at"),
)
