"""The session in which a client talks with a contact: the one there is, else a new one."""

from sqlalchemy import Connection

from dragoman.domain.chat.channels import repository
from dragoman.domain.chat.channels.model import Contact, Place
from dragoman.domain.chat.model import SessionDraft
from dragoman.domain.chat.sessions import ChatSessionsService


class ContactSessions:
    """Opens sessions of contacts, inside a transaction."""

    def __init__(self, sessions: ChatSessionsService) -> None:
        self._sessions = sessions

    def ensure(self, connection: Connection, place: Place, contact: Contact) -> int:
        """The key of the contact's session, which lasts for the integration's time from now on."""
        return self.open(connection, place, contact)[0]

    def open(self, connection: Connection, place: Place, contact: Contact) -> tuple[int, str, str]:
        """The key of the contact's session, its id and its access key.

        Raises:
            ChatUnavailable: the client has nobody who answers.
        """
        draft = SessionDraft(
            seconds=max(600, place.integration.session_ms // 1000),
            tag=contact.tag,
            metadata={"channel": contact.channel, "address": contact.address, "name": contact.name or ""},
        )
        session, access_key = self._sessions.open(connection, place.owner, place.client.id, draft)
        if session.id != contact.session_id:
            repository.change_contact(connection, contact.key, {"session_id": session.id})
        return session.key, session.id, access_key
