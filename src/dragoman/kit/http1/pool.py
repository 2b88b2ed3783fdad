"""The connections to one origin: kept ones first, new ones up to a bound, then waiting in turn."""

import asyncio
import os
import ssl
from collections import deque

from dragoman.kit.http1.address import Origin, Resolver
from dragoman.kit.http1.connection import Connection
from dragoman.kit.http1.failures import ConnectFailed, IdleTimeout, PoolExhausted

_TRIED_ADDRESSES = 4


class Pool:
    """Connections to one origin. Every one is pinned to an address that the resolver gave."""

    def __init__(
        self,
        origin: Origin,
        *,
        resolver: Resolver,
        tls: ssl.SSLContext | None,
        maximum: int,
        connect_seconds: float,
    ) -> None:
        self._origin = origin
        self._resolver = resolver
        self._tls = tls
        self._maximum = maximum
        self._connect_seconds = connect_seconds
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._connecting = 0
        self._waiters: deque[asyncio.Future[None]] = deque()

    def kept(self) -> Connection | None:
        """A kept connection, the most recently used one, or None."""
        while self._idle:
            connection = self._idle.pop()
            connection.idle_since = None
            if connection.usable:
                return connection
        return None

    async def connect(self) -> Connection:
        """A new connection; waits for its turn when the bound is reached, and may then get a kept one.

        Raises:
            PoolExhausted: no turn within the connect deadline.
            ConnectFailed: no address answered within the connect deadline.
        """
        if len(self._open) + self._connecting >= self._maximum and (kept := await self._turn()) is not None:
            return kept
        self._connecting += 1
        try:
            return await self._dial()
        finally:
            self._connecting -= 1
            self._next()

    async def _turn(self) -> Connection | None:
        try:
            async with asyncio.timeout(self._connect_seconds):
                while True:
                    waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                    self._waiters.append(waiter)
                    try:
                        await waiter
                    except asyncio.CancelledError:
                        self._withdraw(waiter)
                        raise
                    if (kept := self.kept()) is not None:
                        return kept
                    if len(self._open) + self._connecting < self._maximum:
                        return None
        except TimeoutError as error:
            raise PoolExhausted(
                f"All {self._maximum} connections to {self._origin.host} are busy."
            ) from error

    def _withdraw(self, waiter: asyncio.Future[None]) -> None:
        if waiter in self._waiters:
            self._waiters.remove(waiter)
        elif waiter.done() and not waiter.cancelled():
            self._next()

    def _next(self) -> None:
        """Wakes who waits first, when there is something to be had."""
        if not self._idle and len(self._open) + self._connecting >= self._maximum:
            return
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    async def _dial(self) -> Connection:
        origin = self._origin
        last: Exception | None = None
        try:
            async with asyncio.timeout(self._connect_seconds):
                addresses = await self._resolver(origin.host, origin.port)
                for address in addresses[:_TRIED_ADDRESSES]:
                    try:
                        return await self._dial_address(address)
                    except OSError as error:
                        last = error
        except TimeoutError as error:
            raise ConnectFailed(
                f"No connection to {origin.host} within {self._connect_seconds:g} s."
            ) from error
        raise ConnectFailed(f"No connection to {origin.host}: {_reason(last)}.") from last

    async def _dial_address(self, address: str) -> Connection:
        origin = self._origin
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            lambda: Connection(self, loop),
            address,
            origin.port,
            ssl=self._tls,
            server_hostname=origin.host if self._tls is not None else None,
        )
        self._open.add(connection)
        if connection.closed:
            self._open.discard(connection)
            raise ConnectionResetError("closed while it was made")
        return connection

    def freed(self, connection: Connection) -> None:
        """Keeps the connection for the next request."""
        connection.idle_since = connection.loop.time()
        self._idle.append(connection)
        if self._waiters:
            self._next()

    def lost(self, connection: Connection) -> None:
        """Forgets the connection."""
        self._open.discard(connection)
        if connection.idle_since is not None:
            connection.idle_since = None
            self._idle.remove(connection)
        self._next()

    @property
    def unused(self) -> bool:
        """Whether nothing is open, being opened or waited for."""
        return not (self._open or self._connecting or self._waiters)

    def sweep(self, now: float, *, idle_seconds: float, keep_seconds: float) -> None:
        """Ends exchanges that have been silent for too long, and kept connections past their time."""
        for connection in list(self._open):
            response = connection.response
            if response is None:
                if connection.idle_since is not None and now - connection.idle_since > keep_seconds:
                    connection.abort("Kept for long enough.")
            elif response.stirred or not response.waiting or connection.sending():
                response.stirred = False
                response.quiet_since = now
            elif now - response.quiet_since >= idle_seconds:
                connection.expire(IdleTimeout(f"{self._origin.host} sent nothing for {idle_seconds:g} s."))

    def close(self) -> None:
        """Closes every connection at once."""
        for connection in list(self._open):
            connection.abort("The client is closed.")
        for waiter in self._waiters:
            waiter.cancel()


def _reason(error: Exception | None) -> str:
    if error is None:
        return "the name has no address"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({error.reason or 'unknown reason'})"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return type(error).__name__
