"""The client of tool servers: lists that are kept, sessions that are shared, servers that are left alone."""

import asyncio
import importlib
from collections.abc import Callable, Sequence
from typing import cast
from urllib.parse import urlsplit

from anyio import to_thread

from dragoman.adapters.tools.mcp.endpoint import STDIO, Endpoint, Engine, key_of
from dragoman.adapters.tools.mcp.lists import ToolLists
from dragoman.adapters.tools.mcp.sessions import Sessions
from dragoman.domain.tools.model import ToolResult
from dragoman.domain.tools.servers.model import ListedTool, ServerAddress
from dragoman.kit.egress import EgressPolicy, Resolver, parse_url, system_resolver
from dragoman.kit.errors import DeadlineExceeded, DragomanError, InvalidInput, Unavailable
from dragoman.kit.jsontypes import JsonObject
from dragoman.kit.tasks import TaskOwner
from dragoman.settings.mcp import McpSettings

_ENGINE = "dragoman.adapters.tools.mcp.engine"
# Nothing was carried out yet, so the same call may be made over another connection.
_NOT_SENT = ("mcp_session_over", "mcp_unreachable")
# After these the connection is still good.
_ALIVE = (
    "tool_failed", "tool_not_found", "tool_timeout", "timeout", "mcp_refused", "mcp_protocol",
)  # fmt: skip
# A program has to start before it can answer.
_PROGRAM_SECONDS = 20.0
_UNREACHABLE = ("mcp_unreachable", "timeout", "mcp_program", "host_unresolved")


class McpClient:
    """Speaks with servers by the Model Context Protocol.

    Args:
        policy: guards the addresses that users give; programs are those of the settings alone.
        load: imports the engine.
    """

    def __init__(
        self,
        settings: McpSettings,
        policy: EgressPolicy,
        tasks: TaskOwner,
        *,
        resolver: Resolver = system_resolver,
        load: Callable[[str], object] = importlib.import_module,
    ) -> None:
        self._settings = settings
        self._policy = policy
        self._resolver = resolver
        self._load = load
        self._engine: Engine | None = None
        self._lists = ToolLists(tasks, wait_seconds=settings.connect_seconds)
        self._sessions = Sessions(tasks)

    def check(self, address: ServerAddress) -> None:
        """Refuses a server that may never be called from here.

        Raises:
            InvalidInput: the address is none, plainly leads inside, or is not on the operator's list.
        """
        if address.url.startswith(STDIO):
            self._command(address.url)
            return
        parse_url(address.url)
        listed = self._settings.whitelist
        if listed and not any(_below(address.url, allowed) for allowed in listed.values()):
            raise InvalidInput(
                f"This server calls only the MCP servers on its list: {', '.join(sorted(listed))}.",
                code="mcp_not_whitelisted",
            )
        self._policy.refuse_plainly_inner(address.url)

    async def tools(self, address: ServerAddress, *, anew: bool = False) -> Sequence[ListedTool]:
        """The server's tools.

        Raises:
            DragomanError: it cannot be asked, or did not answer in time.
        """
        key = key_of(address)
        endpoint = self._endpoint(address, key)
        engine = await self._loaded()

        async def fetch() -> tuple[ListedTool, ...]:
            async with engine.connected(endpoint) as connection:
                return await connection.tools()

        return await self._lists.get(key, fetch, fresh_seconds=address.fresh_seconds, anew=anew)

    async def call(
        self, address: ServerAddress, tool: str, arguments: JsonObject, *, about: JsonObject, session: str
    ) -> ToolResult:
        """What the tool answers; a connection that was kept and turns out to be dead is replaced once.

        Raises:
            DragomanError: the tool failed, or the server.
        """
        key = key_of(address)
        resting = self._lists.resting(key)
        if resting is not None:
            raise Unavailable(
                f"The MCP server {address.name!r} is left alone for a while: {resting.detail}",
                code="mcp_resting",
            )
        endpoint = self._endpoint(address, key)
        for last in (False, True):
            try:
                return await self._called(endpoint, tool, arguments, about=about, session=session, key=key)
            except _OutdatedConnectionError as error:
                if last:
                    raise error.reason from error
            except DragomanError as error:
                self._noted(key, error)
                raise
        raise AssertionError("unreachable")

    async def _called(
        self,
        endpoint: Endpoint,
        tool: str,
        arguments: JsonObject,
        *,
        about: JsonObject,
        session: str,
        key: str,
    ) -> ToolResult:
        engine = await self._loaded()
        async with self._sessions.of(engine, endpoint, session=session, key=key) as held:
            kept = held.used
            try:
                connection = await held.connection(self._open_seconds(endpoint))
                async with asyncio.timeout(self._settings.call_seconds):
                    return await connection.call(tool, arguments, about)
            except TimeoutError as error:
                raise DeadlineExceeded(
                    f"The tool did not answer within {self._settings.call_seconds:g} seconds.",
                    code="tool_timeout",
                ) from error
            except DragomanError as error:
                if error.code not in _ALIVE:
                    held.close()
                if kept and error.code in _NOT_SENT:
                    raise _OutdatedConnectionError(error) from error
                raise

    def _open_seconds(self, endpoint: Endpoint) -> float:
        seconds = self._settings.connect_seconds
        return seconds if endpoint.command is None else max(seconds, _PROGRAM_SECONDS)

    def _noted(self, key: str, error: DragomanError) -> None:
        if error.code in _UNREACHABLE:
            self._lists.failed(key, error)
        elif error.code == "tool_not_found" or "unknown tool" in error.detail.lower():
            self._lists.forget(key)

    def _endpoint(self, address: ServerAddress, key: str) -> Endpoint:
        self.check(address)
        return Endpoint(
            name=address.name,
            url=address.url,
            headers=address.headers,
            command=self._command(address.url) if address.url.startswith(STDIO) else None,
            policy=self._policy,
            resolver=self._resolver,
            call_seconds=self._settings.call_seconds,
            max_answer_bytes=self._settings.max_answer_bytes,
            changed=lambda: self._lists.forget(key),
        )

    def _command(self, url: str) -> tuple[str, ...]:
        name = url.removeprefix(STDIO).strip("/")
        command = self._settings.commands.get(name)
        if not command:
            known = ", ".join(sorted(self._settings.commands)) or "none"
            raise InvalidInput(
                f"There is no MCP program {name!r}; those in the setting mcp.commands are: {known}.",
                code="mcp_program",
            )
        return tuple(command)

    async def _loaded(self) -> Engine:
        if self._engine is None:
            try:
                self._engine = cast("Engine", await to_thread.run_sync(self._load, _ENGINE))
            except ModuleNotFoundError as error:
                raise Unavailable(
                    f"MCP servers need the Python package {error.name!r}: install dragoman[tools].",
                    code="mcp_not_installed",
                ) from error
        return self._engine


class _OutdatedConnectionError(Exception):
    """A kept connection that was dead already when the call was to be made."""

    def __init__(self, reason: DragomanError) -> None:
        super().__init__(reason.detail)
        self.reason = reason


def _below(url: str, allowed: str) -> bool:
    called, listed = urlsplit(url), urlsplit(allowed)
    same = (called.scheme, called.hostname, called.port) == (listed.scheme, listed.hostname, listed.port)
    path = listed.path.rstrip("/")
    # A path with dots in it may lead out of what is listed.
    return same and ".." not in called.path and (called.path == path or called.path.startswith(path + "/"))
