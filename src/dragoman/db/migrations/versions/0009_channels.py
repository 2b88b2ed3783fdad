"""People on messaging services, what they wrote and what is sent to them; planned messages that are carried out."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
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


# Made by 0002; here only to be referred to.
sa.Table("chat_clients", schema, sa.Column("id", sa.String(36), primary_key=True))

NEW = [
    sa.Table(
        "channel_contacts",
        schema,
        sa.Column("key", row_key(), primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(36), nullable=False, unique=True),
        sa.Column(
            "client_id", sa.String(36), sa.ForeignKey("chat_clients.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("address", sa.String(128), nullable=False),
        sa.Column("name", sa.String(200)),
        sa.Column("session_id", sa.String(36)),
        sa.Column("held_until", sa.BigInteger),
        sa.Column("held_by", sa.String(320)),
        sa.Column("last_inbound_at", sa.BigInteger),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.UniqueConstraint(
            "client_id", "channel", "address", name="uq_channel_contacts_client_id_channel_address"
        ),
    ),
    sa.Table(
        "channel_inbound",
        schema,
        sa.Column("key", row_key(), primary_key=True, autoincrement=True),
        sa.Column(
            "contact_key",
            row_key(),
            sa.ForeignKey("channel_contacts.key", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("message_id", sa.String(200), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("media", sa.JSON, nullable=False),
        sa.Column("sent_at", sa.BigInteger, nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("error", sa.Text),
        sa.UniqueConstraint("contact_key", "message_id", name="uq_channel_inbound_contact_key_message_id"),
        sa.Index("ix_channel_inbound_contact_key_state", "contact_key", "state"),
        sa.Index("ix_channel_inbound_received_at", "received_at"),
    ),
    sa.Table(
        "channel_outbound",
        schema,
        sa.Column("key", row_key(), primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(36), nullable=False, unique=True),
        sa.Column(
            "contact_key",
            row_key(),
            sa.ForeignKey("channel_contacts.key", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("cause", sa.String(36)),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("audio", sa.Text),
        sa.Column("mime", sa.String(100)),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("tried_at", sa.BigInteger),
        sa.Column("message_id", sa.String(200)),
        sa.Column("error", sa.Text),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("sent_at", sa.BigInteger),
        sa.Index("ix_channel_outbound_contact_key_state", "contact_key", "state"),
        sa.Index("ix_channel_outbound_created_at", "created_at"),
    ),
]


def upgrade() -> None:
    """Makes the tables, and room for what recurring tasks are about."""
    connection = op.get_bind()
    for table in NEW:
        table.create(connection)
    op.add_column("chat_recurring_tasks", sa.Column("active_at", sa.BigInteger))
    op.add_column("chat_recurring_tasks", sa.Column("zone", sa.String(64)))


def downgrade() -> None:
    """Takes them away."""
    op.drop_column("chat_recurring_tasks", "zone")
    op.drop_column("chat_recurring_tasks", "active_at")
    connection = op.get_bind()
    for table in reversed(NEW):
        table.drop(connection)
