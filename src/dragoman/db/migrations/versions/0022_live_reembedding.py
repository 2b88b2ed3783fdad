"""Vectors of several embedders beside each other, and collections on the way from one to another."""

import re

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
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
collections = sa.Table(
    "collections",
    schema,
    sa.Column("key", row_key(), primary_key=True),
    sa.Column("embedder", sa.String(128)),
)
documents = sa.Table(
    "documents",
    schema,
    sa.Column("collection_key", row_key()),
    sa.Column("embedded_count", sa.Integer),
)
passages = sa.Table(
    "passages",
    schema,
    sa.Column("key", row_key(), primary_key=True),
    sa.Column("collection_key", row_key()),
    sa.Column("embedded", sa.Boolean),
)

embedders = sa.Table(
    "embedders",
    schema,
    sa.Column("fingerprint", sa.String(128), primary_key=True),
    sa.Column("space", sa.Integer, nullable=False),
    sa.Column("name", sa.String(128), nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
)
NEW = [
    embedders,
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
        sa.Column("fingerprint", sa.String(128), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("detail", sa.Text),
        sa.Column("started_at", sa.BigInteger, nullable=False),
    ),
    sa.Table(
        "reembedded_passages",
        schema,
        sa.Column(
            "passage_key",
            row_key(),
            sa.ForeignKey("passages.key", ondelete="CASCADE"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("collection_key", row_key(), nullable=False, index=True),
    ),
]


def upgrade() -> None:
    op.add_column("collections", sa.Column("embedder_choice", sa.String(64)))
    connection = op.get_bind()
    schema.create_all(connection, tables=NEW, checkfirst=False)
    embedder = collections.c.embedder
    known = connection.execute(
        sa.select(embedder)
        .where(embedder.is_not(None))
        .group_by(embedder)
        .order_by(sa.func.count().desc(), embedder)
    ).scalars()
    for space, fingerprint in enumerate(list(known)):
        name = str(fingerprint).partition("@")[0]
        row = {"fingerprint": fingerprint, "space": space, "name": name, "created_at": 0}
        connection.execute(sa.insert(embedders).values(**row))
        if space:
            _forget_vectors(connection, fingerprint)


def downgrade() -> None:
    connection = op.get_bind()
    others = connection.execute(sa.select(embedders.c.fingerprint).where(embedders.c.space != 0)).scalars()
    for fingerprint in list(others):
        _forget_vectors(connection, fingerprint)
    for table in _vector_tables(connection, beside=True):
        connection.execute(sa.text("drop table " + table))
    schema.drop_all(connection, tables=NEW, checkfirst=False)
    op.drop_column("collections", "embedder_choice")


def _forget_vectors(connection: sa.Connection, fingerprint: str) -> None:
    """Takes back the vectors of an embedder that was beside another; they are made anew at the next start."""
    mine = sa.select(collections.c.key).where(collections.c.embedder == fingerprint)
    keys = [int(key) for key in connection.execute(mine).scalars()]
    for table in _vector_tables(connection, beside=False):
        vectors = sa.table(table, sa.column("collection_key"))
        connection.execute(sa.delete(vectors).where(vectors.c.collection_key.in_(keys)))
    for table, values in ((passages, {"embedded": False}), (documents, {"embedded_count": 0})):
        connection.execute(sa.update(table).where(table.c.collection_key.in_(keys)).values(**values))
    connection.execute(sa.update(collections).where(collections.c.key.in_(keys)).values(embedder=None))


def _vector_tables(connection: sa.Connection, *, beside: bool) -> list[str]:
    """The index's tables of vectors: those of the first space, or those of all others."""
    pattern = re.compile(r"passage_(vectors|codes)_\d+" + (r"_\d+" if beside else ""))
    return [name for name in sa.inspect(connection).get_table_names() if pattern.fullmatch(name)]
