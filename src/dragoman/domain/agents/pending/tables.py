"""What callers do not see of conversations that they will go on with."""

import sqlalchemy as sa

from dragoman.db.schema import EpochMs, Json, metadata

# ``key`` is a digest of the caller's call that the turns are to stand around.
hidden_turns = sa.Table(
    "hidden_turns",
    metadata,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("organisation_id", sa.String(36), sa.ForeignKey("organisations.id"), nullable=False),
    sa.Column("owner_id", sa.String(36), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("expires_at", EpochMs, nullable=False),
    sa.Column("content", Json, nullable=False),
    sa.Index("ix_hidden_turns_owner_id_expires_at", "owner_id", "expires_at"),
)
