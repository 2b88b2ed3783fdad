"""How much users may use in a month."""

import sqlalchemy as sa

from dragoman.db.schema import metadata

# Null = no limit. A user without a row has none either.
user_limits = sa.Table(
    "user_limits",
    metadata,
    sa.Column("user_id", sa.String(36), sa.ForeignKey("users.id"), primary_key=True),
    sa.Column("monthly_tokens", sa.BigInteger),
    sa.Column("monthly_teach_tokens", sa.BigInteger),
)
