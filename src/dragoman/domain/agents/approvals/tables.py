"""Tool calls that a person must allow."""

import sqlalchemy as sa

from dragoman.db.schema import EpochMs, metadata

# ``call`` is equal for the same call in the same conversation. Whether a pending one has expired is told by the clock.
tool_approvals = sa.Table(
    "tool_approvals",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("organisation_id", sa.String(36), sa.ForeignKey("organisations.id"), nullable=False),
    sa.Column("owner_id", sa.String(36), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("call", sa.String(64), nullable=False),
    sa.Column("run_id", sa.String(36), nullable=False),
    sa.Column("agent_id", sa.String(36)),
    sa.Column("agent_name", sa.String(230), nullable=False),
    sa.Column("person", sa.String(256)),
    sa.Column("conversation_id", sa.String(128)),
    sa.Column("tool", sa.String(230), nullable=False),
    sa.Column("risk", sa.String(16), nullable=False),
    sa.Column("arguments", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("created_at", EpochMs, nullable=False),
    sa.Column("expires_at", EpochMs, nullable=False),
    sa.Column("decided_at", EpochMs),
    sa.Column("note", sa.Text),
    sa.Index("ix_tool_approvals_owner_id_call", "owner_id", "call"),
    sa.Index("ix_tool_approvals_owner_id_created_at", "owner_id", "created_at"),
)
