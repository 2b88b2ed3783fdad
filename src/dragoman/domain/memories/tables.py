"""What agents remember of the people they talk to."""

import sqlalchemy as sa

from dragoman.db.schema import EpochMs, Json, RowKey, metadata

# ``person`` is ``external_user_id`` up to its first '@': the same human in every session. ``agent_id`` names who wrote it and
# may outlive that agent. ``key`` orders what was written in the same millisecond.
memories = sa.Table(
    "memories",
    metadata,
    sa.Column("key", RowKey, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column("organisation_id", sa.String(36), sa.ForeignKey("organisations.id"), nullable=False),
    sa.Column("owner_id", sa.String(36), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("external_user_id", sa.String(256), nullable=False),
    sa.Column("person", sa.String(256), nullable=False),
    sa.Column("agent_id", sa.String(36)),
    sa.Column("format", sa.String(16), nullable=False),
    sa.Column("content", sa.Text, nullable=False),
    sa.Column("created_at", EpochMs, nullable=False),
    sa.Column("updated_at", EpochMs, nullable=False),
    sa.Column("expires_at", EpochMs),
    sa.Column("labels", Json(none_as_null=True)),
    sa.Index("ix_memories_owner_id_person_format", "owner_id", "person", "format"),
)
