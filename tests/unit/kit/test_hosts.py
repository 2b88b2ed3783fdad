"""Patterns of host names."""

import pytest

from dragoman.kit.hosts import HostPatterns


@pytest.mark.parametrize(
    ("pattern", "host", "matches"),
    [
        ("example.com", "example.com", True),
        ("Example.com.", "EXAMPLE.com", True),
        ("example.com", "a.example.com", False),
        ("example.com", "notexample.com", False),
        ("*.example.com", "a.b.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "badexample.com", False),
        ("*", "anything", True),
        ("127.0.0.1", "127.0.0.1", True),
    ],
)
def test_hosts_are_matched_by_whole_labels(pattern: str, host: str, matches: bool) -> None:
    assert HostPatterns([pattern]).match(host) is matches


@pytest.mark.parametrize(
    "pattern", ["", "http://example.com", "a b", "*example.com", "a.*.b", "example.com:443", "-a"]
)
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="neither a host name"):
        HostPatterns([pattern])


def test_no_patterns_match_nothing() -> None:
    assert not HostPatterns([])
    assert not HostPatterns([]).match("example.com")
