"""All SQL of voice sessions."""

from dataclasses import asdict

import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlalchemy import Connection

from dragoman.db.upsert import upsert
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.voice.model import VoiceSession
from dragoman.domain.voice.spec import Participant, VoiceSpec
from dragoman.domain.voice.tables import voice_sessions

_SPEC = TypeAdapter(VoiceSpec)
_PARTICIPANT = TypeAdapter(Participant)


def _session(row: sa.RowMapping, caller: Caller) -> VoiceSession:
    return VoiceSession(
        room=row["room"],
        session_id=row["session_id"],
        caller=caller,
        platform=row["platform"],
        participant=_PARTICIPANT.validate_python(row["participant"]),
        spec=_SPEC.validate_python(row["spec"]),
        shown=row["shown"],
        sealed=row["sealed"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
    )


def insert(connection: Connection, session: VoiceSession) -> bool:
    """Stores a new session, unless its owner has one of the same id; whether it did."""
    caller = session.caller
    statement = upsert(connection.dialect.name, voice_sessions)
    stored = connection.execute(
        statement.values(
            room=session.room,
            session_id=session.session_id,
            organisation_id=caller.organisation_id,
            owner_id=caller.user_id,
            key_id=caller.key_id,
            platform=session.platform,
            identity=session.participant.identity,
            participant=asdict(session.participant),
            spec=asdict(session.spec),
            shown=dict(session.shown),
            sealed=session.sealed,
            created_at=session.created_at,
            expires_at=session.expires_at,
        ).on_conflict_do_nothing(index_elements=["owner_id", "session_id"])
    )
    return stored.rowcount > 0


def by_session_id(connection: Connection, caller: Caller, session_id: str) -> VoiceSession | None:
    """The caller's session of that id."""
    statement = sa.select(voice_sessions).where(
        voice_sessions.c.owner_id == caller.user_id, voice_sessions.c.session_id == session_id
    )
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else _session(row, caller)


def owner_of(connection: Connection, room: str) -> tuple[str, str, str | None] | None:
    """Organisation, user and key of a room's owner, for whoever holds a token to it."""
    columns = voice_sessions.c
    row = connection.execute(
        sa.select(columns.organisation_id, columns.owner_id, columns.key_id).where(columns.room == room)
    ).one_or_none()
    return None if row is None else (row.organisation_id, row.owner_id, row.key_id)


def by_room(connection: Connection, caller: Caller, room: str) -> VoiceSession | None:
    """The caller's session in a room."""
    statement = sa.select(voice_sessions).where(
        voice_sessions.c.owner_id == caller.user_id, voice_sessions.c.room == room
    )
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else _session(row, caller)


def delete(connection: Connection, caller: Caller, room: str) -> None:
    """Removes the caller's session."""
    connection.execute(
        sa.delete(voice_sessions).where(
            voice_sessions.c.owner_id == caller.user_id, voice_sessions.c.room == room
        )
    )


def delete_expired(connection: Connection, before: int) -> int:
    """Removes sessions that nobody can join any more, with their secrets; how many they were."""
    return connection.execute(sa.delete(voice_sessions).where(voice_sessions.c.expires_at < before)).rowcount
