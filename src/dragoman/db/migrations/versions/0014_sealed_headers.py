"""Headers of agents' and skills' sources, sealed."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("agents", "skills"):
        op.add_column(table, sa.Column("sealed_headers", sa.LargeBinary))


def downgrade() -> None:
    for table in ("agents", "skills"):
        op.drop_column(table, "sealed_headers")
