"""The guard on addresses that a user gives: a client that cannot be talked into calling the inside of the
network.

A name is resolved once, every address it has is checked, and the connection goes to exactly the address that
was checked, so a name that changes its mind between check and use gains nothing. Host header, SNI and
certificate check keep the name.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import httpx

from dragoman.kit.addresses import (
    Address,
    AllowList,
    is_disguised_address,
    is_loopback_name,
    is_public,
    parse_address,
)
from dragoman.kit.errors import DeadlineExceeded, InvalidInput, ProviderError, TooLarge

Resolver: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]

_RESOLVE_SECONDS = 5.0
_TRIED_ADDRESSES = 4
_DEFAULT_PORTS = {"http": 80, "https": 443}
_MOST_CONNECTIONS = 4096
_DEFAULT_MAX_BYTES = 10 * 1024 * 1024


async def system_resolver(host: str, port: int) -> list[str]:
    """The addresses that this machine's resolver gives for a name.

    Raises:
        ProviderError: the name has none.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_RESOLVE_SECONDS):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, TimeoutError) as error:
        raise ProviderError(
            f"The host name {host!r} cannot be resolved.", retryable=True, code="host_unresolved"
        ) from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _refused(policy: "EgressPolicy", host: str) -> InvalidInput:
    if policy.on_refused is not None:
        policy.on_refused(host)
    # What the name resolves to is not said: that would let a caller map the inside of the network.
    if policy.offline:
        said = f"This server works offline, so {host!r} is not called; the operator can let it through in egress.allow."
    else:
        said = f"The address {host!r} may not be called from here; the operator can let it through in egress.allow."
    return InvalidInput(said, code="egress_refused")


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """What may be called.

    A user's address must be public or let through by ``allow``; offline, only the latter. With ``operator``
    the address comes from the server's own settings: any is fine, and offline those on this machine or let
    through. ``on_refused`` is told each host that is refused.
    """

    allow: AllowList = field(default_factory=AllowList)
    offline: bool = False
    operator: bool = False
    on_refused: Callable[[str], None] | None = field(default=None, compare=False)

    @classmethod
    def parse(
        cls, allow: Iterable[str], *, offline: bool = False, on_refused: Callable[[str], None] | None = None
    ) -> "EgressPolicy":
        """The policy for users' addresses that these settings spell.

        Raises:
            ValueError: an entry of ``allow`` is neither a host nor a network.
        """
        return cls(AllowList.parse(allow), offline, on_refused=on_refused)

    def for_operator(self) -> "EgressPolicy":
        """The same policy for addresses out of the server's own settings."""
        return replace(self, operator=True)

    def for_child(self) -> "EgressPolicy":
        """The same policy for a child process, where nobody is told of what is refused: it can be pickled."""
        return replace(self, on_refused=None)

    @classmethod
    def this_machine(cls) -> "EgressPolicy":
        """Lets nothing be called but this machine, for the server's own child processes."""
        return cls(offline=True, operator=True)

    def permits(self, address: Address) -> bool:
        """Whether the address itself may be called."""
        if self.allow.has_address(address):
            return True
        if self.operator:
            return not self.offline or address.is_loopback
        return not self.offline and is_public(address)

    def refuse_plainly_inner(self, url: str) -> None:
        """Refuses what is no http(s) URL or spells an address that may not be called; no name is looked up, which the guard
        does at each use.

        Raises:
            InvalidInput: it is one of these.
        """
        host = parse_url(url).host
        if self.allow.has_name(host):
            return
        literal = parse_address(host)
        if literal is not None:
            permitted = self.allow.has_address(literal) or is_public(literal)
        else:
            permitted = not (
                is_disguised_address(host) or (is_loopback_name(host) and not self.allow.networks)
            )
        if not permitted:
            raise InvalidInput(
                f"the address {host!r} may not be called from here; the operator can let it through in egress.allow.",
                code="egress_refused",
            )

    def needs_lookup(self, host: str) -> bool:
        """Whether a look-up of the name could lead to a permitted address; asking a name server is a call,
        too.
        """
        if not self.offline or self.allow.has_name(host) or self.allow.networks:
            return True
        return self.operator and is_loopback_name(host)

    async def check_url(self, url: str, resolver: Resolver = system_resolver) -> list[Address]:
        """The addresses that the URL may be called at.

        Raises:
            InvalidInput: the URL is not plain http(s), or the policy refuses what it leads to.
            ProviderError: the host's name cannot be resolved.
        """
        parsed = parse_url(url)
        host = parsed.raw_host.decode("ascii")
        return list(await resolve_checked(self, host, _port(parsed), resolver=resolver))


def parse_url(url: str) -> httpx.URL:
    """The URL, once it is a plain http(s) one with a host and no user name.

    Raises:
        InvalidInput: it is not.
    """
    if any(character <= " " or character in "\\\x7f" for character in url):
        raise InvalidInput("A URL holds no spaces, control characters or backslashes.", code="invalid_url")
    try:
        parsed = httpx.URL(url)
        # Names that are no international ones show only when they are read.
        _ = parsed.host
    except (httpx.InvalidURL, UnicodeError) as error:
        raise InvalidInput("This is not a URL.", code="invalid_url") from error
    if parsed.scheme not in _DEFAULT_PORTS:
        raise InvalidInput("Only http:// and https:// URLs can be called.", code="invalid_url")
    if not parsed.raw_host or parsed.userinfo:
        raise InvalidInput("A URL needs a host and carries no user name or password.", code="invalid_url")
    if parsed.port is not None and not 1 <= parsed.port <= 65_535:
        raise InvalidInput("A URL's port is from 1 to 65535.", code="invalid_url")
    return parsed


def _port(url: httpx.URL) -> int:
    return url.port or _DEFAULT_PORTS[url.scheme]


async def resolve_checked(
    policy: EgressPolicy, host: str, port: int, *, resolver: Resolver = system_resolver
) -> tuple[Address, ...]:
    """The addresses to connect to for this host, at least one; connect to these and not to the name.

    Raises:
        InvalidInput: one of the host's addresses is refused, or the host is an address in disguise.
        ProviderError: the name cannot be resolved.
    """
    literal = parse_address(host)
    if literal is not None:
        if not policy.permits(literal):
            raise _refused(policy, host)
        return (literal,)
    if is_disguised_address(host) or not policy.needs_lookup(host):
        raise _refused(policy, host)
    found = [parse_address(text) for text in await resolver(host, port)]
    addresses = tuple(address for address in found if address is not None)
    if len(addresses) < len(found):
        raise _refused(policy, host)
    if not addresses:
        raise ProviderError(f"The host name {host!r} has no address.", code="host_unresolved")
    if not policy.allow.has_name(host) and not all(policy.permits(address) for address in addresses):
        raise _refused(policy, host)
    return addresses


class _BoundedStream(httpx.AsyncByteStream):
    """A body that ends in an error when it grows or lasts beyond its bounds."""

    def __init__(self, inner: httpx.AsyncByteStream, *, max_bytes: int, deadline: float) -> None:
        self._inner = inner
        self._left = max_bytes
        self._deadline = deadline

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces = aiter(self._inner)
        while True:
            try:
                async with asyncio.timeout_at(self._deadline):
                    piece = await anext(pieces)
            except StopAsyncIteration:
                return
            except TimeoutError as error:
                raise _too_slow() from error
            self._left -= len(piece)
            if self._left < 0:
                raise TooLarge(
                    "The answer of the called address is larger than allowed.", code="answer_too_large"
                )
            yield piece

    async def aclose(self) -> None:
        await self._inner.aclose()


def _too_slow() -> DeadlineExceeded:
    return DeadlineExceeded("The called address did not answer in time.")


class GuardedTransport(httpx.AsyncBaseTransport):
    """Checks each request (so each redirect as well), pins its connection, bounds its answer in size and
    time.
    """

    def __init__(
        self,
        policy: EgressPolicy,
        inner: httpx.AsyncBaseTransport,
        *,
        resolver: Resolver,
        timeout_seconds: float,
        max_bytes: int,
    ) -> None:
        self._policy = policy
        self._inner = inner
        self._resolver = resolver
        self._timeout_seconds = timeout_seconds
        self._max_bytes = max_bytes

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer, its body still to be read within the bounds.

        Raises:
            InvalidInput: the policy refuses the address.
            DeadlineExceeded: no answer in time.
            ProviderError: the name has no address, or the answer is compressed, so that its true size is
                unknown.
        """
        url = parse_url(str(request.url))
        deadline = asyncio.get_running_loop().time() + self._timeout_seconds
        try:
            async with asyncio.timeout_at(deadline):
                host = url.raw_host.decode("ascii")
                addresses = await resolve_checked(self._policy, host, _port(url), resolver=self._resolver)
                response = await self._send(request, addresses)
        except TimeoutError as error:
            raise _too_slow() from error
        if response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            await response.aclose()
            raise ProviderError(
                "The called address sent a compressed answer, which was not asked for.",
                code="answer_compressed",
            )
        assert isinstance(response.stream, httpx.AsyncByteStream)
        body = _BoundedStream(response.stream, max_bytes=self._max_bytes, deadline=deadline)
        return httpx.Response(
            response.status_code, headers=response.headers, stream=body, extensions=response.extensions
        )

    async def _send(self, request: httpx.Request, addresses: tuple[Address, ...]) -> httpx.Response:
        tried = addresses[:_TRIED_ADDRESSES]
        for address in tried[:-1]:
            try:
                return await self._inner.handle_async_request(_pinned(request, address))
            except httpx.ConnectError:
                continue  # nothing was sent, so the next address is as good
        return await self._inner.handle_async_request(_pinned(request, tried[-1]))

    async def aclose(self) -> None:
        await self._inner.aclose()


def _pinned(request: httpx.Request, address: Address) -> httpx.Request:
    headers = request.headers.copy()
    headers["Host"] = request.url.netloc.decode("ascii")
    headers["Accept-Encoding"] = "identity"
    extensions = dict(request.extensions)
    if parse_address(request.url.host) is None:
        extensions["sni_hostname"] = request.url.raw_host.decode("ascii")
    assert isinstance(request.stream, httpx.AsyncByteStream)
    return httpx.Request(
        request.method,
        request.url.copy_with(host=str(address)),
        headers=headers,
        stream=request.stream,
        extensions=extensions,
    )


def guarded_client(
    policy: EgressPolicy,
    *,
    timeout_seconds: float = 30.0,
    max_bytes: int = _DEFAULT_MAX_BYTES,
    follow_redirects: bool = False,
    resolver: Resolver = system_resolver,
    transport: httpx.AsyncBaseTransport | None = None,
) -> httpx.AsyncClient:
    """A client for addresses that users give. The time bounds the whole exchange, the size the answer's body.

    Proxies and certificates of the environment are not used. ``transport`` is what connects; tests give
    their own.
    """
    # A kept connection is found again by its address alone, whatever name its certificate was checked for:
    # keep none. The bound is far above what one server has under way: whoever waits here waits for the slowest host.
    limits = httpx.Limits(max_connections=_MOST_CONNECTIONS, max_keepalive_connections=0)
    inner = transport or httpx.AsyncHTTPTransport(trust_env=False, limits=limits)
    guarded = GuardedTransport(
        policy, inner, resolver=resolver, timeout_seconds=timeout_seconds, max_bytes=max_bytes
    )
    return httpx.AsyncClient(
        transport=guarded,
        timeout=httpx.Timeout(timeout_seconds),
        follow_redirects=follow_redirects,
        max_redirects=5,
        trust_env=False,
    )
