"""What bears labels beside collections: conversations, answers and memories."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "label_marks",
        sa.Column("organisation_id", sa.String(36), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("label", sa.String(64), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name="fk_label_marks_organisation_id_organisations"
        ),
        sa.PrimaryKeyConstraint("organisation_id", "key", "label", name="pk_label_marks"),
    )
    op.add_column("memories", sa.Column("labels", sa.JSON))


def downgrade() -> None:
    op.drop_column("memories", "labels")
    op.drop_table("label_marks")
