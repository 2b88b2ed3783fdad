"""Counts what visitors ask over all processes."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "chat_rates",
        sa.Column("subject", sa.String(64), nullable=False),
        sa.Column("due", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("subject", name="pk_chat_rates"),
    )
    op.create_index("ix_chat_rates_due", "chat_rates", ["due"])


def downgrade() -> None:
    op.drop_index("ix_chat_rates_due", table_name="chat_rates")
    op.drop_table("chat_rates")
