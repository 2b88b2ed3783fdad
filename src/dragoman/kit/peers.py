"""Who calls: the peer of a connection, or where a proxy in front of this server says that the call came from."""

import ipaddress
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any

from dragoman.kit.addresses import Network, parse_address

_V6_SITE = 64


class TrustedProxies:
    """The proxies whose word is taken for where a call came from.

    Only ``X-Forwarded-For`` and ``X-Forwarded-Proto`` are read, only from a listed peer, and the first from its end: what a
    client itself put before the proxy's own entry counts for nothing.
    """

    def __init__(self, networks: Iterable[Network]) -> None:
        self._networks = tuple(networks)

    @classmethod
    def parse(cls, entries: Iterable[str]) -> "TrustedProxies":
        """The proxies that the entries spell: addresses, and networks such as 10.0.0.0/8.

        Raises:
            ValueError: an entry is neither.
        """
        return cls(ipaddress.ip_network(entry.strip(), strict=False) for entry in entries)

    def include(self, scope: Mapping[str, Any]) -> bool:
        """Whether a listed proxy itself has opened the connection of an ASGI scope that was not resolved yet."""
        client = scope.get("client")
        return bool(client) and self._lists(str(client[0]))

    def resolve(self, scope: MutableMapping[str, Any]) -> None:
        """Sets ``client`` and ``scheme`` of an ASGI scope to those of who called the outermost listed proxy."""
        client = scope.get("client")
        if not self._networks or not client or not self._lists(str(client[0])):
            return
        headers = _forwarded(scope)
        for entry in reversed(headers["x-forwarded-for"].split(",")):
            address = _bare(entry)
            if address is None:
                break
            scope["client"] = (address, 0)
            if not self._lists(address):
                break
        scheme = headers["x-forwarded-proto"].rpartition(",")[2].strip().lower()
        if scheme in ("http", "https"):
            secure = scheme == "https"
            sockets = (
                {False: "ws", True: "wss"} if scope["type"] == "websocket" else {False: "http", True: "https"}
            )
            scope["scheme"] = sockets[secure]

    def _lists(self, host: str) -> bool:
        address = parse_address(host)
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return address is not None and any(address in network for network in self._networks)


def visitor_of(address: str) -> str:
    """What a visitor cannot change at will: an IPv4 address, of an IPv6 address the network that one line is given."""
    found = parse_address(address)
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.IPv6Network((found, _V6_SITE), strict=False))
    return address


def _forwarded(scope: Mapping[str, Any]) -> dict[str, str]:
    found = {"x-forwarded-for": "", "x-forwarded-proto": ""}
    for raw, value in scope.get("headers", ()):
        name = raw.decode("latin-1").lower()
        if name in found:
            found[name] += ("," if found[name] else "") + value.decode("latin-1")
    return found


def _bare(entry: str) -> str | None:
    """The address of an entry, without a port."""
    text = entry.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    address = parse_address(text)
    return None if address is None else str(address)
