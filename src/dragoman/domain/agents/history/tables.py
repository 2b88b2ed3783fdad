"""Earlier and present settings of agents."""

import sqlalchemy as sa

from dragoman.db.schema import EpochMs, Json, metadata

# One row a change, the present settings included. Secrets are not in it. ``changed_by`` is an e-mail.
agent_versions = sa.Table(
    "agent_versions",
    metadata,
    sa.Column("agent_id", sa.String(36), sa.ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("spec", Json, nullable=False),
    sa.Column("extensions", Json, nullable=False),
    sa.Column("changed_by", sa.String(320), nullable=False),
    sa.Column("at", EpochMs, nullable=False),
)
