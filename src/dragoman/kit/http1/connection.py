"""One HTTP/1.1 connection, and the response that is being read from it."""

import asyncio
import socket
from collections import deque
from collections.abc import AsyncIterator
from typing import Protocol, cast

import httptools

from dragoman.kit.http1.failures import BodyTooLarge, ConnectionBroken, HttpError

# A reader that lags by more than the high mark stops the other side; below the low mark it may go on.
_HIGH_MARK_BYTES = 256 * 1024
_LOW_MARK_BYTES = 64 * 1024
_MAXIMUM_HEAD_BYTES = 64 * 1024
_MAXIMUM_HEADERS = 200
_BODYLESS = (204, 304)


class Owner(Protocol):
    """What a connection reports to."""

    def freed(self, connection: "Connection") -> None:
        """An exchange ended well; the connection can carry the next one."""
        ...

    def lost(self, connection: "Connection") -> None:
        """The connection is closed."""
        ...


class Response:
    """Status and headers of an answer, and its body as it comes: a piece a read, nothing merged or held back.

    Read it to its end or close it; as a context manager it closes itself.
    """

    __slots__ = (
        "_connection",
        "_fragments",
        "_paused",
        "_pieces",
        "_queued_bytes",
        "_waiter",
        "complete",
        "failure",
        "headers",
        "headless",
        "heard",
        "quiet_since",
        "ready",
        "status",
        "stirred",
    )

    def __init__(self, connection: "Connection", *, headless: bool) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.ready = False
        self.complete = False
        self.heard = False
        self.headless = headless
        self.stirred = True
        self.quiet_since = 0.0
        self.failure: HttpError | None = None
        self._connection = connection
        self._pieces: deque[bytes] = deque()
        self._fragments: list[bytes] = []
        self._queued_bytes = 0
        self._paused = False
        self._waiter: asyncio.Future[None] | None = None

    def header(self, name: bytes) -> bytes | None:
        """The first header of that lower-case name."""
        for known, value in self.headers:
            if known == name:
                return value
        return None

    async def next_piece(self) -> bytes:
        """The next bytes of the body, empty at its end.

        Raises:
            HttpError: the body broke off; the pieces before came first.
        """
        pieces = self._pieces
        while not pieces:
            if self.complete:
                return b""
            if self.failure is not None:
                raise self.failure
            await self.changed()
        piece = pieces.popleft()
        self._queued_bytes -= len(piece)
        if self._paused and self._queued_bytes <= _LOW_MARK_BYTES:
            self._resume()
        return piece

    async def read(self, limit: int) -> bytes:
        """The whole body.

        Raises:
            BodyTooLarge: it is above ``limit`` bytes; the connection is closed.
            HttpError: it broke off.
        """
        pieces: list[bytes] = []
        size = 0
        while piece := await self.next_piece():
            size += len(piece)
            if size > limit:
                self.close()
                raise BodyTooLarge(f"The answer is larger than {limit} bytes.")
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def changed(self) -> None:
        """Waits until something came or the exchange ended; cancelling closes the connection at once."""
        waiter = self._waiter = self._connection.loop.create_future()
        try:
            await waiter
        except asyncio.CancelledError:
            self.close()
            raise
        finally:
            self._waiter = None

    def close(self) -> None:
        """Ends an unfinished exchange at once by closing its connection; nothing to do after the end."""
        if not self.complete and self.failure is None:
            self._connection.abort("The reader closed the exchange.")

    def __enter__(self) -> "Response":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        piece = await self.next_piece()
        if not piece:
            raise StopAsyncIteration
        return piece

    @property
    def waiting(self) -> bool:
        """Whether silence is the other side's doing: not while we keep it from sending."""
        return not self._paused

    def add(self, fragment: bytes) -> None:
        """Takes a part of the body out of the read under way."""
        self._fragments.append(fragment)

    def flush(self) -> None:
        """Ends a read: its parts become one piece, and the reader goes on."""
        fragments = self._fragments
        if fragments:
            piece = fragments[0] if len(fragments) == 1 else b"".join(fragments)
            fragments.clear()
            self._pieces.append(piece)
            self._queued_bytes += len(piece)
            if self._queued_bytes > _HIGH_MARK_BYTES and not self._paused:
                self._paused = True
                self._connection.pause()
        self.wake()

    def wake(self) -> None:
        """Lets the reader look again."""
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def fail(self, failure: HttpError) -> None:
        """Ends the exchange badly."""
        if not self.complete and self.failure is None:
            self.failure = failure
            self.wake()

    def _resume(self) -> None:
        self._paused = False
        self.stirred = True
        if not self.complete and self.failure is None:
            self._connection.resume()


class Connection(asyncio.Protocol):
    """Carries one exchange at a time."""

    def __init__(self, owner: Owner, loop: asyncio.AbstractEventLoop) -> None:
        # Kept, because asking for the running loop costs a system call each time.
        self.loop = loop
        self.idle_since: float | None = None
        self.response: Response | None = None
        self.closed = False
        self._owner = owner
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._head_bytes = 0
        self._header_bytes = 0
        self._informational = False
        self._until_close = False
        self._keep_alive = False
        self._unsent_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Small writes leave at once, and a peer that vanished is noticed."""
        self._transport = cast("asyncio.Transport", transport)
        raw = transport.get_extra_info("socket")
        if raw is not None and raw.family in (socket.AF_INET, socket.AF_INET6):
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    @property
    def usable(self) -> bool:
        """Whether a next request may be sent on it."""
        transport = self._transport
        return transport is not None and not self.closed and not transport.is_closing()

    def send(self, request: bytes, body: bytes, *, headless: bool) -> Response:
        """Starts an exchange; ``headless`` when the method's answers carry no body."""
        assert self._transport is not None
        assert self.response is None
        response = self.response = Response(self, headless=headless)
        self._head_bytes = 0
        self._header_bytes = 0
        self._until_close = False
        self._keep_alive = False
        if len(body) > _LOW_MARK_BYTES:
            self._transport.write(request)
            self._transport.write(body)
        else:
            self._transport.write(request + body)
        return response

    def sending(self) -> bool:
        """Whether the request is still leaving, and has moved since the last look."""
        assert self._transport is not None
        before, self._unsent_bytes = self._unsent_bytes, self._transport.get_write_buffer_size()
        return self._unsent_bytes != before

    def pause(self) -> None:
        """Stops reading."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        """Reads on."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def abort(self, reason: str) -> None:
        """Closes at once; an exchange under way fails with the reason."""
        self._fail(ConnectionBroken(reason, answered=self.response is not None and self.response.heard))

    def expire(self, failure: HttpError) -> None:
        """Closes at once, failing the exchange under way."""
        self._fail(failure)

    def _fail(self, failure: HttpError) -> None:
        response, self.response = self.response, None
        if response is not None:
            response.fail(failure)
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Feeds the parser; whatever the read brought becomes one piece."""
        response = self.response
        if response is None:
            self.abort("The other side spoke unasked.")
            return
        response.heard = response.stirred = True
        if not response.ready:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            response.flush()
            self.abort("The answer is not HTTP/1.1 as it should be.")
            return
        if not response.ready and self._head_bytes > _MAXIMUM_HEAD_BYTES:
            self.abort("The answer's headers are too large.")
            return
        response.flush()
        if response.complete:
            self._finish()

    def _finish(self) -> None:
        assert self._transport is not None
        response, self.response = self.response, None
        reusable = self._keep_alive and not self._transport.get_write_buffer_size()
        if reusable and response is not None and not response.headless and self.usable:
            if not response.waiting:
                self.resume()
            self._owner.freed(self)
        else:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """A body that lasts until the end of the connection is whole now; any other exchange failed."""
        self.closed = True
        response, self.response = self.response, None
        if response is not None:
            if response.ready and self._until_close and exc is None:
                response.complete = True
                response.wake()
            else:
                response.fail(
                    ConnectionBroken("The other side closed the connection.", answered=response.heard)
                )
        self._owner.lost(self)

    # Called by the parser.

    def on_message_begin(self) -> None:
        response = self.response
        if response is not None and response.complete:
            raise ValueError("a second answer to one request")

    def on_header(self, name: bytes, value: bytes) -> None:
        response = self.response
        if response is None or response.ready:
            return  # trailers
        self._header_bytes += len(name) + len(value)
        if len(response.headers) >= _MAXIMUM_HEADERS or self._header_bytes > _MAXIMUM_HEAD_BYTES:
            raise ValueError("too many headers")
        response.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        response = self.response
        if response is None:
            return
        status = self._parser.get_status_code()
        self._informational = 100 <= status < 200
        if self._informational:
            response.headers.clear()
            return
        response.status = status
        response.ready = True
        if response.headless:
            response.complete = True
        elif status not in _BODYLESS:
            names = [name for name, _ in response.headers]
            self._until_close = b"content-length" not in names and b"transfer-encoding" not in names

    def on_body(self, body: bytes) -> None:
        response = self.response
        if response is not None:
            response.add(body)

    def on_message_complete(self) -> None:
        response = self.response
        if response is not None and not self._informational:
            response.complete = True
            # The parser knows only here: behind the message it has forgotten the headers.
            self._keep_alive = self._parser.should_keep_alive()
