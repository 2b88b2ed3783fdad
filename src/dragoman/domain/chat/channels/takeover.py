"""A person of the business speaks, and the agent keeps quiet until it is released."""

from collections.abc import Callable

from sqlalchemy import Connection

from dragoman.domain.chat.channels import repository
from dragoman.domain.chat.channels.model import Contact, Place
from dragoman.domain.chat.channels.ports import Outgoing
from dragoman.domain.chat.channels.sessions import ContactSessions
from dragoman.domain.chat.model import ChatMessage
from dragoman.domain.chat.repository import messages
from dragoman.domain.messages.parts import TextPart
from dragoman.kit.clock import now_ms
from dragoman.kit.ids import uuid7


class Takeover:
    """Holds contacts for people.

    Args:
        held_ms: for how long the agent keeps quiet after a person's last word.
    """

    def __init__(
        self, sessions: ContactSessions, *, held_ms: int, clock_ms: Callable[[], int] = now_ms
    ) -> None:
        self._sessions = sessions
        self._held_ms = held_ms
        self._clock_ms = clock_ms

    def is_held(self, contact: Contact) -> bool:
        """Whether a person answers this contact now."""
        return contact.held_until is not None and contact.held_until > self._clock_ms()

    def hold(self, connection: Connection, contact: Contact, *, by: str) -> int:
        """Keeps the agent quiet from now on; gives until when at least."""
        until = self._clock_ms() + self._held_ms
        repository.change_contact(connection, contact.key, {"held_until": until, "held_by": by})
        return until

    def release(self, connection: Connection, contact: Contact) -> None:
        """Lets the agent answer again."""
        repository.change_contact(connection, contact.key, {"held_until": None, "held_by": None})

    def spoken_by_person(
        self, connection: Connection, place: Place, contact: Contact, text: str, *, by: str
    ) -> None:
        """Notes in the session what a person said to the contact; the agent will know of it."""
        self.hold(connection, contact, by=by)
        session_key = self._sessions.ensure(connection, place, contact)
        said = ChatMessage(0, uuid7(), "assistant", (TextPart(text),), self._clock_ms(), author=by)
        messages.insert(connection, session_key, said)

    def say(self, connection: Connection, place: Place, contact: Contact, text: str, *, by: str) -> list[str]:
        """Sends a person's words to the contact; gives the ids of the pieces."""
        self.spoken_by_person(connection, place, contact, text, by=by)
        return repository.put_out(connection, contact.key, "person", [Outgoing(text)], self._clock_ms())
