"""The client: finds or makes a connection, sends the request, hands out the response at its headers."""

import asyncio
import ssl
from collections.abc import Sequence

from dragoman.kit.http1.address import Origin, Resolver, parse_url, system_resolver
from dragoman.kit.http1.connection import Connection, Response
from dragoman.kit.http1.failures import ConnectionBroken
from dragoman.kit.http1.pool import Pool

Headers = Sequence[tuple[bytes, bytes]]


class Http1Client:
    """Keeps connections by origin. Redirects are answers like any other; proxies are not used.

    Args:
        resolver: gives the addresses to connect to; a guard that checks them goes here.
        connect_seconds: for the name, the connection and TLS together, and for a turn when all are busy.
        idle_seconds: the longest silence of the other side while an answer is due.
        keep_seconds: how long an unused connection is kept.
        maximum_connections: by origin.
        tls: replaces the system's trust store.
    """

    def __init__(
        self,
        *,
        resolver: Resolver = system_resolver,
        connect_seconds: float = 10.0,
        idle_seconds: float = 120.0,
        keep_seconds: float = 30.0,
        maximum_connections: int = 1024,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._resolver = resolver
        self._connect_seconds = connect_seconds
        self._idle_seconds = idle_seconds
        self._keep_seconds = keep_seconds
        self._maximum_connections = maximum_connections
        self._tls = tls
        self._pools: dict[Origin, Pool] = {}
        self._sweep_seconds = min(1.0, idle_seconds / 4, keep_seconds / 4)
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False

    async def request(
        self, method: str, url: str, headers: Headers | bytes = (), body: bytes = b""
    ) -> Response:
        """The response, once its headers are there. Cancelling closes the connection at once.

        A kept connection that turns out dead before a byte of the answer is replaced once. ``headers`` are pairs,
        or lines from ``prepare_headers``.

        Raises:
            HttpError: no connection, or it broke before the headers were whole.
            ValueError: not a URL or header that can be sent.
        """
        address = parse_url(url)
        head = _head(method, address.head, headers, body)
        pool = self._pools.get(address.origin) or await self._pool(address.origin)
        headless = method == "HEAD"
        kept = pool.kept()
        if kept is not None:
            try:
                return await self._exchange(kept, head, body, headless=headless)
            except ConnectionBroken as failure:
                if failure.answered:
                    raise
        pool = self._pools.get(address.origin) or await self._pool(address.origin)
        return await self._exchange(await pool.connect(), head, body, headless=headless)

    async def _exchange(
        self, connection: Connection, head: bytes, body: bytes, *, headless: bool
    ) -> Response:
        if self._sweeper is None:
            self._schedule()
        response = connection.send(head, body, headless=headless)
        while not response.ready:
            if response.failure is not None:
                raise response.failure
            await response.changed()
        return response

    async def _pool(self, origin: Origin) -> Pool:
        if self._closed:
            raise ConnectionBroken("The client is closed.", answered=False)
        if origin.scheme == "https" and self._tls is None:
            # Reads the trust store from disk.
            self._tls = await asyncio.to_thread(ssl.create_default_context)
        return self._pools.setdefault(
            origin,
            Pool(
                origin,
                resolver=self._resolver,
                tls=self._tls if origin.scheme == "https" else None,
                maximum=self._maximum_connections,
                connect_seconds=self._connect_seconds,
            ),
        )

    def _schedule(self) -> None:
        self._sweeper = asyncio.get_running_loop().call_later(self._sweep_seconds, self._sweep)

    def _sweep(self) -> None:
        """One timer for all deadlines: a timer a read would cost more than the read."""
        now = asyncio.get_running_loop().time()
        for origin, pool in list(self._pools.items()):
            pool.sweep(now, idle_seconds=self._idle_seconds, keep_seconds=self._keep_seconds)
            if pool.unused:
                del self._pools[origin]
        self._sweeper = None
        if self._pools:
            self._schedule()

    def close(self) -> None:
        """Closes every connection at once; exchanges under way fail."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for pool in self._pools.values():
            pool.close()
        self._pools.clear()


def prepare_headers(headers: Headers) -> bytes:
    """The lines of headers that many requests share, checked once.

    Raises:
        ValueError: a header holds a line break.
    """
    lines: list[bytes] = []
    for name, value in headers:
        if b"\n" in name or b"\n" in value or b"\r" in name or b"\r" in value:
            raise ValueError("a header holds a line break")
        lines += (name, b": ", value, b"\r\n")
    return b"".join(lines)


def _head(method: str, target: bytes, headers: Headers | bytes, body: bytes) -> bytes:
    lines = headers if isinstance(headers, bytes) else prepare_headers(headers)
    if body or method not in ("GET", "HEAD"):
        return b"%b%b%bcontent-length: %d\r\n\r\n" % (method.encode("ascii"), target, lines, len(body))
    return b"%b%b%b\r\n" % (method.encode("ascii"), target, lines)
