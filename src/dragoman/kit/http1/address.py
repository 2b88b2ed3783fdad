"""From a URL to where it leads."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias
from urllib.parse import urlsplit

from dragoman.kit.addresses import parse_address
from dragoman.kit.http1.failures import ConnectFailed

# From host and port to the addresses to connect to, in order. What it raises reaches the caller.
Resolver: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port: what connections are kept for."""

    scheme: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Address:
    """A URL taken apart. ``head`` is the rest of the request line with the Host header."""

    origin: Origin
    head: bytes


@lru_cache(maxsize=1024)
def parse_url(url: str) -> Address:
    """Where the URL leads.

    Raises:
        ValueError: it is not a plain http(s) URL.
    """
    if not url.isascii() or any(character <= " " or character == "\x7f" for character in url):
        raise ValueError("a URL holds neither spaces, control characters nor letters beyond ASCII")
    parts = urlsplit(url)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise ValueError("only http:// and https:// URLs with a host can be called")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a URL carries no user name or password")
    origin = Origin(parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS[parts.scheme])
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Address(origin, f" {target} HTTP/1.1\r\nhost: {parts.netloc}\r\n".encode("ascii"))


async def system_resolver(host: str, port: int) -> list[str]:
    """The addresses this machine's resolver gives; an address spelled out is its own.

    Raises:
        ConnectFailed: the name has none.
    """
    if parse_address(host) is not None:
        return [host]
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ConnectFailed(f"The host name {host!r} cannot be resolved.") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
