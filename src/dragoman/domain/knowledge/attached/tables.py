"""The text of files that a user may refer to by name for a while."""

import sqlalchemy as sa

from dragoman.db.schema import EpochMs, Json, RowKey, metadata

# ``pages`` is [[page number, text], ...].
attached_files = sa.Table(
    "attached_files",
    metadata,
    sa.Column("number", RowKey, primary_key=True, autoincrement=True),
    sa.Column("user_id", sa.String(36), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("pages", Json, nullable=False),
    sa.Column("expires_at", EpochMs, nullable=False, index=True),
    sa.UniqueConstraint("user_id", "name"),
)
