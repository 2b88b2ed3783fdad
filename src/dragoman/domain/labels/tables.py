"""What has come to bear labels beside collections and memories."""

import sqlalchemy as sa

from dragoman.db.schema import EpochMs, metadata

# ``key`` is the digest of a conversation's id, of a tool call's, or of an answer as clients send it back.
label_marks = sa.Table(
    "label_marks",
    metadata,
    sa.Column("organisation_id", sa.String(36), sa.ForeignKey("organisations.id"), primary_key=True),
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("label", sa.String(64), primary_key=True),
    sa.Column("at", EpochMs, nullable=False),
)
