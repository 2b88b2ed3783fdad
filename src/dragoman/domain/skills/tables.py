"""Skills: instructions that an agent opens when it needs them."""

import sqlalchemy as sa

from dragoman.db.schema import EpochMs, Json, metadata

# ``sources`` are addresses whose text is added to the instructions, ``sealed_headers`` what they are asked with;
# ``allowed_tools`` are shown while the skill is open.
skills = sa.Table(
    "skills",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("organisation_id", sa.String(36), sa.ForeignKey("organisations.id"), nullable=False),
    sa.Column("owner_id", sa.String(36), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("slug", sa.String(64), nullable=False),
    sa.Column("description", sa.Text),
    sa.Column("instructions", sa.Text, nullable=False),
    sa.Column("sources", Json, nullable=False),
    sa.Column("sealed_headers", sa.LargeBinary),
    sa.Column("allowed_tools", Json, nullable=False),
    sa.Column("created_at", EpochMs, nullable=False),
    sa.Column("updated_at", EpochMs, nullable=False),
    sa.UniqueConstraint("owner_id", "slug"),
)
