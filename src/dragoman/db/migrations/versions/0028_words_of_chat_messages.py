"""Keeps what is said in chats without case and accents, to be searched."""

import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

_BATCH = 500
_LONGEST = 100_000
_messages = sa.table(
    "chat_messages",
    sa.column("key", sa.BigInteger),
    sa.column("parts", sa.JSON),
    sa.column("search_text", sa.Text),
)


def upgrade() -> None:
    with op.batch_alter_table("chat_messages") as batch:
        batch.add_column(sa.Column("search_text", sa.Text, nullable=False, server_default=""))
    connection, after = op.get_bind(), 0
    while rows := connection.execute(
        sa.select(_messages.c.key, _messages.c.parts)
        .where(_messages.c.key > after)
        .order_by(_messages.c.key)
        .limit(_BATCH)
    ).all():
        for key, parts in rows:
            text = _searchable("\n".join(part["text"] for part in parts if part["kind"] == "text"))
            connection.execute(sa.update(_messages).where(_messages.c.key == key).values(search_text=text))
        after = rows[-1][0]


def downgrade() -> None:
    with op.batch_alter_table("chat_messages") as batch:
        batch.drop_column("search_text")


def _searchable(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text[:_LONGEST].casefold())
    return "".join(one for one in decomposed if not unicodedata.combining(one)).replace("\0", "")
