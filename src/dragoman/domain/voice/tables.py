"""Conversations by voice that somebody was given a token for."""

import sqlalchemy as sa

from dragoman.db.schema import EpochMs, Json, metadata

# ``spec`` and ``shown`` hold no secrets; ``sealed`` holds them, encrypted, until the session is over.
voice_sessions = sa.Table(
    "voice_sessions",
    metadata,
    sa.Column("room", sa.String(64), primary_key=True),
    sa.Column("session_id", sa.String(128), nullable=False),
    sa.Column("organisation_id", sa.String(36), sa.ForeignKey("organisations.id"), nullable=False),
    sa.Column("owner_id", sa.String(36), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("key_id", sa.String(36)),
    sa.Column("platform", sa.String(64), nullable=False),
    sa.Column("identity", sa.String(256), nullable=False),
    sa.Column("participant", Json, nullable=False),
    sa.Column("spec", Json, nullable=False),
    sa.Column("shown", Json, nullable=False),
    sa.Column("sealed", sa.LargeBinary),
    sa.Column("created_at", EpochMs, nullable=False),
    sa.Column("expires_at", EpochMs, nullable=False, index=True),
    sa.UniqueConstraint("owner_id", "session_id"),
)
