"""Asking an agent's worker: one POST for an event, to an address or to a script. What fails has not allowed anything."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import httpx
import orjson
import structlog

from dragoman.adapters.workers.actions import called, received
from dragoman.adapters.workers.messages import written_message
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.agents.hooks import Called, HookScope, Received
from dragoman.domain.messages.parts import Message
from dragoman.kit.errors import DragomanError, InvalidInput
from dragoman.kit.jsontypes import JsonObject, JsonValue

log = structlog.get_logger(__name__)

WORKER_SECONDS = 10.0
WORKER_BYTES = 1024 * 1024
NONCE_HEADER = "X-Request-Nonce"
_ACTION = "application/json+worker-action"
_ORIGINS = {"api": "ChatCompletionsApi", "chat": "WebChatClient", "mcp": "McpClient"}
_OTHER_ORIGIN = "IntegrationBot"


@dataclass(frozen=True, slots=True)
class Reply:
    """A worker's answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def action(self) -> bytes | None:
        """The body of an action; None for any other answer."""
        kind = next((value for name, value in self.headers.items() if name.lower() == "content-type"), "")
        return self.body if kind.split(";")[0].strip().lower() == _ACTION else None


class Transport(Protocol):
    """A way to a worker."""

    async def post(self, scope: HookScope, body: bytes, headers: Mapping[str, str]) -> Reply:
        """The worker's answer.

        Raises:
            DragomanError: it gave none.
        """
        ...


class RemoteWorkers:
    """Workers at addresses.

    Args:
        client: guarded, without redirects, bounded in time and size.
    """

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def post(self, scope: HookScope, body: bytes, headers: Mapping[str, str]) -> Reply:
        """The worker's answer.

        Raises:
            DragomanError: it gave none.
        """
        try:
            response = await self._client.post(scope.source, content=body, headers=dict(headers))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise InvalidInput(f"the worker cannot be reached ({type(error).__name__})") from error
        return Reply(response.status_code, dict(response.headers), response.content)


class AskedWorkers:
    """Asks workers at addresses and those that are scripts."""

    def __init__(
        self,
        *,
        remote: Transport,
        script: Transport,
        nonce_of: Callable[[Caller], Awaitable[str]],
        seconds: float = WORKER_SECONDS,
    ) -> None:
        self._remote = remote
        self._script = script
        self._nonce_of = nonce_of
        self._seconds = seconds

    async def received(self, scope: HookScope, messages: tuple[Message, ...]) -> Received:
        """What the worker says to the messages that are about to go to the model."""
        data: dict[str, JsonValue] = {"messages": [written_message(message) for message in messages]}
        try:
            reply = await self._asked(scope, "message.received", data)
            action = reply.action
            if action is not None:
                return received(_json(action))
        except (DragomanError, TimeoutError) as error:
            return Received(False, reason=_reason(scope, error))
        return Received(_went_on(reply), reason=_status(reply))

    async def called(self, scope: HookScope, tool: str, arguments: JsonObject) -> Called:
        """What the worker says to a call of one of the server's tools."""
        try:
            reply = await self._asked(scope, "tool.called", {"toolName": tool, "toolArguments": arguments})
            action = reply.action
            if action is not None:
                return called(_json(action))
        except (DragomanError, TimeoutError) as error:
            return Called(False, reason=_reason(scope, error))
        return Called(_went_on(reply), reason=_status(reply))

    async def _asked(self, scope: HookScope, event: str, data: Mapping[str, JsonValue]) -> Reply:
        told = {
            **data,
            "origin": _ORIGINS.get(scope.origin, _OTHER_ORIGIN),
            "externalUserId": scope.person,
            "metadata": dict(scope.metadata),
        }
        body = orjson.dumps(
            {
                "gatewayId": scope.agent_id,
                "moment": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
                "event": {"name": event, "data": told},
            }
        )
        headers = {"Content-Type": "application/json", NONCE_HEADER: await self._nonce_of(scope.caller)}
        remote = scope.source.lower().startswith(("http://", "https://"))
        async with asyncio.timeout(self._seconds):
            return await (self._remote if remote else self._script).post(scope, body, headers)


def _json(data: bytes) -> object:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"the worker's action is no JSON: {error}") from error


def _went_on(reply: Reply) -> bool:
    return 200 <= reply.status < 300


def _status(reply: Reply) -> str:
    return "" if _went_on(reply) else f"the worker answered with status {reply.status}"


def _reason(scope: HookScope, error: DragomanError | TimeoutError) -> str:
    reason = error.detail if isinstance(error, DragomanError) else "the worker did not answer in time"
    log.warning("worker.failed", agent=scope.agent_id, reason=reason)
    return reason
