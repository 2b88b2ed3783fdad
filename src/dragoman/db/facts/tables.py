"""The table of facts."""

import sqlalchemy as sa

from dragoman.db.schema import metadata

facts = sa.Table(
    "facts",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
