"""A person answers in a session in the agent's place, for those who own its client."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts.audit import record as audit
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.chat.model import ChatMessage, ChatSession
from dragoman.domain.chat.news import NewsDesk
from dragoman.domain.chat.repository import clients, messages, sessions
from dragoman.domain.messages.parts import TextPart
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import Conflict, InvalidInput, NotFound
from dragoman.kit.ids import uuid7

LONGEST_TEXT = 16_000


@dataclass(frozen=True, slots=True)
class Conversation:
    """A session and what was said in it, oldest first; ``held`` tells whether a person answers now."""

    session: ChatSession
    messages: list[ChatMessage]
    held: bool


class SessionTakeover:
    """What a caller may do with the conversations in their clients' sessions.

    The agent keeps quiet from ``take_over`` or a person's first word on, until ``release``, or ``held_ms`` after the person's
    last word. An answer under way is stopped. A session on a messaging service is taken over where its contact is:
    ``contact_in`` gives the id of a session's contact.
    """

    def __init__(
        self,
        database: Database,
        news: NewsDesk,
        *,
        held_ms: int,
        contact_in: Callable[[Connection, str], str | None],
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self._contact_in = contact_in
        self._database = database
        self._news = news
        self._held_ms = held_ms
        self._clock_ms = clock_ms

    async def conversation(self, caller: Caller, client_id: str, session_id: str) -> Conversation:
        """A session, expired or not, and what was said in it.

        Raises:
            NotFound: the caller has no such client, or it no such session.
        """

        def load(connection: Connection) -> Conversation:
            session = _session(connection, caller, client_id, session_id)
            said = messages.select(connection, session.key)
            return Conversation(session, said, session.is_held(self._clock_ms()))

        return await self._database.read(load)

    async def take_over(self, caller: Caller, client_id: str, session_id: str) -> ChatSession:
        """Keeps the agent quiet; an answer under way is stopped.

        Raises:
            NotFound: as ``conversation``.
            Conflict: the session is on a messaging service.
        """

        def hold(connection: Connection) -> ChatSession:
            session = self._own(connection, caller, client_id, session_id)
            self._hold(connection, caller, session)
            audit.record(connection, caller, "session.taken_over", session_id, client=client_id)
            return _session(connection, caller, client_id, session_id)

        return await self._changed(hold)

    async def release(self, caller: Caller, client_id: str, session_id: str) -> ChatSession:
        """Lets the agent answer again, from the next question on.

        Raises:
            NotFound: as ``conversation``.
            Conflict: the session is on a messaging service.
        """

        def let_go(connection: Connection) -> ChatSession:
            session = self._own(connection, caller, client_id, session_id)
            sessions.change(connection, session.key, {"held_until": None, "held_by": None})
            audit.record(connection, caller, "session.released", session_id, client=client_id)
            return _session(connection, caller, client_id, session_id)

        return await self._changed(let_go)

    async def say(self, caller: Caller, client_id: str, session_id: str, text: str) -> ChatMessage:
        """Says something in the session, whose page shows it at once, and keeps the agent quiet.

        Raises:
            NotFound: as ``conversation``.
            Conflict: the session is on a messaging service, or has expired.
            InvalidInput: there is nothing to say, or too much.
        """
        text = text.replace("\0", "").strip()
        if not 1 <= len(text) <= LONGEST_TEXT:
            raise InvalidInput(f"text must have 1 to {LONGEST_TEXT} characters.", param="text")
        said = ChatMessage(0, uuid7(), "assistant", (TextPart(text),), self._clock_ms(), author=caller.email)

        def store(connection: Connection) -> ChatSession:
            session = self._own(connection, caller, client_id, session_id)
            if session.expires_at <= said.created_at:
                raise Conflict("The session has expired; nobody would read it.", code="session_expired")
            self._hold(connection, caller, session)
            messages.insert(connection, session.key, said)
            sessions.change(connection, session.key, {"last_message_at": said.created_at})
            audit.record(
                connection, caller, "session.spoken_in", session_id, client=client_id, message=said.id
            )
            return session

        await self._changed(store)
        return said

    def _own(self, connection: Connection, caller: Caller, client_id: str, session_id: str) -> ChatSession:
        session = _session(connection, caller, client_id, session_id)
        contact = self._contact_in(connection, session_id)
        if contact is not None:
            raise Conflict(
                f"This conversation is on a messaging service; take over its contact {contact} instead.",
                code="session_of_contact",
            )
        return session

    def _hold(self, connection: Connection, caller: Caller, session: ChatSession) -> None:
        now = self._clock_ms()
        sessions.cancel_turn(connection, session.key, now)
        held = {"held_until": now + self._held_ms, "held_by": caller.email}
        sessions.change(connection, session.key, held)

    async def _changed(self, change: Callable[[Connection], ChatSession]) -> ChatSession:
        session = await self._database.write(change)
        self._news.tell(session.key)
        return session


def _session(connection: Connection, caller: Caller, client_id: str, session_id: str) -> ChatSession:
    clients.get(connection, caller, client_id)
    session = sessions.of_owner(connection, caller, session_id)
    if session is None or session.client_id != client_id:
        raise NotFound("There is no session with this id.", code="session_not_found")
    return session
