"""Web chat: clients, where else they answer, sessions and what was said in them."""

import sqlalchemy as sa

from dragoman.db.schema import EpochMs, Json, RowKey, metadata

# ``agent_id`` is null after its agent was deleted: the client stays and answers nobody. Limits of 0 or less are none.
chat_clients = sa.Table(
    "chat_clients",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("organisation_id", sa.String(36), sa.ForeignKey("organisations.id"), nullable=False),
    sa.Column("owner_id", sa.String(36), sa.ForeignKey("users.id"), nullable=False, index=True),
    sa.Column("agent_id", sa.String(36), sa.ForeignKey("agents.id", ondelete="SET NULL"), index=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("messages_per_hour", sa.Integer, nullable=False),
    sa.Column("most_messages", sa.Integer, nullable=False),
    sa.Column("spec", Json, nullable=False),
    sa.Column("created_at", EpochMs, nullable=False),
    sa.Column("updated_at", EpochMs, nullable=False),
)

# ``settings`` are what may be shown, ``sealed`` the secrets, encrypted.
chat_integrations = sa.Table(
    "chat_integrations",
    metadata,
    sa.Column(
        "client_id", sa.String(36), sa.ForeignKey("chat_clients.id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("channel", sa.String(16), primary_key=True),
    sa.Column("settings", Json, nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("session_ms", EpochMs, nullable=False),
    sa.Column("created_at", EpochMs, nullable=False),
    sa.Column("updated_at", EpochMs, nullable=False),
)

# ``person`` is the tag up to its first '@'. The access key is looked up by digest and shown again from its sealed form.
# ``turn_id`` names the answer under way; it holds until ``turn_until``, which is moved on while the answer is made, so that a
# killed process blocks nobody. ``turn_cancelled`` asks whoever makes it to stop. While ``held_until`` lies ahead a person
# answers, named by ``held_by``. ``visitor``: somebody opened the session by themselves, in a widget.
chat_sessions = sa.Table(
    "chat_sessions",
    metadata,
    sa.Column("key", RowKey, primary_key=True, autoincrement=True),
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
    sa.Column("metadata", Json, nullable=False),
    sa.Column("token_count", sa.BigInteger, nullable=False),
    sa.Column("created_at", EpochMs, nullable=False),
    sa.Column("expires_at", EpochMs, nullable=False),
    sa.Column("last_message_at", EpochMs),
    sa.Column("turn_id", sa.String(36)),
    sa.Column("turn_until", EpochMs),
    sa.Column("turn_cancelled", sa.Boolean, nullable=False),
    sa.Column("held_until", EpochMs),
    sa.Column("held_by", sa.String(320)),
    sa.Column("visitor", sa.Boolean, nullable=False),
    sa.Index("ix_chat_sessions_client_id_tag", "client_id", "tag"),
    sa.Index("ix_chat_sessions_expires_at", "expires_at"),
)

# ``search_text``: the texts without case and accents.
# ``cancelled``: the answer was stopped; what there was of it is kept. ``author``: the person who said it in the agent's place.
chat_messages = sa.Table(
    "chat_messages",
    metadata,
    sa.Column("key", RowKey, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column("session_key", RowKey, sa.ForeignKey("chat_sessions.key", ondelete="CASCADE"), nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("parts", Json, nullable=False),
    sa.Column("reasoning", sa.Text),
    sa.Column("tool_calls", Json, nullable=False),
    sa.Column("citations", Json, nullable=False),
    sa.Column("cancelled", sa.Boolean, nullable=False),
    sa.Column("author", sa.String(320)),
    sa.Column("created_at", EpochMs, nullable=False),
    sa.Column("search_text", sa.Text, nullable=False, server_default=""),
    sa.Index("ix_chat_messages_session_key_key", "session_key", "key"),
)

# When answers were asked for within the last hour, whatever became of their messages.
chat_turns = sa.Table(
    "chat_turns",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("session_key", RowKey, sa.ForeignKey("chat_sessions.key", ondelete="CASCADE"), nullable=False),
    sa.Column("at", EpochMs, nullable=False),
    sa.Index("ix_chat_turns_session_key_at", "session_key", "at"),
)

# How much visitors asked of a client on a day, counted from 1970 in UTC.
chat_days = sa.Table(
    "chat_days",
    metadata,
    sa.Column(
        "client_id", sa.String(36), sa.ForeignKey("chat_clients.id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("questions", sa.Integer, nullable=False),
)

# When an address, or all visitors of a client, may ask again at full measure. ``subject`` is a digest.
chat_rates = sa.Table(
    "chat_rates",
    metadata,
    sa.Column("subject", sa.String(64), primary_key=True),
    sa.Column("due", EpochMs, nullable=False, index=True),
)

# Files that were attached; messages name them, and they go with their session. ``text``: what is said in a recording.
chat_uploads = sa.Table(
    "chat_uploads",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("session_key", RowKey, sa.ForeignKey("chat_sessions.key", ondelete="CASCADE"), nullable=False),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("media_type", sa.String(200), nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("content", sa.LargeBinary, nullable=False),
    sa.Column("text", sa.Text),
    sa.Column("created_at", EpochMs, nullable=False),
    sa.Index("ix_chat_uploads_session_key", "session_key"),
    sa.Index("ix_chat_uploads_created_at", "created_at"),
)
