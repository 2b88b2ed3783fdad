"""What a receipt tells beside its usage records, which are its lines."""

import sqlalchemy as sa

from dragoman.db.schema import EpochMs, Json, metadata

# Only requests of which there is more to tell than their usage have a row.
receipts = sa.Table(
    "receipts",
    metadata,
    sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
    sa.Column("id", sa.String(36), nullable=False, index=True),
    sa.Column("organisation_id", sa.String(36), nullable=False),
    sa.Column("user_id", sa.String(36), nullable=False),
    sa.Column("at", EpochMs, nullable=False, index=True),
    sa.Column("told", Json, nullable=False),
)
