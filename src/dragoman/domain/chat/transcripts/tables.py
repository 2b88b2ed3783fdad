"""Conversations that clients keep here by themselves."""

import sqlalchemy as sa

from dragoman.db.schema import EpochMs, Json, metadata

# ``turns`` are the client's own objects, one a message.
transcripts = sa.Table(
    "transcripts",
    metadata,
    # Callers may choose ids, so each has their own.
    sa.Column("user_id", sa.String(36), sa.ForeignKey("users.id"), primary_key=True),
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("title", sa.String(200), nullable=False),
    sa.Column("turns", Json, nullable=False),
    sa.Column("created_at", EpochMs, nullable=False),
    sa.Column("updated_at", EpochMs, nullable=False),
    sa.Index("ix_transcripts_user_id_updated_at", "user_id", "updated_at"),
)
