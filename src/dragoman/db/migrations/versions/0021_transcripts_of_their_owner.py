"""Lets two users keep chats of the same id, so that nobody learns by an id whether another has it."""

from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_transcripts = sa.table("transcripts", sa.column("id", sa.String), sa.column("user_id", sa.String))


def _key(*columns: str) -> None:
    with op.batch_alter_table("transcripts") as batch:
        batch.drop_constraint("pk_transcripts", type_="primary")
        batch.create_primary_key("pk_transcripts", list(columns))


def upgrade() -> None:
    _key("user_id", "id")


def downgrade() -> None:
    connection, seen = op.get_bind(), set[str]()
    rows = connection.execute(sa.select(_transcripts.c.user_id, _transcripts.c.id)).all()
    for user_id, transcript_id in rows:
        if transcript_id in seen:
            mine = (_transcripts.c.user_id == user_id) & (_transcripts.c.id == transcript_id)
            connection.execute(sa.update(_transcripts).where(mine).values(id=str(uuid4())))
        seen.add(transcript_id)
    _key("id")
