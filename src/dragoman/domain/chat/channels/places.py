"""Where a client answers outside its own page: the integration, its owner, its service."""

import hmac
from collections.abc import Mapping
from hashlib import sha256

from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.chat.channels import repository
from dragoman.domain.chat.channels.model import Place
from dragoman.domain.chat.channels.ports import ChannelAdapter
from dragoman.domain.chat.clients import ChatClientsService
from dragoman.domain.chat.model import Channel
from dragoman.domain.chat.repository import clients
from dragoman.kit.errors import NotFound

_SECRET_CHARACTERS = 43


class Places:
    """Finds them.

    Args:
        adapters: the messaging services by name.
        hook_key: what the secrets in the addresses of hooks are derived from.
    """

    def __init__(
        self,
        database: Database,
        clients: ChatClientsService,
        adapters: Mapping[Channel, ChannelAdapter],
        hook_key: bytes,
    ) -> None:
        self._database = database
        self._clients = clients
        self._adapters = dict(adapters)
        self._hook_key = hook_key

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The messaging services there are."""
        return tuple(self._adapters)

    def adapter(self, channel: Channel) -> ChannelAdapter:
        """The messaging service."""
        return self._adapters[channel]

    def secret(self, client_id: str, channel: Channel) -> str:
        """The part of a hook's address that only the service is told."""
        mac = hmac.new(self._hook_key, f"{client_id}:{channel}".encode(), sha256)
        return mac.hexdigest()[:_SECRET_CHARACTERS]

    def is_secret(self, client_id: str, channel: Channel, given: str) -> bool:
        """Whether that is the secret, taking the same time whatever was given."""
        return hmac.compare_digest(self.secret(client_id, channel).encode(), given.encode())

    async def find(self, client_id: str, channel: Channel) -> Place | None:
        """The integration of a client that can answer there; None when there is none any more."""
        return await self._database.read(self.load, client_id, channel)

    def load(self, connection: Connection, client_id: str, channel: Channel) -> Place | None:
        """As ``find``, inside a transaction."""
        found = repository.client_and_owner(connection, client_id)
        if found is None:
            return None
        integration = self._clients.integration(connection, client_id, channel)
        return None if integration is None else Place(*found, integration)

    def of(self, connection: Connection, caller: Caller, client_id: str, channel: Channel) -> Place:
        """As ``load``, for a caller whose client it is.

        Raises:
            NotFound: the caller has no such client, or it does not answer there.
        """
        clients.get(connection, caller, client_id)
        place = self.load(connection, client_id, channel)
        if place is None:
            raise NotFound("The integration is not configured.", code="integration_not_found")
        return place
