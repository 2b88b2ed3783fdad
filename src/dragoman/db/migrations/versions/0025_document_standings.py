"""What holds of a document while a file that came in its place has not been read."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

# The tables as they were at this revision: what the slices declare today is none of its business.
schema = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def row_key() -> sa.types.TypeEngine[int]:
    """An integer that SQLite takes as its row id."""
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


# Made by 0001; here only to be referred to.
sa.Table("documents", schema, sa.Column("key", row_key(), primary_key=True))

NEW = [
    sa.Table(
        "document_standings",
        schema,
        sa.Column(
            "document_key", row_key(), sa.ForeignKey("documents.key", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("blob_key", sa.String(200), index=True),
        sa.Column("media_type", sa.String(200)),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("state_detail", sa.Text),
    )
]


def upgrade() -> None:
    schema.create_all(op.get_bind(), tables=NEW, checkfirst=False)


def downgrade() -> None:
    schema.drop_all(op.get_bind(), tables=NEW, checkfirst=False)
