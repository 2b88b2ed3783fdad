import ipaddress

import pytest

from dragoman.kit.addresses import AllowList, is_disguised_address, is_public, parse_address

INNER = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.254", "127.0.0.1",
    "127.8.8.8",
    "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.0.170", "192.0.2.1", "192.88.99.1",
    "192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.7", "203.0.113.9", "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1", "255.255.255.255",
    "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1",
    "64:ff9b::808:808", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::",
    "2002:808:808::1",
    "3fff::1", "5f00::1", "fc00::1", "fd12:3456::1", "fe80::1", "fec0::1", "ff02::1", "ff0e::1",
]  # fmt: skip
OUTER = ["1.1.1.1", "8.8.8.8", "93.184.216.34", "100.63.0.1", "172.32.0.1", "2606:4700::1111", "2a00:1450::1"]


@pytest.mark.parametrize("text", INNER)
def test_an_address_that_is_not_of_the_open_internet_is_not_public(text: str) -> None:
    assert not is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", OUTER)
def test_an_address_of_the_open_internet_is_public(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "0x7f.1",
        "127.0.0.0x1",
        "1",
        "fe80::1%eth0",
        "[::1%25lo]",
    ],
)
def test_a_name_that_resolvers_may_read_as_an_address_is_found_out(host: str) -> None:
    assert parse_address(host) is None
    assert is_disguised_address(host)


@pytest.mark.parametrize(
    "host", ["example.org", "1password.com", "10.example", "127.0.0.1", "::1", "a.b-c.de"]
)
def test_plain_names_and_plainly_spelled_addresses_are_not_disguised(host: str) -> None:
    assert not is_disguised_address(host)


def test_an_allow_list_knows_names_patterns_and_networks() -> None:
    allow = AllowList.parse(
        ["Hooks.Example.org", "*.inner.example", "10.1.0.0/16", "192.168.7.7", "fd00::/8"]
    )
    assert allow.has_name("hooks.example.ORG.")
    assert allow.has_name("a.b.inner.example")
    assert not allow.has_name("inner.example")
    assert not allow.has_name("evilhooks.example.org")
    assert not allow.has_name("hooks.example.org.evil.example")
    assert allow.has_address(ipaddress.ip_address("10.1.2.3"))
    assert allow.has_address(ipaddress.ip_address("fd12::1"))
    assert not allow.has_address(ipaddress.ip_address("10.2.0.1"))
    assert not allow.has_address(ipaddress.ip_address("192.168.7.8"))


@pytest.mark.parametrize(
    "entry", ["http://a.example", "a b", "", "10.0.0.0/33", "*", "127.1", "a.example:80", "*.*.x"]
)
def test_an_allow_list_refuses_what_is_neither_a_host_nor_a_network(entry: str) -> None:
    with pytest.raises(ValueError, match="neither a host name"):
        AllowList.parse([entry])
