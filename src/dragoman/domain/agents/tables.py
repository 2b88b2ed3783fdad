"""Stored agents (gateways, personas): who answers, with what prompt, model, tools and knowledge."""

import sqlalchemy as sa

from dragoman.db.schema import EpochMs, Json, RowKey, metadata

# ``spec`` is the AgentSpec as JSON without secrets; ``sealed`` and ``sealed_headers`` hold its secrets, encrypted.
# ``extensions`` keeps, by dialect, keys that have no meaning here, so that they are echoed.
agents = sa.Table(
    "agents",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("organisation_id", sa.String(36), sa.ForeignKey("organisations.id"), nullable=False),
    sa.Column("owner_id", sa.String(36), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("slug", sa.String(230), nullable=False),
    sa.Column("spec", Json, nullable=False),
    sa.Column("sealed", sa.LargeBinary),
    sa.Column("sealed_headers", sa.LargeBinary),
    sa.Column("extensions", Json, nullable=False),
    sa.Column("created_at", EpochMs, nullable=False),
    sa.Column("updated_at", EpochMs, nullable=False),
    sa.UniqueConstraint("owner_id", "slug"),
    sa.Index("ix_agents_owner_id_kind_id", "owner_id", "kind", "id"),
    sa.Index("ix_agents_owner_id_name", "owner_id", "name", "created_at"),
)

# Whole numbers for agents, for vocabularies that know no other ids.
agent_numbers = sa.Table(
    "agent_numbers",
    metadata,
    sa.Column("number", RowKey, primary_key=True, autoincrement=True),
    sa.Column(
        "agent_id",
        sa.String(36),
        sa.ForeignKey("agents.id", ondelete="CASCADE"),
        nullable=False,
        unique=True,
    ),
    sqlite_autoincrement=True,
)
