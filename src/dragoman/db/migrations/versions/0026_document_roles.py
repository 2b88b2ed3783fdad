"""Lets a document be restricted to roles of its organisation, beside users and groups."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "document_roles",
        sa.Column("document_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.ForeignKeyConstraint(
            ["document_key"],
            ["documents.key"],
            name="fk_document_roles_document_key_documents",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("document_key", "role", name="pk_document_roles"),
    )


def downgrade() -> None:
    op.drop_table("document_roles")
