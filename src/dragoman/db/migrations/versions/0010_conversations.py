"""Conversations of accounts that want theirs kept; expired chat sessions are found by their end."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
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


def row_key() -> sa.types.TypeEngine[int]:
    """An integer that SQLite takes as its row id."""
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


# Made by 0001; here only to be referred to.
sa.Table(
    "users",
    schema,
    sa.Column("number", row_key(), primary_key=True),
    sa.Column("id", sa.String(36), unique=True),
)

NEW = [
    sa.Table(
        "conversations",
        schema,
        sa.Column("number", row_key(), primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(36), nullable=False, unique=True),
        sa.Column("user_id", sa.String(36), sa.ForeignKey("users.id"), nullable=False),
        sa.Column("key", sa.String(128)),
        sa.Column("origin", sa.String(16), nullable=False),
        sa.Column("model", sa.String(200), nullable=False),
        sa.Column("agent_id", sa.String(36)),
        sa.Column("api_key_id", sa.String(36)),
        sa.Column("end_user", sa.String(200)),
        sa.Column("request_id", sa.String(36)),
        sa.Column("preview", sa.String(200), nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("tokens", sa.Integer, nullable=False),
        sa.Column("usage", sa.JSON, nullable=False),
        sa.Column("asked_with", sa.JSON, nullable=False),
        sa.Column("collections", sa.JSON, nullable=False),
        sa.Column("messages", sa.JSON, nullable=False),
        sa.Column("metadata", sa.JSON, nullable=False),
        sa.Column("calls", sa.Integer, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("user_id", "key"),
        sa.Index("ix_conversations_user_id_updated_at", "user_id", "updated_at"),
        sa.Index("ix_conversations_updated_at", "updated_at"),
    ),
]
EXPIRING = "ix_chat_sessions_expires_at"


def upgrade() -> None:
    schema.create_all(op.get_bind(), tables=NEW, checkfirst=False)
    op.create_index(EXPIRING, "chat_sessions", ["expires_at"])


def downgrade() -> None:
    op.drop_index(EXPIRING, "chat_sessions")
    schema.drop_all(op.get_bind(), tables=NEW, checkfirst=False)
