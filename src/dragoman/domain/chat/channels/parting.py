"""Telling messaging services that an organisation is not answered for here any more."""

import asyncio

from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.chat.channels import repository
from dragoman.domain.chat.channels.places import Places
from dragoman.domain.chat.clients import ChatClientsService
from dragoman.domain.chat.model import Channel, Integration
from dragoman.kit.errors import DragomanError

_SECONDS = 15.0


class Parting:
    """Takes away the webhooks that lead to this server; those that lead elsewhere by now are left alone."""

    def __init__(self, database: Database, clients: ChatClientsService, places: Places) -> None:
        self._database = database
        self._clients = clients
        self._places = places

    async def of(self, organisation_id: str) -> list[str]:
        """What became of each webhook, in a sentence; a service that does not answer keeps nobody."""
        found = await self._database.read(repository.integrations_of, organisation_id)
        return [
            f"{channel} of chat client {client_id}: {await self._parted(client_id, channel)}"
            for client_id, channel in found
            if channel in self._places.channels
        ]

    async def _parted(self, client_id: str, channel: Channel) -> str:
        try:
            async with asyncio.timeout(_SECONDS):
                return await self._told(client_id, channel)
        except TimeoutError:
            return "the service did not answer; take the webhook away there"
        except DragomanError as error:
            return f"the service could not be told; take the webhook away there ({error.detail})"

    async def _told(self, client_id: str, channel: Channel) -> str:
        def load(connection: Connection) -> Integration | None:
            return self._clients.integration(connection, client_id, channel)

        integration = await self._database.read(load)
        if integration is None:
            return "gone already"
        adapter = self._places.adapter(channel)
        there = await adapter.check(integration)
        if there is not None and self._places.secret(client_id, channel) not in (there.url or ""):
            return "the service does not call this server; left as it is"
        if await adapter.disconnect(integration):
            return "the service does not call this server any more"
        return "the service cannot be told; take the webhook away there"
