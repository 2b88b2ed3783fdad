"""The official MCP SDK at work, its failures as this program's errors.

Importing it takes a good part of a second, so nothing but the client imports this module, and only when it is first needed.
"""

import logging
import re
import subprocess
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TextIO, cast

import anyio
import httpx2
import mcp_types as types
from anyio import to_thread
from jsonschema import SchemaError
from jsonschema.validators import validator_for
from mcp.client import Client
from mcp.client.session import IncomingMessage
from mcp.client.sse import sse_client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError

from dragoman import __version__
from dragoman.adapters.tools.mcp.egress import GuardedTransport
from dragoman.adapters.tools.mcp.endpoint import Endpoint
from dragoman.adapters.tools.mcp.results import result_of
from dragoman.domain.tools.model import ToolResult
from dragoman.domain.tools.servers.model import ListedTool
from dragoman.kit.errors import DeadlineExceeded, DragomanError, ProviderError, Unavailable
from dragoman.kit.header_lines import header_lines
from dragoman.kit.jsontypes import JsonObject

log = logging.getLogger(__name__)

_MOST_PAGES, _MOST_TOOLS = 20, 500
_LONGEST_NAME, _LONGEST_DESCRIPTION, _LONGEST_REASON = 256, 4096, 500
_SESSION_HEADERS = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding"})
# What a server says at an address that speaks the older transport.
_OTHER_TRANSPORT = (400, 404, 405, 406, 415)
_TLS = httpx2.create_ssl_context(trust_env=False)
# The words that programs write for people would mix with this server's own log.
_SILENCE = cast("TextIO", subprocess.DEVNULL)

_FAILURES = (
    DragomanError,
    MCPError,
    ValidationError,
    httpx2.HTTPError,
    httpx2.StreamError,
    anyio.ClosedResourceError,
    anyio.BrokenResourceError,
    anyio.EndOfStream,
    OSError,
    RuntimeError,
    ValueError,
    TimeoutError,
    ExceptionGroup,
)

# The SDK writes tracebacks for what here is a server's everyday failure; what matters of it is told by errors.
for _name in ("mcp", "httpx2", "httpcore2"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class SdkConnection:
    """An open connection."""

    client: Client
    transport: GuardedTransport | None
    call_seconds: float
    name: str

    async def tools(self) -> tuple[ListedTool, ...]:
        """The server's tools, as many as are taken from one.

        Raises:
            DragomanError: it did not list them.
        """
        try:
            if self.client.server_capabilities.tools is None:
                return ()
            found: list[types.Tool] = []
            cursor: str | None = None
            for _ in range(_MOST_PAGES):
                page = await self.client.list_tools(cursor=cursor)
                found += page.tools
                if page.next_cursor is None or page.next_cursor == cursor or len(found) >= _MOST_TOOLS:
                    break
                cursor = page.next_cursor
        except _FAILURES as error:
            raise _reason(error, self.transport) from error
        return await to_thread.run_sync(_listed, found[:_MOST_TOOLS], self.name)

    async def call(self, tool: str, arguments: JsonObject, about: JsonObject) -> ToolResult:
        """What the tool answers.

        Raises:
            DragomanError: it failed.
        """
        try:
            answer = await self.client.call_tool(
                tool,
                dict(arguments),
                read_timeout_seconds=self.call_seconds,
                meta=cast("types.RequestParamsMeta", dict(about)),
            )
        except _FAILURES as error:
            raise _reason(error, self.transport) from error
        return result_of(answer)


@asynccontextmanager
async def connected(endpoint: Endpoint) -> AsyncGenerator[SdkConnection]:
    """An open connection: to a program, by streamable HTTP, or by server-sent events where a server knows nothing newer.

    Raises:
        DragomanError: there is none to be had, or it broke off.
    """
    transport: GuardedTransport | None = None
    if endpoint.command is None:
        transport = GuardedTransport(
            endpoint.policy, resolver=endpoint.resolver, tls=_TLS, max_bytes=endpoint.max_answer_bytes
        )
    try:
        async with AsyncExitStack() as stack:
            client = await _opened(endpoint, transport, stack)
            yield SdkConnection(client, transport, endpoint.call_seconds, endpoint.name)
    except _FAILURES as error:
        raise _reason(error, transport) from error


async def _opened(endpoint: Endpoint, transport: GuardedTransport | None, stack: AsyncExitStack) -> Client:
    if endpoint.command is not None:
        program = StdioServerParameters(command=endpoint.command[0], args=list(endpoint.command[1:]))
        return await stack.enter_async_context(_client(endpoint, stdio_client(program, _SILENCE)))
    assert transport is not None
    kept = {n: v for n, v in endpoint.headers.items() if n.lower() not in _SESSION_HEADERS}
    headers = header_lines(kept)

    def http(**_: object) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            transport=transport,
            headers=headers,
            # A stream of news may be silent for long; what is waited for has its own deadline.
            timeout=httpx2.Timeout(endpoint.call_seconds, read=None),
            trust_env=False,
        )

    try:
        newer = streamable_http_client(
            endpoint.url,
            http_client=await stack.enter_async_context(http()),
            max_sse_event_size=endpoint.max_answer_bytes,
        )
        return await stack.enter_async_context(_client(endpoint, newer))
    except _FAILURES as error:
        refused = isinstance(next(_leaves(error)), MCPError)
        if not refused or transport.failure is not None or transport.status not in _OTHER_TRANSPORT:
            raise
        status = transport.status
    try:
        older = sse_client(endpoint.url, httpx_client_factory=http)  # pyright: ignore[reportArgumentType]
        return await stack.enter_async_context(_client(endpoint, older))
    except _FAILURES as error:
        raise _status(status) from error


def _client(endpoint: Endpoint, transport: Any) -> Client:
    async def noticed(message: IncomingMessage) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            endpoint.changed()

    return Client(
        transport,
        cache=None,
        read_timeout_seconds=endpoint.call_seconds,
        message_handler=noticed,
        client_info=types.Implementation(name="dragoman", version=__version__),
    )


def _listed(found: list[types.Tool], server: str) -> tuple[ListedTool, ...]:
    listed: list[ListedTool] = []
    for tool in found:
        schema: dict[str, Any] = {**tool.input_schema, "type": "object"}
        problem = _schema_problem(schema)
        if problem is None and not 0 < len(tool.name) <= _LONGEST_NAME:
            problem = f"its name has {len(tool.name)} characters"
        if problem is not None:
            log.warning("MCP server %r: the tool %.200r is left out: %s", server, tool.name, problem)
            continue
        description = (tool.description or tool.title or "")[:_LONGEST_DESCRIPTION]
        listed.append(ListedTool(tool.name, description, schema))
    return tuple(listed)


def _schema_problem(schema: dict[str, Any]) -> str | None:
    try:
        validator_for(schema).check_schema(schema)
    except SchemaError as error:
        return f"its schema is none: {error.message[:200]}"
    except (RecursionError, ValueError, TypeError, re.error) as error:
        return f"its schema cannot be read ({type(error).__name__})"
    return None


def _reason(error: BaseException, transport: GuardedTransport | None) -> DragomanError:
    """What went wrong, in a sentence for a model and a person."""
    if isinstance(error, DragomanError):
        return error
    if transport is not None and transport.failure is not None:
        failure, transport.failure = transport.failure, None
        return failure
    found = next(_leaves(error))
    if isinstance(found, DragomanError):
        return found
    if isinstance(found, MCPError):
        return _refusal(found, transport)
    if isinstance(found, TimeoutError):
        return DeadlineExceeded("The MCP server did not answer in time.")
    if isinstance(found, ValidationError):
        return ProviderError("The MCP server's answer does not follow the protocol.", code="mcp_protocol")
    if isinstance(found, OSError):
        return Unavailable(
            f"The program of the MCP server cannot be started: {found.strerror}.", code="mcp_program"
        )
    if isinstance(found, RuntimeError):
        return ProviderError(f"The MCP server contradicts itself: {_short(found)}", code="mcp_protocol")
    return ProviderError(
        f"The connection to the MCP server broke off ({type(found).__name__}).", code="mcp_broke_off"
    )


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in cast("tuple[BaseException, ...]", error.exceptions):
            yield from _leaves(inner)
    else:
        yield error


def _refusal(error: MCPError, transport: GuardedTransport | None) -> DragomanError:
    if error.code == types.REQUEST_TIMEOUT:
        return DeadlineExceeded("The MCP server did not answer in time.")
    if error.message == "Session terminated":
        return ProviderError("The MCP server has ended the session.", code="mcp_session_over")
    if error.code == types.CONNECTION_CLOSED:
        return ProviderError("The connection to the MCP server broke off.", code="mcp_broke_off")
    status = None if transport is None else transport.status
    if error.code == types.INTERNAL_ERROR and status is not None and status >= 400:
        return _status(status)
    code = "tool_not_found" if error.code in (types.METHOD_NOT_FOUND, types.INVALID_PARAMS) else "mcp_refused"
    return ProviderError(f"The MCP server refused: {_short(error.message)}", code=code)


def _status(status: int) -> DragomanError:
    hint = ": it does not accept the headers it is sent" if status in (401, 403) else ""
    return ProviderError(f"The MCP server answered with status {status}{hint}.", code="mcp_refused")


def _short(text: object) -> str:
    return " ".join(str(text).split())[:_LONGEST_REASON]
