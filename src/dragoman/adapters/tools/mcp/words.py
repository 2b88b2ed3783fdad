"""What a server is told of a call, in the words that servers of agents know."""

from collections.abc import Awaitable, Callable
from datetime import datetime

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.tools.model import ToolScope
from dragoman.kit.jsontypes import JsonObject, JsonValue

_RESERVED = "_aiv"
_SOURCES = {"api": "ChatCompletionsApi", "chat": "WebChatClient", "mcp": "McpClient"}
_OTHER_SOURCE = "IntegrationBot"

NonceOf = Callable[[Caller], Awaitable[str]]


def telling(nonce: NonceOf) -> Callable[[ToolScope], Awaitable[JsonObject]]:
    """A function that tells of a call: who calls, for whom, from where, and the metadata of the request."""

    async def about(scope: ToolScope) -> JsonObject:
        own: dict[str, JsonValue] = {
            name: value
            for name, value in scope.metadata.items()
            # Metadata must neither pass for the server's own words nor for the protocol's.
            if not name.startswith((_RESERVED, "io.modelcontextprotocol/")) and name != "progressToken"
        }
        return {
            **own,
            f"{_RESERVED}_nonce": await nonce(scope.caller),
            f"{_RESERVED}_external_user_id": scope.person,
            f"{_RESERVED}_call_source": _SOURCES.get(scope.origin, _OTHER_SOURCE),
            f"{_RESERVED}_conversation_token": scope.conversation_id,
            f"{_RESERVED}_moment": datetime.now().astimezone().isoformat(timespec="microseconds"),
        }

    return about
