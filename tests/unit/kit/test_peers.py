"""Where a call came from, with and without proxies whose word is taken."""

from typing import Any

import pytest

from dragoman.kit.peers import TrustedProxies, visitor_of

LISTED = TrustedProxies.parse(["10.0.0.0/8", "127.0.0.1", "fd00::/8"])


def called(peer: str, *forwarded: tuple[str, str], kind: str = "http") -> dict[str, Any]:
    headers = [(name.encode(), value.encode()) for name, value in forwarded]
    return {"type": kind, "client": (peer, 4711), "scheme": "http", "headers": headers}


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("10.1.2.3", "203.0.113.9", "203.0.113.9"),
        ("10.1.2.3", "6.6.6.6, 203.0.113.9", "203.0.113.9"),
        ("10.1.2.3", "6.6.6.6, 203.0.113.9, 10.9.9.9", "203.0.113.9"),
        ("10.1.2.3", "203.0.113.9:5050", "203.0.113.9"),
        ("10.1.2.3", "[2001:db8::7]:443", "2001:db8::7"),
        ("::ffff:10.1.2.3", "203.0.113.9", "203.0.113.9"),
        ("10.1.2.3", "nonsense", "10.1.2.3"),
        ("10.1.2.3", "203.0.113.9, unknown", "10.1.2.3"),
        ("10.1.2.3", "", "10.1.2.3"),
        ("198.51.100.1", "203.0.113.9", "198.51.100.1"),
    ],
)
def test_only_a_listed_proxy_tells_where_a_call_came_from(peer: str, forwarded: str, client: str) -> None:
    scope = called(peer, ("x-forwarded-for", forwarded))
    LISTED.resolve(scope)
    assert scope["client"][0] == client


def test_several_headers_are_one_list() -> None:
    scope = called("10.1.1.1", ("x-forwarded-for", "6.6.6.6"), ("X-Forwarded-For", "203.0.113.9"))
    LISTED.resolve(scope)
    assert scope["client"][0] == "203.0.113.9"


@pytest.mark.parametrize(("kind", "scheme"), [("http", "https"), ("websocket", "wss")])
def test_a_listed_proxy_tells_how_it_was_called(kind: str, scheme: str) -> None:
    scope = called("127.0.0.1", ("x-forwarded-proto", "https"), kind=kind)
    LISTED.resolve(scope)
    assert scope["scheme"] == scheme
    stranger = called("203.0.113.9", ("x-forwarded-proto", "https"), kind=kind)
    LISTED.resolve(stranger)
    assert stranger["scheme"] == "http"


def test_nobody_is_believed_when_nobody_is_listed() -> None:
    scope = called("127.0.0.1", ("x-forwarded-for", "203.0.113.9"))
    TrustedProxies(()).resolve(scope)
    assert scope["client"] == ("127.0.0.1", 4711)


@pytest.mark.parametrize("entry", ["proxy.example.org", "10.0.0.0/99", ""])
def test_a_list_holds_addresses_and_networks_only(entry: str) -> None:
    with pytest.raises(ValueError):
        TrustedProxies.parse([entry])


@pytest.mark.parametrize(
    ("address", "visitor"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("local", "local"),
    ],
)
def test_a_visitor_is_known_by_what_they_cannot_change(address: str, visitor: str) -> None:
    assert visitor_of(address) == visitor
