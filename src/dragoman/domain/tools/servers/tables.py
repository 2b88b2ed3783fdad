"""The table of registered tool servers."""

import sqlalchemy as sa

from dragoman.db.schema import EpochMs, RowKey, metadata

# ``metadata`` is sealed: headers in it may hold keys.
tool_servers = sa.Table(
    "tool_servers",
    metadata,
    sa.Column("number", RowKey, primary_key=True, autoincrement=True),
    sa.Column("organisation_id", sa.String(36), sa.ForeignKey("organisations.id"), nullable=False),
    sa.Column("owner_id", sa.String(36), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("url", sa.String(2048), nullable=False),
    sa.Column("kind", sa.String(50), nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("metadata", sa.LargeBinary, nullable=False),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("created_at", EpochMs, nullable=False),
    sa.Column("updated_at", EpochMs, nullable=False),
    sa.Index("ix_tool_servers_owner_id_number", "owner_id", "number"),
)
