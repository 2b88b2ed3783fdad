"""Conversations of accounts that want theirs kept."""

import sqlalchemy as sa

from dragoman.db.schema import EpochMs, Json, RowKey, metadata

# ``key`` is the caller's own name for a conversation: a call with the same one replaces what is there. ``messages`` are without
# their media. ``tokens`` counts the last call.
conversations = sa.Table(
    "conversations",
    metadata,
    sa.Column("number", RowKey, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column("user_id", sa.String(36), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("key", sa.String(128)),
    sa.Column("origin", sa.String(16), nullable=False),
    sa.Column("model", sa.String(200), nullable=False),
    sa.Column("agent_id", sa.String(36)),
    sa.Column("api_key_id", sa.String(36)),
    sa.Column("end_user", sa.String(200)),
    sa.Column("request_id", sa.String(36)),
    sa.Column("preview", sa.String(200), nullable=False),
    sa.Column("error", sa.Text),
    sa.Column("tokens", sa.Integer, nullable=False),
    sa.Column("usage", Json, nullable=False),
    sa.Column("asked_with", Json, nullable=False),
    sa.Column("collections", Json, nullable=False),
    sa.Column("messages", Json, nullable=False),
    sa.Column("metadata", Json, nullable=False),
    sa.Column("calls", sa.Integer, nullable=False),
    sa.Column("created_at", EpochMs, nullable=False),
    sa.Column("updated_at", EpochMs, nullable=False),
    sa.UniqueConstraint("user_id", "key"),
    sa.Index("ix_conversations_user_id_updated_at", "user_id", "updated_at"),
    sa.Index("ix_conversations_updated_at", "updated_at"),
)
