"""Keeps when a messaging service called last, so that its owner sees whether it reaches the server."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "channel_hooks",
        sa.Column("client_id", sa.String(36), nullable=False),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("called_at", sa.BigInteger),
        sa.Column("refused_at", sa.BigInteger),
        sa.Column("refused_why", sa.Text),
        sa.PrimaryKeyConstraint("client_id", "channel", name="pk_channel_hooks"),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["chat_clients.id"],
            name="fk_channel_hooks_client_id_chat_clients",
            ondelete="CASCADE",
        ),
    )


def downgrade() -> None:
    op.drop_table("channel_hooks")
