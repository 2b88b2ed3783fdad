"""What was told of answers under way."""

import sqlalchemy as sa

from dragoman.db.schema import EpochMs, metadata

# ``number`` counts the events of an answer from 1; the ending has the number after the last event.
chat_events = sa.Table(
    "chat_events",
    metadata,
    sa.Column("turn_id", sa.String(36), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("at", EpochMs, nullable=False, index=True),
)
