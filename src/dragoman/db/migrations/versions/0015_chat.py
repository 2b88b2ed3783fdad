"""People answering in web chats, questions by day, files sent ahead of a question."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
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
sa.Table("chat_sessions", schema, sa.Column("key", row_key(), primary_key=True))

NEW = [
    sa.Table(
        "chat_days",
        schema,
        sa.Column(
            "client_id", sa.String(36), sa.ForeignKey("chat_clients.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("questions", sa.Integer, nullable=False),
    ),
    sa.Table(
        "chat_uploads",
        schema,
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column(
            "session_key", row_key(), sa.ForeignKey("chat_sessions.key", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("media_type", sa.String(200), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Index("ix_chat_uploads_session_key", "session_key"),
        sa.Index("ix_chat_uploads_created_at", "created_at"),
    ),
]


def upgrade() -> None:
    op.add_column("chat_sessions", sa.Column("held_until", sa.BigInteger))
    op.add_column("chat_sessions", sa.Column("held_by", sa.String(320)))
    op.add_column(
        "chat_sessions", sa.Column("visitor", sa.Boolean, nullable=False, server_default=sa.false())
    )
    op.add_column("chat_messages", sa.Column("author", sa.String(320)))
    schema.create_all(op.get_bind(), tables=NEW, checkfirst=False)


def downgrade() -> None:
    schema.drop_all(op.get_bind(), tables=NEW, checkfirst=False)
    op.drop_column("chat_messages", "author")
    for name in ("visitor", "held_by", "held_until"):
        op.drop_column("chat_sessions", name)
