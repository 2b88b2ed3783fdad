"""Conversations on messaging services for those who own the clients: see them, take over, say something, mend."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts.audit import record as audit
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.roles import require
from dragoman.domain.chat.channels import repository
from dragoman.domain.chat.channels.jobs import enqueue_answer, enqueue_send
from dragoman.domain.chat.channels.model import Contact, Received, Unsent
from dragoman.domain.chat.channels.places import Places
from dragoman.domain.chat.channels.takeover import Takeover
from dragoman.domain.chat.model import Channel, ChatMessage
from dragoman.domain.chat.repository import clients, messages, sessions
from dragoman.domain.chat.uploads import attached
from dragoman.domain.chat.uploads.model import Upload
from dragoman.kit.errors import Conflict, InvalidInput, NotFound

_LISTED = 1000
_LONGEST_TEXT = 4096


@dataclass(frozen=True, slots=True)
class HookInfo:
    """Where a messaging service has to call, and what came of telling it so."""

    channel: Channel
    url: str
    connected: str


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """What could not be sent, and what could not be answered."""

    unsent: list[tuple[Contact, Unsent]]
    unanswered: list[tuple[Contact, Received]]


class ChannelsService:
    """What a caller may do with the conversations of their clients."""

    def __init__(
        self, database: Database, places: Places, takeover: Takeover, *, wake: Callable[[], None]
    ) -> None:
        self._database = database
        self._places = places
        self._takeover = takeover
        self._wake = wake

    def hook_path(self, client_id: str, channel: Channel, word: str) -> str:
        """The path that the service has to call; ``word`` is the channel's name in it."""
        return f"/{client_id}/{word}/{self._places.secret(client_id, channel)}"

    async def connect(self, caller: Caller, client_id: str, channel: Channel, hook_url: str) -> HookInfo:
        """Tells the service where to call, where it lets itself be told.

        Raises:
            NotFound: the caller has no such client, or it does not answer there.
            DragomanError: the service refused.
        """
        require(caller, "create")
        place = await self._database.read(self._places.of, caller, client_id, channel)
        secret = self._places.secret(client_id, channel)
        said = await self._places.adapter(channel).connect(place.integration, hook_url, secret)
        return HookInfo(channel, hook_url, said)

    async def contacts(
        self,
        caller: Caller,
        client_id: str,
        *,
        wanted: str | None = None,
        limit: int = _LISTED,
        offset: int = 0,
    ) -> list[Contact]:
        """The people who wrote to a client, the latest first.

        Raises:
            NotFound: the caller has no such client.
        """

        def load(connection: Connection) -> list[Contact]:
            clients.get(connection, caller, client_id)
            return repository.contacts(connection, client_id, wanted, limit=limit, offset=offset)

        return await self._database.read(load)

    async def conversation(
        self, caller: Caller, client_id: str, contact_id: str
    ) -> tuple[Contact, list[ChatMessage], Mapping[str, Upload]]:
        """A contact and what was said in the session with them, oldest first, with the files that it names.

        Raises:
            NotFound: the caller has no such client, or it no such contact.
        """

        def load(connection: Connection) -> tuple[Contact, list[ChatMessage], Mapping[str, Upload]]:
            contact = _contact(connection, caller, client_id, contact_id)
            if contact.session_id is None:
                return contact, [], {}
            key = sessions.key_of(connection, client_id, contact.session_id)
            if key is None:
                return contact, [], {}
            said = messages.select(connection, key)
            return contact, said, attached.named_in(connection, key, said)

        return await self._database.read(load)

    async def take_over(self, caller: Caller, client_id: str, contact_id: str) -> Contact:
        """Keeps the agent quiet for a contact.

        Raises:
            NotFound: there is no such contact.
        """
        require(caller, "create")

        def hold(connection: Connection) -> Contact:
            contact = _contact(connection, caller, client_id, contact_id, lock=True)
            self._takeover.hold(connection, contact, by=caller.email)
            audit.record(connection, caller, "contact.taken_over", contact_id, client=client_id)
            return _contact(connection, caller, client_id, contact_id)

        return await self._database.write(hold)

    async def release(self, caller: Caller, client_id: str, contact_id: str) -> Contact:
        """Lets the agent answer a contact again.

        Raises:
            NotFound: there is no such contact.
        """
        require(caller, "create")

        def let_go(connection: Connection) -> Contact:
            contact = _contact(connection, caller, client_id, contact_id, lock=True)
            self._takeover.release(connection, contact)
            audit.record(connection, caller, "contact.released", contact_id, client=client_id)
            return _contact(connection, caller, client_id, contact_id)

        return await self._database.write(let_go)

    async def say(self, caller: Caller, client_id: str, contact_id: str, text: str) -> str:
        """Sends a person's words to a contact, and keeps the agent quiet; gives the message's id.

        Raises:
            NotFound: there is no such contact, or the integration is gone.
            InvalidInput: there is nothing to say, or too much.
        """
        require(caller, "create")
        text = text.strip()
        if not 1 <= len(text) <= _LONGEST_TEXT:
            raise InvalidInput(f"text must have 1 to {_LONGEST_TEXT} characters.", param="text")

        def store(connection: Connection) -> str:
            contact = _contact(connection, caller, client_id, contact_id, lock=True)
            place = self._places.of(connection, caller, client_id, contact.channel)
            (made,) = self._takeover.say(connection, place, contact, text, by=caller.email)
            enqueue_send(connection, contact.key)
            audit.record(connection, caller, "contact.spoken_to", contact_id, client=client_id, message=made)
            return made

        made = await self._database.write(store)
        self._wake()
        return made

    async def dead_letters(self, caller: Caller, client_id: str) -> DeadLetters:
        """What was given up, newest first.

        Raises:
            NotFound: the caller has no such client.
        """

        def load(connection: Connection) -> DeadLetters:
            clients.get(connection, caller, client_id)
            return DeadLetters(
                repository.unsent(connection, client_id, limit=_LISTED),
                repository.unanswered(connection, client_id, limit=_LISTED),
            )

        return await self._database.read(load)

    async def send_again(self, caller: Caller, client_id: str, message_id: str) -> None:
        """Puts a dead letter behind those that wait.

        Raises:
            NotFound: there is no such message.
            Conflict: it was not given up.
        """
        require(caller, "create")

        def store(connection: Connection) -> None:
            clients.get(connection, caller, client_id)
            piece = repository.out_by_id(connection, client_id, message_id)
            if piece is None:
                raise NotFound("There is no message with this id.", code="message_not_found")
            if piece.state != "dead":
                raise Conflict("The message was not given up.", code="message_not_dead")
            repository.change_out(connection, piece.key, {"state": "queued", "attempts": 0, "error": None})
            enqueue_send(connection, piece.contact_key)
            audit.record(connection, caller, "message.sent_again", message_id, client=client_id)

        await self._database.write(store)
        self._wake()

    async def answer_again(self, caller: Caller, client_id: str, contact_id: str) -> None:
        """Lets the agent answer what it failed to answer.

        Raises:
            NotFound: there is no such contact.
            Conflict: nothing failed.
        """
        require(caller, "create")

        def store(connection: Connection) -> None:
            contact = _contact(connection, caller, client_id, contact_id, lock=True)
            failed = repository.received(connection, contact.key, ["failed"])
            if not failed:
                raise Conflict("Every message of this contact was answered.", code="nothing_failed")
            repository.settle(connection, [one.key for one in failed], "waiting")
            enqueue_answer(connection, contact.key)
            audit.record(connection, caller, "contact.answered_again", contact_id, client=client_id)

        await self._database.write(store)
        self._wake()


def _contact(
    connection: Connection, caller: Caller, client_id: str, contact_id: str, *, lock: bool = False
) -> Contact:
    clients.get(connection, caller, client_id)
    contact = repository.contact_by_id(connection, client_id, contact_id, lock=lock)
    if contact is None:
        raise NotFound("There is no contact with this id.", code="contact_not_found")
    return contact
