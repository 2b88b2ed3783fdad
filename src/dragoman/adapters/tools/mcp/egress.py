"""The egress guard for the MCP SDK, whose HTTP client is not the one the rest of the program uses."""

import asyncio
from collections.abc import AsyncIterator
from ssl import SSLContext

import httpx2

from dragoman.kit.addresses import Address, parse_address
from dragoman.kit.egress import EgressPolicy, Resolver, parse_url, resolve_checked
from dragoman.kit.errors import DragomanError, ProviderError, TooLarge

_DEFAULT_PORTS = {"http": 80, "https": 443}
_TRIED_ADDRESSES = 4
_FAREWELL_SECONDS = 2.0


class _BoundedStream(httpx2.AsyncByteStream):
    """A body that ends in an error when it grows beyond its bound."""

    def __init__(self, inner: httpx2.AsyncByteStream, transport: "GuardedTransport", max_bytes: int) -> None:
        self._inner = inner
        self._transport = transport
        self._left = max_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._inner:
            self._left -= len(piece)
            if self._left < 0:
                raise self._transport.failed(
                    TooLarge("The MCP server sent more than is taken from one.", code="answer_too_large")
                )
            yield piece

    async def aclose(self) -> None:
        await self._inner.aclose()


class GuardedTransport(httpx2.AsyncBaseTransport):
    """Checks each request, so each redirect as well; connects to the address that was checked; bounds each answer.

    The SDK turns many failures into texts of its own: ``failure`` and ``status`` keep what really happened.

    Args:
        tls: what certificates are checked against.
    """

    def __init__(self, policy: EgressPolicy, *, resolver: Resolver, tls: SSLContext, max_bytes: int) -> None:
        self._policy = policy
        self._resolver = resolver
        self._max_bytes = max_bytes
        # One server a transport: a kept connection is never found by another name.
        self._inner = httpx2.AsyncHTTPTransport(
            verify=tls, trust_env=False, limits=httpx2.Limits(max_connections=16, max_keepalive_connections=4)
        )
        self.failure: DragomanError | None = None
        self.status: int | None = None

    def failed(self, error: DragomanError) -> DragomanError:
        """Keeps the first failure."""
        self.failure = self.failure or error
        return error

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The answer, its body still to be read within the bound.

        Raises:
            DragomanError: the policy refuses the address, or there is no connection to it.
        """
        try:
            # Ending a session is a courtesy that nobody waits for.
            async with asyncio.timeout(_FAREWELL_SECONDS if request.method == "DELETE" else None):
                response = await self._answer(request)
        except TimeoutError as error:
            raise self._failed(request, _unreachable(httpx2.ReadTimeout("no answer"))) from error
        except DragomanError as error:
            raise self._failed(request, error) from None
        except httpx2.TransportError as error:
            raise self._failed(request, _unreachable(error)) from error
        if request.method == "POST":
            self.status = response.status_code
        return response

    def _failed(self, request: httpx2.Request, error: DragomanError) -> DragomanError:
        # A server's own stream of news may break at any time; what fails a call is a POST.
        return self.failed(error) if request.method == "POST" else error

    async def _answer(self, request: httpx2.Request) -> httpx2.Response:
        url = parse_url(str(request.url))
        host = url.raw_host.decode("ascii")
        port = url.port or _DEFAULT_PORTS[url.scheme]
        addresses = await resolve_checked(self._policy, host, port, resolver=self._resolver)
        response = await self._sent(request, addresses)
        if response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            await response.aclose()
            raise ProviderError(
                "The MCP server sent a compressed answer, which was not asked for.", code="answer_compressed"
            )
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        return httpx2.Response(
            response.status_code,
            headers=response.headers,
            stream=_BoundedStream(response.stream, self, self._max_bytes),
            extensions=response.extensions,
        )

    async def _sent(self, request: httpx2.Request, addresses: tuple[Address, ...]) -> httpx2.Response:
        tried = addresses[:_TRIED_ADDRESSES]
        for address in tried[:-1]:
            try:
                return await self._inner.handle_async_request(_pinned(request, address))
            except httpx2.ConnectError:
                continue  # nothing was sent, so the next address is as good
        return await self._inner.handle_async_request(_pinned(request, tried[-1]))

    async def aclose(self) -> None:
        await self._inner.aclose()


def _unreachable(error: httpx2.TransportError) -> ProviderError:
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout):
        return ProviderError(
            f"There is no connection to the MCP server ({type(error).__name__}).",
            retryable=True,
            code="mcp_unreachable",
        )
    return ProviderError(
        f"The connection to the MCP server broke off ({type(error).__name__}).", code="mcp_broke_off"
    )


def _pinned(request: httpx2.Request, address: Address) -> httpx2.Request:
    headers = request.headers.copy()
    headers["Host"] = request.url.netloc.decode("ascii")
    headers["Accept-Encoding"] = "identity"
    extensions = dict(request.extensions)
    if parse_address(request.url.host) is None:
        extensions["sni_hostname"] = request.url.raw_host.decode("ascii")
    assert isinstance(request.stream, httpx2.AsyncByteStream)
    return httpx2.Request(
        request.method,
        request.url.copy_with(host=str(address)),
        headers=headers,
        stream=request.stream,
        extensions=extensions,
    )
