"""Functions that are carried out by calling addresses of the agent's owner: given with the agent, or listed at an address."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urljoin, urlsplit

import httpx
import orjson
import structlog

from dragoman.adapters.tools.function_listing import Listings
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.messages.parts import ToolSpec
from dragoman.domain.tools.model import Risk, ServerTool, ToolResult, ToolScope
from dragoman.domain.tools.spec import CallbackTool
from dragoman.kit.errors import DragomanError, ProviderError
from dragoman.kit.fetch import Fetched
from dragoman.kit.header_lines import header_lines
from dragoman.kit.jsontypes import JsonObject, JsonValue

log = structlog.get_logger(__name__)

NONCE_HEADER = "X-Request-Nonce"
CALLBACK_SECONDS = 30.0
CALLBACK_BYTES = 1024 * 1024
_MOST_REDIRECTS = 3
_SAME_BODY = (307, 308)
_NO_ARGUMENTS: JsonObject = {"type": "object", "properties": {}}
# Where a conversation takes place, as callbacks are told.
_CALL_SOURCES = {"api": "ChatCompletionsApi", "chat": "WebChatClient", "mcp": "McpClient"}
_OTHER_SOURCE = "IntegrationBot"
_FAILED = "The tool could not be carried out: the service behind it failed."

# Gives the nonce by which the caller's own servers know a call.
NonceOf = Callable[[Caller], Awaitable[str]]


class CallbackClient:
    """Calls functions.

    Args:
        client: guarded, without redirects, bounded in time and size.
    """

    def __init__(self, client: httpx.AsyncClient, nonce_of: NonceOf) -> None:
        self._client = client
        self._nonce_of = nonce_of

    async def call(self, scope: ToolScope, tool: CallbackTool, arguments: JsonObject) -> str:
        """What the function answers, as text.

        Raises:
            ProviderError: it failed or cannot be reached; why is in the log only.
            DragomanError: its address may not be called, or its answer was too slow or too large.
        """
        body: dict[str, JsonValue] = {
            "type": "tool_call",
            "function": {"name": tool.name, "content": arguments},
            "context": {
                "externalUserId": scope.person,
                "metadata": dict(scope.metadata),
                "callSource": _CALL_SOURCES.get(scope.origin, _OTHER_SOURCE),
                "conversationToken": scope.conversation_id,
                "moment": datetime.now(UTC).isoformat(timespec="seconds"),
            },
        }
        headers = {
            **tool.headers,
            "Content-Type": "application/json",
            NONCE_HEADER: await self._nonce_of(scope.caller),
        }
        response = await self._post(tool, orjson.dumps(body), headers)
        if not response.is_success:
            log.warning("callback.refused", function=tool.name, status=response.status_code)
            raise ProviderError(_FAILED, code="callback_failed")
        return Fetched(response.content, response.headers.get("content-type")).text

    async def _post(self, tool: CallbackTool, body: bytes, headers: dict[str, str]) -> httpx.Response:
        response = await self._once(tool, tool.url, body, headers)
        url = tool.url
        for _ in range(_MOST_REDIRECTS):
            target = response.headers.get("location")
            if response.status_code not in _SAME_BODY or target is None:
                break
            further = urljoin(url, target)
            if urlsplit(further)[:2] != urlsplit(url)[:2]:
                # The headers hold keys, and the nonce is meant for this server alone.
                log.warning("callback.redirected_elsewhere", function=tool.name)
                break
            url = further
            response = await self._once(tool, url, body, headers)
        return response

    async def _once(
        self, tool: CallbackTool, url: str, body: bytes, headers: dict[str, str]
    ) -> httpx.Response:
        try:
            return await self._client.post(url, content=body, headers=header_lines(headers))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            log.warning("callback.unreachable", function=tool.name, error=type(error).__name__)
            raise ProviderError(_FAILED, code="callback_failed") from error
        except DragomanError as error:
            log.warning("callback.failed", function=tool.name, code=error.code, reason=error.detail)
            raise


@dataclass(frozen=True, slots=True)
class CallbackFunction:
    """One function in one scope."""

    tool: CallbackTool
    scope: ToolScope
    client: CallbackClient
    owner: str

    @property
    def risk(self) -> Risk:
        """What it can do to the world."""
        return "outside"

    @property
    def spec(self) -> ToolSpec:
        """The tool as the model sees it; address and headers are not part of it."""
        parameters = self.tool.parameters
        return ToolSpec(
            self.tool.name,
            self.tool.description,
            parameters if isinstance(parameters, dict) and parameters else _NO_ARGUMENTS,
        )

    async def call(self, arguments: JsonObject) -> ToolResult:
        """The function's answer, verbatim.

        Raises:
            DragomanError: it failed.
        """
        return ToolResult(await self.client.call(self.scope, self.tool, arguments))


class CallbackFunctions:
    """Gives an agent its functions."""

    def __init__(self, client: CallbackClient, listings: Listings) -> None:
        self._client = client
        self._listings = listings

    async def tools(self, scope: ToolScope) -> Sequence[ServerTool]:
        """The functions for this scope.

        Raises:
            ProviderError: a list of functions cannot be read.
        """
        own = [
            CallbackFunction(tool, scope, self._client, f"the agent's function {tool.name!r}")
            for tool in scope.tools.callbacks
        ]
        for url in scope.tools.callback_sources:
            listed = await self._listings.functions(scope.caller, url)
            host = urlsplit(url).hostname
            own += [
                CallbackFunction(tool, scope, self._client, f"the function source at {host}")
                for tool in listed
            ]
        return own
