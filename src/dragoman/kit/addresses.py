"""Which internet addresses a server may be made to call by somebody else's input.

No name is looked up here: this is the pure part of the egress guard.
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_HOST = re.compile(
    r"(?=.{1,253}\Z)(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\Z"
)
_NUMERIC_LABEL = re.compile(r"(0x[0-9a-f]*|[0-9]+)\Z")

_REFUSED_V4 = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local, where clouds serve their metadata
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved and broadcast
    )
)
# Only this block of IPv6 is handed out on the internet; it leaves out loopback, unique-local, link-local,
# multicast, NAT64 and IPv4 in mapped or compatible form.
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
_REFUSED_V6 = tuple(
    ipaddress.IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",
        "2002::/16",  # 6to4 carries an IPv4 address within
        "3fff::/20",
    )
)


def parse_address(host: str) -> Address | None:
    """The address a host spells in its canonical form, with or without the brackets of a URL; None for
    anything else.
    """
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if "%" in host:
        return None
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def is_disguised_address(host: str) -> bool:
    """Whether some resolvers read the name as an address: decimal, octal, hexadecimal or shortened
    (``2130706433``).
    """
    if parse_address(host) is not None:
        return False
    last = host.rstrip(".").rsplit(".", 1)[-1].lower()
    return ":" in host or "%" in host or _NUMERIC_LABEL.match(last) is not None


def is_public(address: Address) -> bool:
    """Whether the address belongs to the open internet, with no room for doubt."""
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not any(address in network for network in _REFUSED_V4)
    return address in _GLOBAL_V6 and not any(address in network for network in _REFUSED_V6)


def is_loopback_name(host: str) -> bool:
    """Whether the name means this machine by definition."""
    name = host.rstrip(".").lower()
    return name == "localhost" or name.endswith(".localhost")


@dataclass(frozen=True, slots=True)
class AllowList:
    """Names and networks the operator lets through. ``*.example.org`` stands for every name below
    example.org.
    """

    names: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, entries: Iterable[str]) -> "AllowList":
        """The list that the entries spell: host names, ``*.`` patterns, addresses, networks in CIDR form.

        Raises:
            ValueError: an entry is none of these.
        """
        names: set[str] = set()
        networks: list[Network] = []
        for entry in entries:
            text = entry.strip().lower().rstrip(".")
            try:
                networks.append(ipaddress.ip_network(text, strict=False))
                continue
            except ValueError:
                pass
            if not _HOST.match(text) or is_disguised_address(text):
                raise ValueError(
                    f"{entry!r} is neither a host name nor an address nor a network such as 10.0.0.0/8"
                )
            names.add(text)
        return cls(frozenset(names), tuple(networks))

    def has_name(self, host: str) -> bool:
        """Whether the name itself is let through, whatever it resolves to."""
        name = host.rstrip(".").lower()
        if name in self.names:
            return True
        labels = name.split(".")
        return any("*." + ".".join(labels[start:]) in self.names for start in range(1, len(labels)))

    def has_address(self, address: Address) -> bool:
        """Whether the address lies in a network that is let through."""
        return any(address in network for network in self.networks)
