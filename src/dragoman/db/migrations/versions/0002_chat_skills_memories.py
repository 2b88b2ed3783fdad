"""Skills, memories, shared files, web chat and planned messages."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
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
EARLIER = [
    sa.Table("organisations", schema, sa.Column("id", sa.String(36), primary_key=True)),
    sa.Table(
        "users",
        schema,
        sa.Column("number", row_key(), primary_key=True),
        sa.Column("id", sa.String(36), unique=True),
    ),
    sa.Table("agents", schema, sa.Column("id", sa.String(36), primary_key=True)),
]

sa.Table(
    "skills",
    schema,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("organisation_id", sa.String(36), sa.ForeignKey("organisations.id"), nullable=False),
    sa.Column("owner_id", sa.String(36), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("slug", sa.String(64), nullable=False),
    sa.Column("description", sa.Text),
    sa.Column("instructions", sa.Text, nullable=False),
    sa.Column("sources", sa.JSON, nullable=False),
    sa.Column("allowed_tools", sa.JSON, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("updated_at", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("owner_id", "slug"),
)

sa.Table(
    "memories",
    schema,
    sa.Column("key", row_key(), primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column("organisation_id", sa.String(36), sa.ForeignKey("organisations.id"), nullable=False),
    sa.Column("owner_id", sa.String(36), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("external_user_id", sa.String(256), nullable=False),
    sa.Column("person", sa.String(256), nullable=False),
    sa.Column("agent_id", sa.String(36)),
    sa.Column("format", sa.String(16), nullable=False),
    sa.Column("content", sa.Text, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("updated_at", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger),
    sa.Index("ix_memories_owner_id_person_format", "owner_id", "person", "format"),
)

sa.Table(
    "shared_files",
    schema,
    sa.Column("key", row_key(), primary_key=True, autoincrement=True),
    sa.Column("digest", sa.String(64), nullable=False, unique=True),
    sa.Column("owner_id", sa.String(36), sa.ForeignKey("users.id"), nullable=False, index=True),
    sa.Column("workspace", sa.String(64), nullable=False),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
)

sa.Table(
    "chat_clients",
    schema,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("organisation_id", sa.String(36), sa.ForeignKey("organisations.id"), nullable=False),
    sa.Column("owner_id", sa.String(36), sa.ForeignKey("users.id"), nullable=False, index=True),
    sa.Column("agent_id", sa.String(36), sa.ForeignKey("agents.id", ondelete="SET NULL"), index=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("messages_per_hour", sa.Integer, nullable=False),
    sa.Column("most_messages", sa.Integer, nullable=False),
    sa.Column("spec", sa.JSON, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("updated_at", sa.BigInteger, nullable=False),
)

sa.Table(
    "chat_integrations",
    schema,
    sa.Column(
        "client_id", sa.String(36), sa.ForeignKey("chat_clients.id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("channel", sa.String(16), primary_key=True),
    sa.Column("settings", sa.JSON, nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("session_ms", sa.BigInteger, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("updated_at", sa.BigInteger, nullable=False),
)

sa.Table(
    "chat_sessions",
    schema,
    sa.Column("key", row_key(), primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column(
        "client_id", sa.String(36), sa.ForeignKey("chat_clients.id", ondelete="CASCADE"), nullable=False
    ),
    sa.Column("tag", sa.String(128)),
    sa.Column("person", sa.String(128)),
    sa.Column("key_digest", sa.String(64), nullable=False, unique=True),
    sa.Column("sealed_key", sa.LargeBinary, nullable=False),
    sa.Column("extra_context", sa.Text),
    sa.Column("context_location", sa.Text),
    sa.Column("metadata", sa.JSON, nullable=False),
    sa.Column("token_count", sa.BigInteger, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
    sa.Column("last_message_at", sa.BigInteger),
    sa.Column("turn_id", sa.String(36)),
    sa.Column("turn_until", sa.BigInteger),
    sa.Column("turn_cancelled", sa.Boolean, nullable=False),
    sa.Index("ix_chat_sessions_client_id_tag", "client_id", "tag"),
)

sa.Table(
    "chat_messages",
    schema,
    sa.Column("key", row_key(), primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column(
        "session_key", row_key(), sa.ForeignKey("chat_sessions.key", ondelete="CASCADE"), nullable=False
    ),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("parts", sa.JSON, nullable=False),
    sa.Column("reasoning", sa.Text),
    sa.Column("tool_calls", sa.JSON, nullable=False),
    sa.Column("citations", sa.JSON, nullable=False),
    sa.Column("cancelled", sa.Boolean, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Index("ix_chat_messages_session_key_key", "session_key", "key"),
)

sa.Table(
    "chat_turns",
    schema,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column(
        "session_key", row_key(), sa.ForeignKey("chat_sessions.key", ondelete="CASCADE"), nullable=False
    ),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Index("ix_chat_turns_session_key_at", "session_key", "at"),
)

sa.Table(
    "chat_schedules",
    schema,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column(
        "client_id", sa.String(36), sa.ForeignKey("chat_clients.id", ondelete="CASCADE"), nullable=False
    ),
    sa.Column("external_user_id", sa.String(256), nullable=False),
    sa.Column("person", sa.String(256), nullable=False),
    sa.Column("target", sa.String(32), nullable=False),
    sa.Column("target_identifier", sa.String(256), nullable=False),
    sa.Column("scheduled_at", sa.BigInteger, nullable=False, index=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("context", sa.Text, nullable=False),
    sa.Column("activated_at", sa.BigInteger),
    sa.Column("activated_session_id", sa.String(36)),
    sa.Column("activation_result", sa.Text),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Index("ix_chat_schedules_client_id_person", "client_id", "person"),
)

sa.Table(
    "chat_recurring_tasks",
    schema,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column(
        "client_id", sa.String(36), sa.ForeignKey("chat_clients.id", ondelete="CASCADE"), nullable=False
    ),
    sa.Column("external_user_id", sa.String(256), nullable=False),
    sa.Column("person", sa.String(256), nullable=False),
    sa.Column("target", sa.String(32), nullable=False),
    sa.Column("target_identifier", sa.String(256), nullable=False),
    sa.Column("cron", sa.String(200), nullable=False),
    sa.Column("job_description", sa.Text, nullable=False),
    sa.Column("next_at", sa.BigInteger, nullable=False, index=True),
    sa.Column("last_at", sa.BigInteger),
    sa.Column("executions", sa.Integer, nullable=False),
    sa.Column("most_executions", sa.Integer),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Index("ix_chat_recurring_tasks_client_id_person", "client_id", "person"),
)


NEW = [table for table in schema.sorted_tables if table not in EARLIER]


def upgrade() -> None:
    schema.create_all(op.get_bind(), tables=NEW, checkfirst=False)


def downgrade() -> None:
    schema.drop_all(op.get_bind(), tables=NEW, checkfirst=False)
