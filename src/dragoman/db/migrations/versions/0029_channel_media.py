"""Lets pictures and files wait to be sent to contacts."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("channel_outbound") as batch:
        batch.add_column(sa.Column("media", sa.JSON))


def downgrade() -> None:
    with op.batch_alter_table("channel_outbound") as batch:
        batch.drop_column("media")
