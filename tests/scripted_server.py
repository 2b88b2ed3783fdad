"""An HTTP/1.1 server on loopback whose every byte a test decides."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import orjson


@dataclass
class Exchange:
    """One request that came, and the way to answer it."""

    head: bytes
    body: bytes
    connection: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    hung_up: bool = False

    async def write(self, data: bytes) -> None:
        """Sends these bytes now."""
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, body: bytes, *, status: str = "200 OK", headers: str = "") -> None:
        """A whole answer with its length."""
        await self.write(f"HTTP/1.1 {status}\r\n{headers}content-length: {len(body)}\r\n\r\n".encode() + body)

    async def json(self, value: object, *, status: str = "200 OK", headers: str = "") -> None:
        """A whole JSON answer."""
        await self.answer(
            orjson.dumps(value), status=status, headers="content-type: application/json\r\n" + headers
        )

    async def begin_stream(self) -> None:
        """The head of an event stream in chunks."""
        await self.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        )

    async def chunk(self, data: bytes) -> None:
        """One HTTP chunk; an empty one ends the body."""
        await self.write(b"%x\r\n%b\r\n" % (len(data), data))

    async def until_hang_up(self) -> None:
        """Waits until the client closes the connection."""
        try:
            while await self.reader.read(65536):
                pass
        except ConnectionError:
            pass
        self.hung_up = True

    def drop(self) -> None:
        """Closes without another word."""
        self.writer.transport.abort()


Handler = Callable[[Exchange], Awaitable[None]]


@dataclass
class ScriptedServer:
    """Calls the handler for every request; ``async with`` starts and stops it."""

    handler: Handler
    tls: ssl.SSLContext | None = None
    exchanges: list[Exchange] = field(default_factory=list)
    connections: int = 0
    closed: int = 0
    port: int = 0

    async def __aenter__(self) -> Self:
        self._tasks: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        number = self.connections
        try:
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                exchange = Exchange(head, await _body(head, reader), number, reader, writer)
                self.exchanges.append(exchange)
                await self.handler(exchange)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except asyncio.CancelledError:
            # Only the end of the test cancels; asyncio's own callback would report it as a failure.
            pass
        finally:
            self.closed += 1
            self._tasks.discard(task)
            writer.transport.abort()


async def _body(head: bytes, reader: asyncio.StreamReader) -> bytes:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return await reader.readexactly(int(value))
    return b""
