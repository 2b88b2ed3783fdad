"""What is being embedded anew, and the vectors that wait beside those in force."""

import sqlalchemy as sa

from dragoman.db.schema import EpochMs, RowKey, metadata

# ``embedder`` is the name in the settings of what makes the new vectors. ``state``: running, done, failed.
reembeddings = sa.Table(
    "reembeddings",
    metadata,
    sa.Column(
        "collection_key",
        RowKey,
        sa.ForeignKey("collections.key", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    sa.Column("embedder", sa.String(128), nullable=False),
    sa.Column("fingerprint", sa.String(128), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("detail", sa.Text),
    sa.Column("started_at", EpochMs, nullable=False),
    sa.Column("finished_at", EpochMs),
)

# ``vector`` is float32, as it will be in the index.
passage_shadows = sa.Table(
    "passage_shadows",
    metadata,
    sa.Column(
        "passage_key",
        RowKey,
        sa.ForeignKey("passages.key", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    sa.Column("collection_key", RowKey, sa.ForeignKey("collections.key", ondelete="CASCADE"), nullable=False),
    sa.Column("fingerprint", sa.String(128), nullable=False),
    sa.Column("vector", sa.LargeBinary, nullable=False),
    sa.Index("ix_passage_shadows_collection_key", "collection_key"),
)
