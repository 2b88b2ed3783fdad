"""For those who own the clients: does the service reach us, what went wrong, and how would the agent answer."""

from collections.abc import Callable

from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.roles import require
from dragoman.domain.chat.channels import repository as channels
from dragoman.domain.chat.channels.inbound import InboundMessages
from dragoman.domain.chat.channels.model import SIMULATED
from dragoman.domain.chat.channels.places import Places
from dragoman.domain.chat.channels.ports import HookCheck, Inbound
from dragoman.domain.chat.channels.watch import repository
from dragoman.domain.chat.channels.watch.model import ChannelState, Said
from dragoman.domain.chat.model import Channel
from dragoman.domain.chat.repository import clients
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import InvalidInput
from dragoman.kit.ids import uuid7

_LONGEST_TEXT = 4096
_SHOWN = 200


class ChannelWatch:
    """What a caller may see of the messaging services of their clients, and conversations played without them."""

    def __init__(
        self, database: Database, places: Places, inbound: InboundMessages, *, wake: Callable[[], None]
    ) -> None:
        self._database = database
        self._places = places
        self._inbound = inbound
        self._wake = wake

    async def states(self, caller: Caller, client_id: str) -> list[ChannelState]:
        """How the client stands with each of the services that it answers on.

        Raises:
            NotFound: the caller has no such client.
        """

        def look(connection: Connection) -> list[ChannelState]:
            clients.get(connection, caller, client_id)
            return [
                ChannelState(
                    channel,
                    repository.calls(connection, client_id, channel),
                    repository.traffic(connection, client_id, channel),
                )
                for channel in self._places.channels
                if clients.has_integration(connection, client_id, channel)
            ]

        return await self._database.read(look)

    async def check(self, caller: Caller, client_id: str, channel: Channel) -> HookCheck | None:
        """Where the service says that it calls; None when it cannot be asked.

        Raises:
            NotFound: the caller has no such client, or it does not answer there.
            DragomanError: the service failed, or refused the integration's keys.
        """
        require(caller, "create")
        place = await self._database.read(self._places.of, caller, client_id, channel)
        return await self._places.adapter(channel).check(place.integration)

    async def simulate(self, caller: Caller, client_id: str, channel: Channel, text: str) -> None:
        """Takes a text as if somebody had written it on the service; what is answered stays here.

        Raises:
            NotFound: the caller has no such client, or it does not answer there.
            InvalidInput: there is nothing in it, or too much.
        """
        require(caller, "create")
        text = text.strip()
        if not 1 <= len(text) <= _LONGEST_TEXT:
            raise InvalidInput(f"text must have 1 to {_LONGEST_TEXT} characters.", param="text")

        def store(connection: Connection) -> None:
            place = self._places.of(connection, caller, client_id, channel)
            message = Inbound(f"simulated:{uuid7()}", SIMULATED, text, now_ms(), name=caller.email)
            self._inbound.put_in(connection, place, message)

        await self._database.write(store)
        self._wake()

    async def simulated(self, caller: Caller, client_id: str, channel: Channel) -> list[Said]:
        """What was said in the played conversation, oldest first.

        Raises:
            NotFound: the caller has no such client.
        """

        def look(connection: Connection) -> list[Said]:
            clients.get(connection, caller, client_id)
            contact = channels.contact_at(connection, client_id, channel, SIMULATED)
            return [] if contact is None else repository.said(connection, contact.key, limit=_SHOWN)

        return await self._database.read(look)
