"""Stopping without a failed request: say that nobody should come any more, serve who comes all the same, then end."""

import asyncio
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import structlog
import uvicorn

from dragoman.kit.asgi import Application, Message, Receive, Scope, Send
from dragoman.settings import Settings

log = structlog.get_logger(__name__)

_KEEP_ALIVE_SECONDS = 75
_SOCKET_BYTES = 16 * 1024 * 1024
_CLOSE = (b"connection", b"close")


class Drain:
    """Whether the server is about to stop. ``reasons`` is what its readiness says."""

    def __init__(self) -> None:
        self.begun = False

    def reasons(self) -> list[str]:
        """Why no more requests should come."""
        return ["The server is being stopped."] if self.begun else []


class DrainedApplication:
    """The application; while the server is about to stop every answer ends its connection, so that clients go elsewhere."""

    def __init__(self, application: Application, drain: Drain) -> None:
        self._application = application
        self._drain = drain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return

        async def closing(message: Message) -> None:
            if self._drain.begun and message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), _CLOSE]
            await send(message)

        await self._application(scope, receive, closing)


class DrainingServer(uvicorn.Server):
    """A uvicorn server that tells when it listens, drains at SIGTERM, and leaves ending the process to its caller.

    Args:
        drain_seconds: between SIGTERM and the end of listening; a second signal, or SIGINT, ends it at once.
    """

    def __init__(self, config: uvicorn.Config, drain: Drain, *, drain_seconds: float) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()
        self._drain = drain
        self._drain_seconds = drain_seconds

    async def startup(self, sockets: object = None) -> None:
        """Listens, then tells."""
        await super().startup(sockets=sockets)  # pyright: ignore[reportArgumentType]
        self.listening.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stops serving at SIGINT and SIGTERM; uvicorn's own raises them again before anything is closed."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self.handle_exit, signal.SIGINT, None)
        loop.add_signal_handler(signal.SIGTERM, self._terminate)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    def port(self) -> int:
        """The port that was taken."""
        return int(self.servers[0].sockets[0].getsockname()[1])

    def _terminate(self) -> None:
        if self._drain.begun or self._drain_seconds <= 0:
            self._drain.begun = True
            self.handle_exit(signal.SIGTERM, None)
            return
        self._drain.begun = True
        log.info("server.draining", seconds=self._drain_seconds)
        asyncio.get_running_loop().call_later(self._drain_seconds, self.handle_exit, signal.SIGTERM, None)


def make_server(
    application: Application,
    settings: Settings,
    drain: Drain,
    *,
    port: int,
    drain_seconds: float,
    connection: Mapping[str, Any] | None = None,
) -> DrainingServer:
    """The server of an application at the settings' host; ``connection`` is what it is told of encryption."""
    config = uvicorn.Config(
        DrainedApplication(application, drain),
        interface="asgi3",
        host=settings.server.host,
        port=port,
        ws="websockets-sansio",
        ws_max_size=_SOCKET_BYTES,
        # Sound grows no smaller by it, and there are a hundred pieces of sound a second in a conversation.
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=settings.machines.grace_seconds,
        **{"http": "httptools", **(connection or {})},
    )
    return DrainingServer(config, drain, drain_seconds=drain_seconds)
