"""Patterns of host names."""

import re
from collections.abc import Iterable

_PATTERN = re.compile(r"(\*\.)?([a-z0-9_]([a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?|\*")


class HostPatterns:
    """Which hosts are meant: ``example.com`` itself, ``*.example.com`` all below it, ``*`` every one.

    Args:
        patterns: as an operator writes them.

    Raises:
        ValueError: one of them is no such pattern.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        self._patterns = tuple(pattern.strip().lower().rstrip(".") for pattern in patterns)
        for pattern in self._patterns:
            if _PATTERN.fullmatch(pattern) is None:
                raise ValueError(f"{pattern!r} is neither a host name nor one that begins with '*.'")

    def __bool__(self) -> bool:
        return bool(self._patterns)

    def match(self, host: str) -> bool:
        """Whether the host is one of them."""
        name = host.lower().rstrip(".")
        return any(_matches(pattern, name) for pattern in self._patterns)


def _matches(pattern: str, name: str) -> bool:
    if pattern == "*":
        return True
    return name.endswith(pattern[1:]) if pattern.startswith("*.") else name == pattern
