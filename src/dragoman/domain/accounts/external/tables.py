"""Tables of accounts that other servers keep."""

import sqlalchemy as sa

from dragoman.db.schema import EpochMs, metadata

# Whose account at an issuer belongs to which user; ``subject`` is the issuer's own name for it.
identities = sa.Table(
    "identities",
    metadata,
    sa.Column("issuer", sa.String(400), primary_key=True),
    sa.Column("subject", sa.String(400), primary_key=True),
    sa.Column(
        "user_id", sa.String(36), sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    sa.Column("created_at", EpochMs, nullable=False),
)

# Sign-ins that have begun and may come back once. ``browser`` is the digest of what the browser keeps.
sign_in_flows = sa.Table(
    "sign_in_flows",
    metadata,
    sa.Column("state", sa.LargeBinary(32), primary_key=True),
    sa.Column("browser", sa.LargeBinary(32), nullable=False),
    sa.Column("nonce", sa.String(100), nullable=False),
    sa.Column("verifier", sa.String(100), nullable=False),
    sa.Column("expires_at", EpochMs, nullable=False, index=True),
)
