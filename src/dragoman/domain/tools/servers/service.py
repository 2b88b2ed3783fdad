"""Registered tool servers for callers: add, change, delete, list, ask for their tools."""

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import cast

import orjson
import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts.audit import record as audit
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.roles import require
from dragoman.domain.accounts.service import AccountsService
from dragoman.domain.tools.servers import repository
from dragoman.domain.tools.servers.headers import HEADERS, checked_headers, filled, restored
from dragoman.domain.tools.servers.model import (
    ListedTool,
    RegisteredServer,
    ServerAddress,
    ServerClient,
    ServerDraft,
)
from dragoman.domain.tools.servers.repository import ServerRow
from dragoman.kit.clock import now_ms
from dragoman.kit.crypto import Sealer
from dragoman.kit.errors import DragomanError, InvalidInput, NotFound
from dragoman.kit.jsontypes import JsonObject

MOST_SERVERS = 100
_NAME = re.compile(r"[\w\s\-.]{1,100}")
_LONGEST_URL, _LONGEST_KIND, _LONGEST_DESCRIPTION, _MOST_METADATA = 2048, 50, 1000, 64 * 1024


@dataclass(frozen=True, slots=True)
class AskedServer:
    """What a server answered when it was asked for its tools; ``problem`` says why it did not."""

    server: RegisteredServer
    tools: Sequence[ListedTool] = ()
    problem: str | None = None


class ToolServersService:
    """What a caller may do with tool servers; everybody has their own.

    Args:
        sealer: seals what is kept of a server beside its name and address.
    """

    def __init__(
        self, database: Database, *, sealer: Sealer, accounts: AccountsService, client: ServerClient
    ) -> None:
        self._database = database
        self._sealer = sealer
        self._accounts = accounts
        self.client = client

    async def add(self, caller: Caller, draft: ServerDraft) -> int:
        """The number of a new server.

        Raises:
            InvalidInput: a field is out of bounds, the address may not be called, or there are too many.
        """
        require(caller, "create")
        self._check(caller, draft)
        row = self._row(caller, draft)

        def store(connection: Connection) -> int:
            if len(repository.select(connection, caller)) >= MOST_SERVERS:
                raise InvalidInput(
                    f"There may be at most {MOST_SERVERS} MCP servers.", code="too_many_servers"
                )
            number = repository.insert(connection, caller, row, now_ms())
            audit.record(
                connection, caller, "mcp_server.created", str(number), name=draft.name, url=draft.url
            )
            return number

        return await self._database.write(store)

    async def update(self, caller: Caller, number: int, edit: Callable[[ServerDraft], ServerDraft]) -> None:
        """Applies ``edit`` to one of the caller's servers; what is hidden in the new metadata stays as it was.

        Raises:
            NotFound: the caller has no such active server.
            InvalidInput: a field is out of bounds, or the address may not be called.
        """
        require(caller, "create")

        def store(connection: Connection) -> None:
            row = repository.get(connection, caller, number)
            if row is None:
                raise _none(number)
            before = self._server(caller, row).draft
            after = edit(before)
            after = replace(after, metadata=restored(after.metadata, before.metadata))
            self._check(caller, after)
            repository.update(connection, caller, number, self._row(caller, after), now_ms())
            audit.record(
                connection, caller, "mcp_server.changed", str(number), name=after.name, url=after.url
            )

        await self._database.write(store)

    async def delete(self, caller: Caller, number: int) -> None:
        """Makes one of the caller's servers inactive.

        Raises:
            NotFound: the caller has no such active server.
        """
        require(caller, "create")

        def remove(connection: Connection) -> None:
            if not repository.deactivate(connection, caller, number, now_ms()):
                raise _none(number)
            audit.record(connection, caller, "mcp_server.deleted", str(number))

        await self._database.write(remove)

    async def select(self, caller: Caller, *, inactive: bool = False) -> list[RegisteredServer]:
        """The caller's servers, oldest first; with ``inactive`` the deleted ones as well."""
        rows = await self._database.read(repository.select, caller, inactive=inactive)
        return [self._server(caller, row) for row in rows]

    async def address(self, caller: Caller, server: RegisteredServer) -> ServerAddress:
        """Where the server is, its headers filled with the caller's secrets.

        Raises:
            InvalidInput: a secret is missing.
        """
        plain = _address(caller, server.draft)
        headers = await filled(plain.headers, lambda name: self._accounts.secret(caller, name))
        return replace(plain, headers=headers)

    async def asked(self, caller: Caller, *, anew: bool = False) -> list[AskedServer]:
        """What each of the caller's active servers says of its tools, all asked at the same time."""
        servers = await self.select(caller)
        return list(await asyncio.gather(*(self._asked(caller, server, anew=anew) for server in servers)))

    async def _asked(self, caller: Caller, server: RegisteredServer, *, anew: bool) -> AskedServer:
        try:
            tools = await self.client.tools(await self.address(caller, server), anew=anew)
        except DragomanError as error:
            return AskedServer(server, problem=error.detail)
        return AskedServer(server, tools)

    def _check(self, caller: Caller, draft: ServerDraft) -> None:
        if not _NAME.fullmatch(draft.name) or not draft.name.strip():
            raise InvalidInput(
                "The name must have 1 to 100 letters, digits, spaces, '_', '-' or '.'.", param="name"
            )
        for param, text, longest in (
            ("url", draft.url, _LONGEST_URL),
            ("kind", draft.kind, _LONGEST_KIND),
            ("description", draft.description, _LONGEST_DESCRIPTION),
        ):
            if len(text) > longest:
                raise InvalidInput(f"The {param} must have at most {longest} characters.", param=param)
        if len(orjson.dumps(draft.metadata)) > _MOST_METADATA:
            raise InvalidInput(f"The metadata must have at most {_MOST_METADATA} bytes.", param="metadata")
        try:
            self.client.check(_address(caller, draft))
        except InvalidInput as error:
            error.param = error.param or "url"
            raise

    def _row(self, caller: Caller, draft: ServerDraft) -> ServerRow:
        sealed = self._sealer.seal(orjson.dumps(draft.metadata), caller.user_id)
        return {
            "name": draft.name,
            "url": draft.url,
            "kind": draft.kind,
            "description": draft.description,
            "metadata": sealed,
        }

    def _server(self, caller: Caller, row: sa.RowMapping) -> RegisteredServer:
        metadata = cast("JsonObject", orjson.loads(self._sealer.open(row["metadata"], caller.user_id)))
        draft = ServerDraft(row["name"], row["url"], row["kind"], row["description"], metadata)
        return RegisteredServer(row["number"], draft, row["active"], row["created_at"], row["updated_at"])


def _address(caller: Caller, draft: ServerDraft) -> ServerAddress:
    headers = checked_headers(draft.metadata.get(HEADERS), "metadata.headers")
    return ServerAddress(draft.name, draft.url, caller.user_id, headers)


def _none(number: int) -> NotFound:
    return NotFound(
        f"There is no MCP server {number}, or it is not yours.", code="mcp_server_not_found", param="number"
    )
