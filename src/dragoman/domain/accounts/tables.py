"""Organisations, users, keys, secrets, logins."""

import sqlalchemy as sa

from dragoman.db.schema import EpochMs, Json, RowKey, metadata

organisations = sa.Table(
    "organisations",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("name", sa.String(200), nullable=False, unique=True),
    sa.Column("created_at", EpochMs, nullable=False),
)

# ``number`` is the decimal id some clients expect; ``salt`` signs what is sent to the user's own callbacks;
# ``settings`` holds the user's account switches.
users = sa.Table(
    "users",
    metadata,
    sa.Column("number", RowKey, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column(
        "organisation_id", sa.String(36), sa.ForeignKey("organisations.id"), nullable=False, index=True
    ),
    sa.Column("email", sa.String(320), nullable=False, unique=True),
    sa.Column("name", sa.String(200)),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("salt", sa.String(64), nullable=False),
    sa.Column("settings", Json, nullable=False),
    sa.Column("disabled", sa.Boolean, nullable=False, default=False),
    sa.Column("created_at", EpochMs, nullable=False),
)

api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("user_id", sa.String(36), sa.ForeignKey("users.id"), nullable=False, index=True),
    sa.Column("digest", sa.LargeBinary(32), nullable=False, unique=True),
    sa.Column("last_six", sa.String(6), nullable=False),
    sa.Column("label", sa.String(200), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False, default="private"),
    sa.Column("expires_at", EpochMs),
    sa.Column("used_at", EpochMs),
    sa.Column("revoked_at", EpochMs),
    sa.Column("created_at", EpochMs, nullable=False),
)

secrets = sa.Table(
    "secrets",
    metadata,
    sa.Column("user_id", sa.String(36), sa.ForeignKey("users.id"), primary_key=True),
    sa.Column("name", sa.String(100), primary_key=True),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("created_at", EpochMs, nullable=False),
)

logins = sa.Table(
    "logins",
    metadata,
    sa.Column("number", RowKey, primary_key=True, autoincrement=True),
    sa.Column("user_id", sa.String(36), sa.ForeignKey("users.id"), nullable=False, index=True),
    sa.Column("address", sa.String(64), nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("succeeded", sa.Boolean, nullable=False),
    sa.Column("at", EpochMs, nullable=False),
)

# One row a topic; a writer raises it in the transaction of its change, processes compare it to refresh their
# caches.
versions = sa.Table(
    "versions",
    metadata,
    sa.Column("topic", sa.String(64), primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),
)
