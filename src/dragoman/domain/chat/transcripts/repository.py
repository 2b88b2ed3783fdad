"""All SQL of transcripts."""

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.chat.transcripts.model import Transcript
from dragoman.domain.chat.transcripts.tables import transcripts

_COLUMNS = [transcripts.c[name] for name in Transcript.__slots__]


def _mine(caller: Caller) -> sa.ColumnElement[bool]:
    return transcripts.c.user_id == caller.user_id


def select(connection: Connection, caller: Caller, *, limit: int) -> list[Transcript]:
    """The caller's transcripts, the latest changed first."""
    statement = (
        sa.select(*_COLUMNS)
        .where(_mine(caller))
        .order_by(transcripts.c.updated_at.desc(), transcripts.c.id.desc())
        .limit(limit)
    )
    return [Transcript(**row) for row in connection.execute(statement).mappings()]


def get(connection: Connection, caller: Caller, transcript_id: str) -> Transcript | None:
    """The caller's transcript of that id, kept from changes until the transaction ends."""
    statement = sa.select(*_COLUMNS).where(_mine(caller), transcripts.c.id == transcript_id)
    row = connection.execute(statement.with_for_update()).mappings().one_or_none()
    return None if row is None else Transcript(**row)


def titled(connection: Connection, caller: Caller, title: str) -> Transcript | None:
    """The caller's latest transcript of that title, kept from changes until the transaction ends."""
    statement = (
        sa.select(*_COLUMNS)
        .where(_mine(caller), transcripts.c.title == title)
        .order_by(transcripts.c.updated_at.desc())
        .limit(1)
    )
    row = connection.execute(statement.with_for_update()).mappings().one_or_none()
    return None if row is None else Transcript(**row)


def count(connection: Connection, user_id: str) -> int:
    """How many transcripts a user has."""
    statement = sa.select(sa.func.count()).select_from(transcripts).where(transcripts.c.user_id == user_id)
    return int(connection.execute(statement).scalar_one())


def insert(connection: Connection, user_id: str, transcript: Transcript) -> None:
    """Stores a new transcript of a user's."""
    values = {name: getattr(transcript, name) for name in Transcript.__slots__}
    connection.execute(sa.insert(transcripts).values(user_id=user_id, **values))


def update(connection: Connection, caller: Caller, transcript: Transcript) -> None:
    """Replaces title and turns."""
    connection.execute(
        sa.update(transcripts)
        .where(_mine(caller), transcripts.c.id == transcript.id)
        .values(title=transcript.title, turns=list(transcript.turns), updated_at=transcript.updated_at)
    )


def delete(connection: Connection, caller: Caller, transcript_id: str) -> bool:
    """Whether the caller had such a transcript, which is now gone."""
    statement = sa.delete(transcripts).where(_mine(caller), transcripts.c.id == transcript_id)
    return connection.execute(statement).rowcount > 0
