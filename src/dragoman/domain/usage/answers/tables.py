"""Each user's answers, as they were asked for and given."""

import sqlalchemy as sa

from dragoman.db.schema import EpochMs, RowKey, metadata

# ``id`` is what the answer's receiver knows it by. ``disliked_at`` is null until its user finds it bad.
answers = sa.Table(
    "answers",
    metadata,
    sa.Column("number", RowKey, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column("user_id", sa.String(36), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("at", EpochMs, nullable=False),
    sa.Column("dialect", sa.String(16), nullable=False),
    sa.Column("model", sa.String(200), nullable=False),
    sa.Column("prompt", sa.Text, nullable=False),
    sa.Column("completion", sa.Text, nullable=False),
    sa.Column("prompt_tokens", sa.Integer, nullable=False),
    sa.Column("completion_tokens", sa.Integer, nullable=False),
    sa.Column("address", sa.String(64), nullable=False),
    sa.Column("disliked_at", EpochMs),
    sa.Index("ix_answers_user_id_number", "user_id", "number"),
)
