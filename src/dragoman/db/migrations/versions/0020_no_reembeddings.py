"""Takes away tables of embedding anew that nothing has used."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
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
sa.Table("collections", schema, sa.Column("key", row_key(), primary_key=True))
sa.Table("passages", schema, sa.Column("key", row_key(), primary_key=True))

GONE = [
    sa.Table(
        "reembeddings",
        schema,
        sa.Column(
            "collection_key",
            row_key(),
            sa.ForeignKey("collections.key", ondelete="CASCADE"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("embedder", sa.String(128), nullable=False),
        sa.Column("fingerprint", sa.String(128), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("detail", sa.Text),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("finished_at", sa.BigInteger),
    ),
    sa.Table(
        "passage_shadows",
        schema,
        sa.Column(
            "passage_key",
            row_key(),
            sa.ForeignKey("passages.key", ondelete="CASCADE"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column(
            "collection_key", row_key(), sa.ForeignKey("collections.key", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("fingerprint", sa.String(128), nullable=False),
        sa.Column("vector", sa.LargeBinary, nullable=False),
        sa.Index("ix_passage_shadows_collection_key", "collection_key"),
    ),
]


def upgrade() -> None:
    schema.drop_all(op.get_bind(), tables=GONE, checkfirst=False)


def downgrade() -> None:
    schema.create_all(op.get_bind(), tables=GONE, checkfirst=False)
