"""Passwords, links that let a user set one, and sessions."""

import sqlalchemy as sa

from dragoman.db.schema import EpochMs, metadata

# ``digest`` names the method and its parameters, so that they can be raised.
passwords = sa.Table(
    "passwords",
    metadata,
    sa.Column("user_id", sa.String(36), sa.ForeignKey("users.id"), primary_key=True),
    sa.Column("digest", sa.String(200), nullable=False),
    sa.Column("changed_at", EpochMs, nullable=False),
)

# A link that was used, and all others of its user, are gone.
setup_links = sa.Table(
    "setup_links",
    metadata,
    sa.Column("digest", sa.LargeBinary(32), primary_key=True),
    sa.Column("user_id", sa.String(36), sa.ForeignKey("users.id"), nullable=False, index=True),
    sa.Column("expires_at", EpochMs, nullable=False),
    sa.Column("created_at", EpochMs, nullable=False),
)

# ``key_id`` is the API key by which somebody came in; the session ends with it. ``program`` is what the browser
# calls itself.
sign_ins = sa.Table(
    "sign_ins",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("digest", sa.LargeBinary(32), nullable=False, unique=True),
    sa.Column("user_id", sa.String(36), sa.ForeignKey("users.id"), nullable=False, index=True),
    sa.Column("key_id", sa.String(36), sa.ForeignKey("api_keys.id")),
    sa.Column("address", sa.String(64), nullable=False),
    sa.Column("program", sa.String(200), nullable=False),
    sa.Column("created_at", EpochMs, nullable=False),
    sa.Column("seen_at", EpochMs, nullable=False),
    sa.Column("expires_at", EpochMs, nullable=False, index=True),
    sa.Column("way", sa.String(16)),
)

# Failed attempts to sign in: of whom as a digest, and when the last of them is forgotten.
failed_sign_ins = sa.Table(
    "failed_sign_ins",
    metadata,
    sa.Column("subject", sa.String(64), primary_key=True),
    sa.Column("due", EpochMs, nullable=False, index=True),
)
