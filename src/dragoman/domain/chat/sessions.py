"""Sessions of chat clients for those who own them: open, list, end."""

import secrets
from collections.abc import Callable

from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts.audit import record as audit
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.chat.errors import unavailable
from dragoman.domain.chat.model import ChatSession, SessionDraft, SessionOverview
from dragoman.domain.chat.repository import clients, sessions
from dragoman.domain.memories.model import person_of
from dragoman.kit.clock import now_ms
from dragoman.kit.crypto import Sealer
from dragoman.kit.digest import text_digest
from dragoman.kit.egress import parse_url
from dragoman.kit.errors import InvalidInput, NotFound
from dragoman.kit.ids import uuid7

SHORTEST_SECONDS, LONGEST_SECONDS, USUAL_SECONDS = 600, 90 * 86_400, 3600
LONGEST_TAG = 128
LISTED = 10_000
_DAY_MS = 86_400_000
_FORGOTTEN_AT_ONCE = 50


def new_access_key() -> str:
    """What lets whoever has it talk in one session: 256 random bits."""
    return "wky_" + secrets.token_urlsafe(32)


class ChatSessionsService:
    """What a caller may do with the sessions of their chat clients. Expired ones are kept for ``keep_days``."""

    def __init__(
        self,
        database: Database,
        sealer: Sealer,
        *,
        keep_days: int = 30,
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self._database = database
        self._sealer = sealer
        self._keep_days = keep_days
        self._clock_ms = clock_ms

    async def create(self, caller: Caller, client_id: str, draft: SessionDraft) -> tuple[ChatSession, str]:
        """A session with its access key. One of the same tag that has not expired is given the new settings instead.

        Raises:
            NotFound: the caller has no such client.
            InvalidInput: the duration or the address of the context is none that can be had.
            ChatUnavailable: the client has nobody who answers.
        """
        _check(draft)
        return await self._database.write(self.open, caller, client_id, draft)

    async def open_public(self, client_id: str, draft: SessionDraft) -> str:
        """The access key of a new session that a visitor opens.

        Raises:
            ChatUnavailable: there is no such client, or nobody who answers.
        """

        def store(connection: Connection) -> str:
            found = clients.answering(connection, client_id)
            if found is None:
                raise unavailable()
            return self.open(connection, found[1], client_id, draft, visitor=True)[1]

        return await self._database.write(store)

    def open(
        self,
        connection: Connection,
        caller: Caller,
        client_id: str,
        draft: SessionDraft,
        *,
        visitor: bool = False,
    ) -> tuple[ChatSession, str]:
        """As ``create``, inside a transaction and of a draft that is fit; ``visitor`` when nobody vouches for who opens it."""
        client = clients.get(connection, caller, client_id, lock=True)
        if client.draft.agent_id is None:
            raise unavailable()
        now = self._clock_ms()
        values = _values(draft, now)
        if draft.tag is not None:
            known = sessions.by_tag(connection, client_id, draft.tag, now)
            if known is not None:
                sessions.change(connection, known.key, values)
                return known, self._access_key(known)
        key, session_id = new_access_key(), uuid7()
        identity = {"id": session_id, "client_id": client_id, "created_at": now, "visitor": visitor}
        sealed = self._sealer.seal(key.encode(), _context(session_id))
        secret = {"key_digest": text_digest(key), "sealed_key": sealed}
        return sessions.insert(connection, {**identity, **secret, **values}), key

    def reopen(self, connection: Connection, client_id: str, tag_or_id: str) -> tuple[str, str] | None:
        """The id and access key of the client's session with that tag or id, None when it has expired."""
        now = self._clock_ms()
        known = sessions.by_tag(connection, client_id, tag_or_id, now)
        known = known or sessions.by_id(connection, client_id, tag_or_id, now)
        return None if known is None else (known.id, self._access_key(known))

    async def select(
        self, caller: Caller, client_id: str, *, wanted: str | None, limit: int = LISTED, offset: int = 0
    ) -> list[SessionOverview]:
        """The client's sessions that have not expired, newest first.

        ``wanted`` is contained in tag, context or id, or is an access key.

        Raises:
            NotFound: the caller has no such client.
        """
        digest = text_digest(wanted) if wanted else None

        def load(connection: Connection) -> list[tuple[ChatSession, int]]:
            clients.get(connection, caller, client_id)
            return sessions.select(
                connection,
                client_id,
                self._clock_ms(),
                wanted=wanted,
                key_digest=digest,
                limit=limit,
                offset=offset,
            )

        found = await self._database.read(load)
        return [SessionOverview(session, self._access_key(session), count) for session, count in found]

    async def delete(self, caller: Caller, client_id: str, session_id: str) -> None:
        """Ends a session and removes what was said.

        Raises:
            NotFound: the caller has no such client, or it no such session.
        """

        def remove(connection: Connection) -> None:
            clients.get(connection, caller, client_id)
            if not sessions.delete(connection, client_id, session_id):
                raise NotFound("There is no session with this id.", code="session_not_found")
            audit.record(connection, caller, "session.deleted", session_id, client=client_id)

        await self._database.write(remove)

    async def forget_expired(self) -> int:
        """Removes, in steps, the sessions that expired as long ago as they are kept, of everybody; gives how many."""
        gone, before = 0, self._clock_ms() - self._keep_days * _DAY_MS
        while True:
            removed = await self._database.write(sessions.forget, before=before, count=_FORGOTTEN_AT_ONCE)
            gone += removed
            if removed < _FORGOTTEN_AT_ONCE:
                return gone

    def _access_key(self, session: ChatSession) -> str:
        return self._sealer.open(session.sealed_key, _context(session.id)).decode()


def _context(session_id: str) -> str:
    return f"session:{session_id}"


def _values(draft: SessionDraft, now: int) -> dict[str, object]:
    return {
        "tag": draft.tag,
        "person": None if draft.tag is None else person_of(draft.tag) or draft.tag,
        "extra_context": draft.extra_context,
        "context_location": draft.context_location,
        "metadata": dict(draft.metadata),
        "expires_at": now + draft.seconds * 1000,
    }


def _check(draft: SessionDraft) -> None:
    if not SHORTEST_SECONDS <= draft.seconds <= LONGEST_SECONDS:
        raise InvalidInput(
            f"expires must be from {SHORTEST_SECONDS} to {LONGEST_SECONDS} seconds.", param="expires"
        )
    if draft.tag is not None and not 1 <= len(draft.tag) <= LONGEST_TAG:
        raise InvalidInput(f"A tag has 1 to {LONGEST_TAG} characters.", param="tag")
    if draft.context_location is not None:
        try:
            parse_url(draft.context_location)
        except InvalidInput as error:
            raise InvalidInput(error.detail, param="context_location", code=error.code) from error
