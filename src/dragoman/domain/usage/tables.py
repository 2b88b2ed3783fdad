"""What was used: one row an answer, loaded exactly once from the append-only journal."""

import sqlalchemy as sa

from dragoman.db.schema import EpochMs, RowKey, metadata

# ``kind``: chat, embedding, ingest (teaching tokens), tool (``model`` is then the item), speech, transcription.
# ``status`` is the HTTP status answered, 499 when the client hung up, 500 when the server was killed amid the answer.
usage_records = sa.Table(
    "usage_records",
    metadata,
    sa.Column("number", RowKey, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column("at", EpochMs, nullable=False),
    sa.Column("organisation_id", sa.String(36), nullable=False),
    sa.Column("user_id", sa.String(36), nullable=False),
    sa.Column("key_id", sa.String(36)),
    sa.Column("agent_id", sa.String(36)),
    sa.Column("dialect", sa.String(16), nullable=False),
    sa.Column("application", sa.String(100)),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("model", sa.String(200), nullable=False),
    sa.Column("end_user", sa.String(200)),
    sa.Column("prompt_tokens", sa.Integer, nullable=False),
    sa.Column("completion_tokens", sa.Integer, nullable=False),
    sa.Column("cached_tokens", sa.Integer, nullable=False),
    sa.Column("estimated", sa.Boolean, nullable=False),
    sa.Column("cost_micro_usd", sa.BigInteger, nullable=False, default=0),
    sa.Column("duration_ms", sa.Integer, nullable=False),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("requests", sa.SmallInteger, nullable=False, server_default="1"),
    sa.Column("receipt_id", sa.String(36)),
    sa.Index(
        "ix_usage_records_receipt_id",
        "receipt_id",
        sqlite_where=sa.text("receipt_id is not null"),
        postgresql_where=sa.text("receipt_id is not null"),
    ),
    sa.Index("ix_usage_records_user_id_at", "user_id", "at"),
    sa.Index("ix_usage_records_organisation_id_at", "organisation_id", "at"),
)

# How far each journal segment has been loaded, moved in the transaction that inserts its records.
journal_offsets = sa.Table(
    "journal_offsets",
    metadata,
    sa.Column("segment", sa.String(100), primary_key=True),
    sa.Column("offset", sa.BigInteger, nullable=False),
)
