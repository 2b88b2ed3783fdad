"""Several processes over one database: facts they agree on, answers to follow from anywhere; embedding anew beside the old."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
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

NEW = [
    sa.Table(
        "facts",
        schema,
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    ),
    sa.Table(
        "chat_events",
        schema,
        sa.Column("turn_id", sa.String(36), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False, index=True),
    ),
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
    schema.create_all(op.get_bind(), tables=NEW, checkfirst=False)


def downgrade() -> None:
    schema.drop_all(op.get_bind(), tables=NEW, checkfirst=False)
