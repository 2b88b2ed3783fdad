"""What comes in from messaging services: verified, stored once, answered later."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import structlog
from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.chat.channels import repository
from dragoman.domain.chat.channels.jobs import enqueue_answer
from dragoman.domain.chat.channels.model import Contact, Place
from dragoman.domain.chat.channels.places import Places
from dragoman.domain.chat.channels.ports import Hook, Inbound
from dragoman.domain.chat.channels.takeover import Takeover
from dragoman.domain.chat.model import Channel
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import InvalidInput, NotFound, Unauthenticated

log = structlog.get_logger(__name__)

# Takes the client, the service, the reason and the moment in milliseconds.
Noted: TypeAlias = Callable[[Connection, str, Channel, str | None, int], None]

_OWN_MS = 3_600_000
_LONGEST_TEXT = 32_000
_NOTED_EVERY_MS = 5000
_NOTED_PLACES = 10_000


@dataclass(frozen=True, slots=True)
class HookAddress:
    """Which client and service a hook's address names, and the secret in it."""

    client_id: str
    channel: Channel
    secret: str


class InboundMessages:
    """Takes calls of messaging services.

    Args:
        wake: tells the jobs' runner that there is work.
        told: is given the channel, ``received`` or ``forged``, and of how many messages.
        noted: keeps that the service called at a moment, and why the call was refused when it was.
        noted_every_ms: so often at most it is kept that a service called.
    """

    def __init__(
        self,
        database: Database,
        places: Places,
        takeover: Takeover,
        *,
        wake: Callable[[], None],
        told: Callable[[str, str, int], None] | None = None,
        noted: Noted | None = None,
        clock_ms: Callable[[], int] = now_ms,
        noted_every_ms: int = _NOTED_EVERY_MS,
    ) -> None:
        self._noted: dict[tuple[str, str, bool], int] = {}
        self._noted_every_ms = noted_every_ms
        self._told = told or _untold
        self._keep = noted
        self._database = database
        self._places = places
        self._takeover = takeover
        self._wake = wake
        self._clock_ms = clock_ms

    async def take(self, at: HookAddress, hook: Hook) -> int:
        """How many messages of the call are new; they are stored when this returns.

        Raises:
            NotFound: no client answers at this address.
            Unauthenticated: the call does not prove that it comes from the service.
            InvalidInput: the body is not what the service sends.
        """
        if not self._places.is_secret(at.client_id, at.channel, at.secret):
            raise _nobody()
        place = await self._places.find(at.client_id, at.channel)
        if place is None:
            raise _nobody()
        adapter = self._places.adapter(at.channel)
        try:
            adapter.verify(hook, place.integration, at.secret)
            messages = adapter.parse(hook, place.integration)
        except Unauthenticated as error:
            log.warning("channel.forged", client=at.client_id, channel=at.channel)
            self._told(at.channel, "forged", 1)
            await self._note(at, error.detail)
            raise
        except InvalidInput as error:
            await self._note(at, error.detail)
            raise
        await self._note(at, None)
        if not messages:
            return 0
        new = await self._database.write(self._store, place, messages)
        if new:
            self._told(at.channel, "received", new)
            self._wake()
        return new

    async def _note(self, at: HookAddress, refused: str | None) -> None:
        """Keeps that the service called; not each time, since it may call a thousand times a second."""
        now, which = self._clock_ms(), (at.client_id, at.channel, refused is None)
        if self._keep is None or now - self._noted.get(which, 0) < self._noted_every_ms:
            return
        if len(self._noted) >= _NOTED_PLACES:
            self._noted.clear()
        self._noted[which] = now
        await self._database.write(self._keep, at.client_id, at.channel, refused, now)

    def _store(self, connection: Connection, place: Place, messages: Sequence[Inbound]) -> int:
        return sum(self.put_in(connection, place, message) for message in messages)

    def put_in(self, connection: Connection, place: Place, message: Inbound) -> bool:
        """Whether the message is new; it is stored and waits to be answered then."""
        now = self._clock_ms()
        channel = place.integration.channel
        contact = repository.contact_of(
            connection, place.client.id, channel, message.address, message.name, now
        )
        if message.from_business:
            return self._own(connection, place, contact, message, now)
        if len(message.text) > _LONGEST_TEXT:
            log.warning("channel.text_cut", client=place.client.id, characters=len(message.text))
        if not repository.receive(connection, contact.key, _bounded(message), "waiting", now):
            return False
        repository.change_contact(connection, contact.key, {"last_inbound_at": now})
        debounce = place.client.draft.spec.debounce_ms or 0
        enqueue_answer(connection, contact.key, now + debounce if debounce else None)
        return True

    def _own(
        self, connection: Connection, place: Place, contact: Contact, message: Inbound, now: int
    ) -> bool:
        ours = repository.own_message(connection, contact.key, message, now - _OWN_MS)
        if ours is not None:
            if ours.state != "sent":
                values = {"message_id": message.message_id, "state": "sent", "sent_at": now, "error": None}
                repository.change_out(connection, ours.key, values)
            return False
        if not repository.receive(connection, contact.key, _bounded(message), "done", now):
            return False
        self._takeover.spoken_by_person(connection, place, contact, message.text, by="telephone")
        return True


def _bounded(message: Inbound) -> Inbound:
    if len(message.text) <= _LONGEST_TEXT:
        return message
    return Inbound(
        message.message_id,
        message.address,
        message.text[:_LONGEST_TEXT],
        message.sent_at,
        message.from_business,
        message.name,
        message.media,
    )


def _nobody() -> NotFound:
    return NotFound("Nobody answers at this address.", code="hook_not_found")


def _untold(channel: str, outcome: str, messages: int) -> None:
    pass
