"""An agent that speaks by itself to a contact: the session it speaks in, and the way out."""

from collections.abc import Callable

from sqlalchemy import Connection

from dragoman.domain.chat.channels import repository
from dragoman.domain.chat.channels.jobs import enqueue_send
from dragoman.domain.chat.channels.media import made_pieces
from dragoman.domain.chat.channels.model import Contact, Place
from dragoman.domain.chat.channels.places import Places
from dragoman.domain.chat.channels.ports import Outgoing
from dragoman.domain.chat.channels.sessions import ContactSessions
from dragoman.domain.chat.channels.split import cut, split_answer
from dragoman.domain.chat.channels.takeover import Takeover
from dragoman.domain.chat.errors import unavailable
from dragoman.domain.chat.model import Channel
from dragoman.domain.messages.fold import Answer
from dragoman.kit.clock import now_ms

# The media type of pieces that are spoken when they are sent.
SPOKEN = "audio/ogg"


class ContactDelivery:
    """Reaches contacts by client, channel and address, inside a transaction."""

    def __init__(
        self,
        places: Places,
        sessions: ContactSessions,
        takeover: Takeover,
        *,
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self._places = places
        self._sessions = sessions
        self._takeover = takeover
        self._clock_ms = clock_ms

    def is_held(self, connection: Connection, client_id: str, channel: Channel, address: str) -> bool:
        """Whether a person of the business answers there now."""
        contact = repository.contact_at(connection, client_id, channel, address)
        return contact is not None and self._takeover.is_held(contact)

    def session(
        self, connection: Connection, client_id: str, channel: Channel, address: str
    ) -> tuple[str, str]:
        """The id and the access key of the contact's session.

        Raises:
            ChatUnavailable: the client does not answer there any more.
        """
        contact = self._contact(connection, client_id, channel, address)
        return self._sessions.open(connection, self._place(connection, client_id, channel), contact)[1:]

    def put_out(
        self,
        connection: Connection,
        client_id: str,
        channel: Channel,
        address: str,
        answer: Answer,
        *,
        cause: str,
    ) -> bool:
        """Whether there was something to say; it waits to be sent then."""
        contact = self._contact(connection, client_id, channel, address)
        place = self._place(connection, client_id, channel)
        pieces = self.pieces(place, answer)
        if not pieces:
            return False
        # The last piece stands for all: they are sent in their order.
        now = self._clock_ms()
        repository.put_out(connection, contact.key, "schedule", pieces[:-1], now)
        repository.put_out(connection, contact.key, "schedule", pieces[-1:], now, cause=cause)
        enqueue_send(connection, contact.key)
        return True

    def pieces(self, place: Place, answer: Answer, *, spoken: bool = False) -> list[Outgoing]:
        """An answer as the messages that the client wants it sent in; ``spoken`` when it answers something spoken."""
        return [*self._texts(place, answer.text, spoken=spoken), *made_pieces(answer.attachments)]

    def _texts(self, place: Place, text: str, *, spoken: bool) -> list[Outgoing]:
        adapter = self._places.adapter(place.integration.channel)
        if spoken and text.strip() and place.client.draft.spec.speech.source != "none":
            return [Outgoing(piece, mime=SPOKEN) for piece in cut(text, adapter.longest_text)]
        if place.client.draft.spec.split_answers:
            cuts = split_answer(text, piece_length=adapter.piece_length, longest=adapter.longest_text)
        else:
            cuts = cut(text, adapter.longest_text)
        written = [adapter.written(piece) for piece in cuts]
        return [
            Outgoing(own if 0 < len(own) <= adapter.longest_text else piece)
            for piece, own in zip(cuts, written, strict=True)
        ]

    def _contact(self, connection: Connection, client_id: str, channel: Channel, address: str) -> Contact:
        return repository.contact_of(connection, client_id, channel, address, None, self._clock_ms())

    def _place(self, connection: Connection, client_id: str, channel: Channel) -> Place:
        place = self._places.load(connection, client_id, channel)
        if place is None:
            raise unavailable()
        return place
