"""Keeps what is said in the recordings that visitors of a chat attach."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("chat_uploads") as batch:
        batch.add_column(sa.Column("text", sa.Text))


def downgrade() -> None:
    with op.batch_alter_table("chat_uploads") as batch:
        batch.drop_column("text")
