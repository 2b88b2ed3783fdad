"""Headers as HTTP carries them: names of token characters, values of one line in Latin-1."""

import re
from collections.abc import Mapping

from dragoman.kit.errors import InvalidInput

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,100}")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]{0,8192}")
_KEY = re.compile(r"[\x21-\x7e]*")


def is_header_name(text: str) -> bool:
    """Whether a header may be called that."""
    return _NAME.fullmatch(text) is not None


def is_header_value(text: str) -> bool:
    """Whether a header may hold that."""
    return _VALUE.fullmatch(text) is not None


def is_key(text: str) -> bool:
    """Whether that may be a key that is sent in a header or an address: visible ASCII without blanks."""
    return _KEY.fullmatch(text) is not None


def header_lines(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """The headers as they are sent.

    Raises:
        InvalidInput: HTTP cannot carry one of them.
    """
    lines: list[tuple[bytes, bytes]] = []
    for name, value in headers.items():
        if not is_header_name(name) or not is_header_value(value):
            raise InvalidInput(f"The header {name!r} is not one that HTTP can carry.", code="invalid_header")
        lines.append((name.encode("ascii"), value.strip().encode("latin-1")))
    return lines
