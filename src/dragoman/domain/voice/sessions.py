"""Sessions for callers: open one, or the same again; find the one that a token leads to."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import asdict

import orjson
import structlog
from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.keytable import caller_of
from dragoman.domain.accounts.repository import user_of
from dragoman.domain.voice import repository
from dragoman.domain.voice.model import SessionDraft, VoiceSession
from dragoman.domain.voice.spec import VoiceSecrets
from dragoman.domain.voice.tokens import RoomKey, mint, verify
from dragoman.kit.clock import now_ms
from dragoman.kit.crypto import Sealer
from dragoman.kit.errors import DragomanError, Unauthenticated
from dragoman.kit.ids import uuid7

log = structlog.get_logger(__name__)

# A little longer than tokens last, so that a late join is told that it is late.
_KEPT_MS = 3600_000
_SWEEP_SECONDS = 600.0


class VoiceSessionsService:
    """What there is of sessions before and between conversations.

    Args:
        database: where they are kept.
        sealer: for their secrets.
        key: signs tokens.
    """

    def __init__(
        self, database: Database, sealer: Sealer, key: RoomKey, *, clock_ms: Callable[[], int] = now_ms
    ) -> None:
        self._database = database
        self._sealer = sealer
        self._key = key
        self._clock_ms = clock_ms

    async def open(self, caller: Caller, draft: SessionDraft) -> VoiceSession:
        """A new session; while one of the same id can still be joined, that one, unchanged."""
        now = self._clock_ms()
        room = f"voice-{secrets.token_hex(12)}"
        session = VoiceSession(
            room=room,
            session_id=draft.session_id or uuid7(),
            caller=caller,
            platform=draft.platform,
            participant=draft.participant,
            spec=draft.spec,
            shown=draft.shown,
            sealed=self._sealed(room, draft.secrets),
            created_at=now,
            expires_at=now + draft.seconds * 1000,
        )

        def store(connection: Connection) -> VoiceSession:
            if draft.session_id is not None:
                known = repository.by_session_id(connection, caller, draft.session_id)
                if known is not None and known.expires_at > now:
                    return known
                if known is not None:
                    repository.delete(connection, caller, known.room)
            if not repository.insert(connection, session):
                # Another request of the same id was quicker by a moment.
                return repository.by_session_id(connection, caller, session.session_id) or session
            return session

        return await self._database.write(store)

    def token(self, session: VoiceSession) -> str:
        """A token for the session's participant."""
        return mint(self._key, session, now_ms=self._clock_ms())

    async def of_token(self, token: str) -> VoiceSession:
        """The session that a token leads to, with its owner as they are now.

        Raises:
            Unauthenticated: the token does not hold, or its session or owner is gone.
        """
        claims = verify(self._key, token, now_ms=self._clock_ms())
        session = await self._database.read(_in_room, claims.room)
        if session is None or session.participant.identity != claims.identity:
            raise Unauthenticated("The token is not valid here.", code="token_invalid")
        return session

    async def in_room(self, room: str) -> VoiceSession | None:
        """The session of a room that this server was called into."""
        return await self._database.read(_in_room, room)

    def secrets(self, session: VoiceSession) -> VoiceSecrets:
        """The session's keys in clear, for use and never for show."""
        if session.sealed is None:
            return VoiceSecrets()
        return VoiceSecrets(**orjson.loads(self._sealer.open(session.sealed, _context(session.room))))

    async def sweep(self) -> int:
        """Removes what is long over; how much it was."""
        return await self._database.write(repository.delete_expired, self._clock_ms() - _KEPT_MS)

    async def run(self) -> None:
        """Sweeps now and then, until it is cancelled."""
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            try:
                await self.sweep()
            except DragomanError as error:
                log.warning("voice.sweep_failed", reason=error.detail)

    def _sealed(self, room: str, keys: VoiceSecrets) -> bytes | None:
        if keys == VoiceSecrets():
            return None
        return self._sealer.seal(orjson.dumps(asdict(keys)), _context(room))


def _context(room: str) -> str:
    return f"voice:{room}"


def _in_room(connection: Connection, room: str) -> VoiceSession | None:
    owner = repository.owner_of(connection, room)
    if owner is None:
        return None
    organisation_id, user_id, key_id = owner
    user = user_of(connection, Caller(organisation_id, user_id, 0, "", "viewer", key_id))
    if user is None or user.disabled:
        return None
    return repository.by_room(connection, caller_of(user), room)
