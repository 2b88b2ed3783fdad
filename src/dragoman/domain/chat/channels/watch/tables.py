"""What messaging services called for."""

import sqlalchemy as sa

from dragoman.db.schema import EpochMs, metadata

# ``called_at``: the latest call that was taken. ``refused_at`` and ``refused_why``: the latest one that was not.
channel_hooks = sa.Table(
    "channel_hooks",
    metadata,
    sa.Column(
        "client_id", sa.String(36), sa.ForeignKey("chat_clients.id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("channel", sa.String(16), primary_key=True),
    sa.Column("called_at", EpochMs),
    sa.Column("refused_at", EpochMs),
    sa.Column("refused_why", sa.Text),
)
