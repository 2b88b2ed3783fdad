"""Runs of agents, tool calls that wait for people, and turns that callers do not see."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# The tables as they were at this revision: what the slices declare today is none of its business.
schema = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Made by 0001; here only to be referred to.
sa.Table("organisations", schema, sa.Column("id", sa.String(36), primary_key=True))
sa.Table("users", schema, sa.Column("id", sa.String(36), unique=True))

NEW = [
    sa.Table(
        "agent_runs",
        schema,
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("organisation_id", sa.String(36), sa.ForeignKey("organisations.id"), nullable=False),
        sa.Column("owner_id", sa.String(36), sa.ForeignKey("users.id"), nullable=False),
        sa.Column("agent_id", sa.String(36)),
        sa.Column("agent_name", sa.String(230), nullable=False),
        sa.Column("model", sa.String(230), nullable=False),
        sa.Column("dialect", sa.String(32), nullable=False),
        sa.Column("origin", sa.String(64), nullable=False),
        sa.Column("conversation_id", sa.String(128)),
        sa.Column("person", sa.String(256)),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger, nullable=False),
        sa.Column("ended", sa.String(16), nullable=False),
        sa.Column("rounds", sa.Integer, nullable=False),
        sa.Column("prompt_tokens", sa.BigInteger, nullable=False),
        sa.Column("completion_tokens", sa.BigInteger, nullable=False),
        sa.Column("cost_micro_usd", sa.BigInteger, nullable=False),
        sa.Column("steps", sa.JSON, nullable=False),
        sa.Index("ix_agent_runs_owner_id_started_at", "owner_id", "started_at"),
    ),
    sa.Table(
        "tool_approvals",
        schema,
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
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("decided_at", sa.BigInteger),
        sa.Column("note", sa.Text),
        sa.Index("ix_tool_approvals_owner_id_call", "owner_id", "call"),
        sa.Index("ix_tool_approvals_owner_id_created_at", "owner_id", "created_at"),
    ),
    sa.Table(
        "hidden_turns",
        schema,
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("organisation_id", sa.String(36), sa.ForeignKey("organisations.id"), nullable=False),
        sa.Column("owner_id", sa.String(36), sa.ForeignKey("users.id"), nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("content", sa.JSON, nullable=False),
        sa.Index("ix_hidden_turns_owner_id_expires_at", "owner_id", "expires_at"),
    ),
]


def upgrade() -> None:
    schema.create_all(op.get_bind(), tables=NEW)


def downgrade() -> None:
    schema.drop_all(op.get_bind(), tables=NEW)
