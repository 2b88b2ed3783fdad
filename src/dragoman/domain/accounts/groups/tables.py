"""Groups of an organisation's users."""

import sqlalchemy as sa

from dragoman.db.schema import EpochMs, metadata

groups = sa.Table(
    "groups",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("organisation_id", sa.String(36), sa.ForeignKey("organisations.id"), nullable=False),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("created_at", EpochMs, nullable=False),
    sa.UniqueConstraint("organisation_id", "name"),
)

group_members = sa.Table(
    "group_members",
    metadata,
    sa.Column(
        "group_id",
        sa.String(36),
        sa.ForeignKey("groups.id", ondelete="CASCADE"),
        primary_key=True,
        index=True,
    ),
    sa.Column("user_id", sa.String(36), sa.ForeignKey("users.id"), primary_key=True, index=True),
)
