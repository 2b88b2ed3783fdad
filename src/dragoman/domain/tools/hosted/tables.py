"""Hosted files."""

import sqlalchemy as sa

from dragoman.db.schema import EpochMs, RowKey, metadata

# ``digest`` is of the token in the address; the token itself is not kept. ``blob`` names the content in the store of files.
hosted_files = sa.Table(
    "hosted_files",
    metadata,
    sa.Column("key", RowKey, primary_key=True, autoincrement=True),
    sa.Column("digest", sa.String(64), nullable=False, unique=True),
    sa.Column("owner_id", sa.String(36), sa.ForeignKey("users.id"), nullable=False, index=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("media_type", sa.String(100), nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("blob", sa.String(200), nullable=False),
    sa.Column("created_at", EpochMs, nullable=False),
    sa.Column("expires_at", EpochMs, nullable=False, index=True),
)
