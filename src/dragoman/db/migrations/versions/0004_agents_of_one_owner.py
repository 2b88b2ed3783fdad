"""Indexes for accounts with very many agents."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

LISTED = "ix_agents_owner_id_kind_id"
NAMED = "ix_agents_owner_id_name"
EARLIER = "ix_agents_owner_id"


def upgrade() -> None:
    op.create_index(LISTED, "agents", ["owner_id", "kind", "id"])
    op.create_index(NAMED, "agents", ["owner_id", "name", "created_at"])
    op.drop_index(EARLIER, "agents")


def downgrade() -> None:
    op.create_index(EARLIER, "agents", ["owner_id"])
    op.drop_index(NAMED, "agents")
    op.drop_index(LISTED, "agents")
