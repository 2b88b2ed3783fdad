"""Audit events and, for each organisation, the end of its chain."""

import sqlalchemy as sa

from dragoman.db.schema import EpochMs, metadata

# ``content`` is the exact text that was hashed, NULL once redacted; its hash stays and so does the chain.
audit_events = sa.Table(
    "audit_events",
    metadata,
    sa.Column("organisation_id", sa.String(36), sa.ForeignKey("organisations.id"), primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", EpochMs, nullable=False),
    sa.Column("action", sa.String(64), nullable=False),
    sa.Column("outcome", sa.String(16), nullable=False),
    sa.Column("content", sa.Text),
    sa.Column("content_hash", sa.String(64), nullable=False),
    sa.Column("previous", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
)

# ``seal`` is keyed with the server's own key, so that an end cut off, and its head set back, is noticed.
audit_heads = sa.Table(
    "audit_heads",
    metadata,
    sa.Column("organisation_id", sa.String(36), sa.ForeignKey("organisations.id"), primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Column("seal", sa.String(64)),
)
