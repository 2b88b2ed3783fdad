"""Chat clients for those who own them: create, change, delete, and where else they answer."""

from collections.abc import Callable

import orjson
from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts.audit import record as audit
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.roles import require
from dragoman.domain.agents import repository as agents
from dragoman.domain.chat.model import Channel, ChatClient, ClientDraft, ClientOverview, Integration
from dragoman.domain.chat.repository import clients
from dragoman.kit.clock import now_ms
from dragoman.kit.crypto import Sealer
from dragoman.kit.errors import NotFound
from dragoman.kit.ids import uuid7

LISTED = 10_000


class ChatClientsService:
    """What a caller may do with web chat clients; everybody has their own."""

    def __init__(self, database: Database, sealer: Sealer, *, clock_ms: Callable[[], int] = now_ms) -> None:
        self._database = database
        self._sealer = sealer
        self._clock_ms = clock_ms

    async def create(self, caller: Caller, draft: ClientDraft) -> ChatClient:
        """A new client.

        Raises:
            NotFound: the caller has no such agent.
        """
        require(caller, "create")
        now = self._clock_ms()
        client = ChatClient(uuid7(), caller.user_id, draft, now, now)

        def store(connection: Connection) -> None:
            _check_agent(connection, caller, draft.agent_id)
            clients.insert(connection, caller, client)
            audit.record(connection, caller, "chat_client.created", client.id)

        await self._database.write(store)
        return client

    async def select(self, caller: Caller, *, limit: int = LISTED, offset: int = 0) -> list[ClientOverview]:
        """The caller's clients, oldest first."""
        return await self._database.read(
            clients.overviews, caller, self._clock_ms(), limit=limit, offset=offset
        )

    async def get(self, caller: Caller, client_id: str) -> ClientOverview:
        """One client.

        Raises:
            NotFound: the caller has no such client.
        """
        found = await self._database.read(clients.overviews, caller, self._clock_ms(), client_id=client_id)
        if not found:
            raise NotFound("There is no web chat client with this id.", code="chat_client_not_found")
        return found[0]

    async def public(self, client_id: str) -> ChatClient | None:
        """A client that anybody may talk to through its page; None when there is none, or nobody answers for it."""

        def load(connection: Connection) -> ChatClient | None:
            found = clients.answering(connection, client_id)
            return None if found is None else found[0]

        return await self._database.read(load)

    async def update(
        self, caller: Caller, client_id: str, edit: Callable[[ClientDraft], ClientDraft]
    ) -> ClientDraft:
        """The client after ``edit`` was applied to what it was, with nobody changing it in between.

        Raises:
            NotFound: the caller has no such client, or no such agent.
        """
        require(caller, "create")

        def store(connection: Connection) -> ClientDraft:
            before = clients.get(connection, caller, client_id, lock=True).draft
            draft = edit(before)
            if draft.agent_id != before.agent_id:
                _check_agent(connection, caller, draft.agent_id)
            clients.update(connection, client_id, draft, self._clock_ms())
            audit.record(connection, caller, "chat_client.changed", client_id)
            return draft

        return await self._database.write(store)

    async def delete(self, caller: Caller, client_id: str) -> None:
        """Removes a client with its sessions, integrations and schedules.

        Raises:
            NotFound: the caller has no such client.
        """
        require(caller, "create")

        def remove(connection: Connection) -> None:
            if not clients.delete(connection, caller, client_id):
                raise NotFound("There is no web chat client with this id.", code="chat_client_not_found")
            audit.record(connection, caller, "chat_client.deleted", client_id)

        await self._database.write(remove)

    async def integrations(self, caller: Caller, client_id: str) -> dict[Channel, Integration]:
        """Where else the client answers, secrets in clear.

        Raises:
            NotFound: the caller has no such client.
            Unavailable: the secrets were sealed with another key file.
        """

        def load(connection: Connection) -> dict[Channel, Integration]:
            clients.get(connection, caller, client_id)
            return self._integrations(connection, client_id)

        return await self._database.read(load)

    async def put_integration(
        self,
        caller: Caller,
        client_id: str,
        channel: Channel,
        edit: Callable[[Integration | None], Integration],
    ) -> None:
        """Lets the client answer in another place; ``edit`` makes the integration of the one there is.

        Raises:
            NotFound: the caller has no such client.
        """
        require(caller, "create")

        def store(connection: Connection) -> None:
            clients.get(connection, caller, client_id, lock=True)
            made = edit(self._integrations(connection, client_id).get(channel))
            sealed = self._sealer.seal(orjson.dumps(dict(made.secrets)), _context(client_id, channel))
            values = {
                "client_id": client_id,
                "channel": channel,
                "settings": dict(made.settings),
                "sealed": sealed,
                "session_ms": made.session_ms,
                "updated_at": self._clock_ms(),
            }
            clients.put_integration(connection, values)
            audit.record(connection, caller, "integration.set", client_id, channel=channel)

        await self._database.write(store)

    async def delete_integration(self, caller: Caller, client_id: str, channel: Channel) -> None:
        """Ends the client's answering in another place.

        Raises:
            NotFound: the caller has no such client, or it does not answer there.
        """
        require(caller, "create")

        def remove(connection: Connection) -> None:
            clients.get(connection, caller, client_id)
            if not clients.delete_integration(connection, client_id, channel):
                raise NotFound("The integration is not configured.", code="integration_not_found")
            audit.record(connection, caller, "integration.deleted", client_id, channel=channel)

        await self._database.write(remove)

    def integration(self, connection: Connection, client_id: str, channel: Channel) -> Integration | None:
        """A client's integration with its secrets in clear, for who acts in the client's name.

        Raises:
            Unavailable: the secrets were sealed with another key file.
        """
        return self._integrations(connection, client_id).get(channel)

    def _integrations(self, connection: Connection, client_id: str) -> dict[Channel, Integration]:
        found: dict[Channel, Integration] = {}
        for row in clients.integrations(connection, client_id):
            channel: Channel = row["channel"]
            secrets = orjson.loads(self._sealer.open(row["sealed"], _context(client_id, channel)))
            found[channel] = Integration(channel, row["settings"], secrets, row["session_ms"])
        return found


def _context(client_id: str, channel: Channel) -> str:
    return f"integration:{client_id}:{channel}"


def _check_agent(connection: Connection, caller: Caller, agent_id: str | None) -> None:
    if agent_id is not None:
        agents.get(connection, caller, agent_id, "gateway")
