"""Public addresses of files in workspaces."""

import sqlalchemy as sa

from dragoman.db.schema import EpochMs, RowKey, metadata

# ``digest`` is of the token in the address; the token itself is not kept. ``workspace`` names the folder of the owner's.
shared_files = sa.Table(
    "shared_files",
    metadata,
    sa.Column("key", RowKey, primary_key=True, autoincrement=True),
    sa.Column("digest", sa.String(64), nullable=False, unique=True),
    sa.Column("owner_id", sa.String(36), sa.ForeignKey("users.id"), nullable=False, index=True),
    sa.Column("workspace", sa.String(64), nullable=False),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("expires_at", EpochMs, nullable=False),
)
