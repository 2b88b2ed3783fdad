"""Tools of tool servers for runs: those of the agent's own servers, and those a user has registered."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.messages.parts import ToolSpec
from dragoman.domain.tools.model import Risk, ServerTool, ToolResult, ToolScope
from dragoman.domain.tools.servers.headers import filled
from dragoman.domain.tools.servers.model import ListedTool, ServerAddress, ServerClient
from dragoman.domain.tools.servers.naming import named_apart
from dragoman.domain.tools.servers.service import AskedServer, ToolServersService
from dragoman.domain.tools.spec import RemoteSource
from dragoman.kit.errors import DragomanError, InvalidInput
from dragoman.kit.ids import uuid7
from dragoman.kit.jsontypes import JsonObject

log = structlog.get_logger(__name__)

SecretOf = Callable[[Caller, str], Awaitable[str]]
# What a server is told of a call, in the words of its protocol.
About = Callable[[ToolScope], Awaitable[JsonObject]]


@dataclass(frozen=True, slots=True)
class RemoteTool:
    """A tool of a server, bound to a scope. ``session``: the calls that share a connection."""

    name: str
    listed: ListedTool
    address: ServerAddress
    client: ServerClient
    scope: ToolScope
    about: About
    session: str

    @property
    def spec(self) -> ToolSpec:
        """The tool as the model sees it."""
        return ToolSpec(self.name, self.listed.description, self.listed.parameters)

    @property
    def owner(self) -> str:
        """Where it comes from."""
        return f"MCP server {self.address.name!r}"

    @property
    def risk(self) -> Risk:
        """What it can do to the world: a server's own word for it is not taken."""
        return "outside"

    async def call(self, arguments: JsonObject) -> ToolResult:
        """Has the server carry it out.

        Raises:
            DragomanError: it failed; the sentence says how.
        """
        about = await self.about(self.scope)
        return await self.client.call(
            self.address, self.listed.name, arguments, about=about, session=self.session
        )


class AgentServers:
    """The tools of the servers that an agent names. A server that does not answer is left out, with a warning."""

    def __init__(self, client: ServerClient, *, secret: SecretOf, about: About) -> None:
        self._client = client
        self._secret = secret
        self._about = about

    async def tools(self, scope: ToolScope) -> Sequence[ServerTool]:
        """The tools of all servers that answer, in the servers' order."""
        if not scope.tools.mcp_sources:
            return ()
        session = _session(scope)
        found = await asyncio.gather(
            *(self._of(scope, source, session) for source in scope.tools.mcp_sources)
        )
        return [tool for some in found for tool in some]

    async def _of(self, scope: ToolScope, source: RemoteSource, session: str) -> list[RemoteTool]:
        caller = scope.caller
        try:
            headers = await filled(source.headers, lambda name: self._secret(caller, name))
            address = ServerAddress(source.name, source.url, caller.user_id, headers, source.cache_seconds)
            listed = await self._client.tools(address)
        except DragomanError as error:
            log.warning(
                "mcp.server_left_out",
                server=source.name,
                agent=scope.agent_id,
                code=error.code,
                reason=error.detail,
            )
            scope.left_out(f"MCP server {source.name!r}", error.detail)
            return []
        named = named_apart(listed, source.name)
        return [
            RemoteTool(name, tool, address, self._client, scope, self._about, session)
            for name, tool in named.items()
        ]


class RegisteredServers:
    """The tools that a request names of the servers its user has registered."""

    def __init__(self, servers: ToolServersService, *, about: About) -> None:
        self._servers = servers
        self._about = about

    async def tools(self, scope: ToolScope) -> Sequence[ServerTool]:
        """The named tools.

        Raises:
            InvalidInput: a name that none of the user's servers has, while all of them answer.
        """
        wanted = scope.tools.registered
        if not wanted:
            return ()
        asked = await self._servers.asked(scope.caller)
        session = _session(scope)
        found: list[ServerTool] = []
        missing = set(wanted)
        for one in asked:
            if one.problem is not None:
                log.warning("mcp.server_left_out", server=one.server.draft.name, reason=one.problem)
                scope.left_out(f"MCP server {one.server.draft.name!r}", one.problem)
                continue
            found += await self._of(scope, one, session, missing)
        down = [one.server.draft.name for one in asked if one.problem is not None]
        if missing and not down:
            raise InvalidInput(
                f"None of your MCP servers has the tool {sorted(missing)[0]!r}.", code="tool_not_found"
            )
        if missing:
            log.warning("mcp.tools_missing", tools=sorted(missing), down=down)
        return found

    async def _of(
        self, scope: ToolScope, one: AskedServer, session: str, missing: set[str]
    ) -> list[RemoteTool]:
        server = one.server
        address = await self._servers.address(scope.caller, server)
        tools: list[RemoteTool] = []
        for name, tool in named_apart(one.tools, server.draft.name).items():
            names = {form for bare in (name, tool.name) for form in (bare, f"{server.draft.name}/{bare}")}
            if names.isdisjoint(scope.tools.registered):
                continue
            missing -= names
            client = self._servers.client
            tools.append(RemoteTool(name, tool, address, client, scope, self._about, session))
        return tools


def _session(scope: ToolScope) -> str:
    """Calls of one conversation of one person meet the same connection; without one, those of one run."""
    if scope.conversation_id is None:
        return uuid7()
    return f"{scope.agent_id}/{scope.origin}/{scope.conversation_id}/{scope.person}"
