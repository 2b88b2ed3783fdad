"""People on messaging services, what they wrote and what is sent to them."""

import sqlalchemy as sa

from dragoman.db.schema import EpochMs, Json, RowKey, metadata

# ``held_until``: a person of the business answers until then, and the agent keeps quiet; ``held_by`` says who.
channel_contacts = sa.Table(
    "channel_contacts",
    metadata,
    sa.Column("key", RowKey, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column(
        "client_id", sa.String(36), sa.ForeignKey("chat_clients.id", ondelete="CASCADE"), nullable=False
    ),
    sa.Column("channel", sa.String(16), nullable=False),
    sa.Column("address", sa.String(128), nullable=False),
    sa.Column("name", sa.String(200)),
    sa.Column("session_id", sa.String(36)),
    sa.Column("held_until", EpochMs),
    sa.Column("held_by", sa.String(320)),
    sa.Column("last_inbound_at", EpochMs),
    sa.Column("created_at", EpochMs, nullable=False),
    sa.UniqueConstraint(
        "client_id", "channel", "address", name="uq_channel_contacts_client_id_channel_address"
    ),
)

# ``state``: waiting for an answer, asked (its question is in the session), done, or failed (``error`` says why).
channel_inbound = sa.Table(
    "channel_inbound",
    metadata,
    sa.Column("key", RowKey, primary_key=True, autoincrement=True),
    sa.Column(
        "contact_key", RowKey, sa.ForeignKey("channel_contacts.key", ondelete="CASCADE"), nullable=False
    ),
    sa.Column("message_id", sa.String(200), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("media", Json, nullable=False),
    sa.Column("sent_at", EpochMs, nullable=False),
    sa.Column("received_at", EpochMs, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("error", sa.Text),
    sa.UniqueConstraint("contact_key", "message_id", name="uq_channel_inbound_contact_key_message_id"),
    sa.Index("ix_channel_inbound_contact_key_state", "contact_key", "state"),
    sa.Index("ix_channel_inbound_received_at", "received_at"),
)

# ``state``: queued, sending, sent, or dead (given up; ``error`` says why). ``source``: answer, person, schedule, notice.
# ``audio`` is base64. ``media`` are another kind of file, with its address.
# ``cause`` is the id of what made the agent speak by itself.
channel_outbound = sa.Table(
    "channel_outbound",
    metadata,
    sa.Column("key", RowKey, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column(
        "contact_key", RowKey, sa.ForeignKey("channel_contacts.key", ondelete="CASCADE"), nullable=False
    ),
    sa.Column("source", sa.String(16), nullable=False),
    sa.Column("cause", sa.String(36)),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("audio", sa.Text),
    sa.Column("mime", sa.String(100)),
    sa.Column("media", Json),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("tried_at", EpochMs),
    sa.Column("message_id", sa.String(200)),
    sa.Column("error", sa.Text),
    sa.Column("created_at", EpochMs, nullable=False),
    sa.Column("sent_at", EpochMs),
    sa.Index("ix_channel_outbound_contact_key_state", "contact_key", "state"),
    sa.Index("ix_channel_outbound_created_at", "created_at"),
)
