"""Messages that agents plan to write by themselves, once or again and again."""

import sqlalchemy as sa

from dragoman.db.schema import EpochMs, metadata

# ``target`` is the channel, ``target_identifier`` the address on it (a chat, a phone number).
chat_schedules = sa.Table(
    "chat_schedules",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column(
        "client_id", sa.String(36), sa.ForeignKey("chat_clients.id", ondelete="CASCADE"), nullable=False
    ),
    sa.Column("external_user_id", sa.String(256), nullable=False),
    sa.Column("person", sa.String(256), nullable=False),
    sa.Column("target", sa.String(32), nullable=False),
    sa.Column("target_identifier", sa.String(256), nullable=False),
    sa.Column("scheduled_at", EpochMs, nullable=False, index=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("context", sa.Text, nullable=False),
    sa.Column("activated_at", EpochMs),
    sa.Column("activated_session_id", sa.String(36)),
    sa.Column("activation_result", sa.Text),
    sa.Column("created_at", EpochMs, nullable=False),
    sa.Index("ix_chat_schedules_client_id_person", "client_id", "person"),
)

# ``active_at``: when the activation began that has not come to its end yet.
chat_recurring_tasks = sa.Table(
    "chat_recurring_tasks",
    metadata,
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
    sa.Column("next_at", EpochMs, nullable=False, index=True),
    sa.Column("last_at", EpochMs),
    sa.Column("active_at", EpochMs),
    sa.Column("executions", sa.Integer, nullable=False),
    sa.Column("most_executions", sa.Integer),
    sa.Column("zone", sa.String(64)),
    sa.Column("created_at", EpochMs, nullable=False),
    sa.Index("ix_chat_recurring_tasks_client_id_person", "client_id", "person"),
)
