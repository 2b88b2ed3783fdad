"""Where a request may carry its credential."""

import base64
import binascii
from collections.abc import Mapping


def parse_credentials(headers: Mapping[str, str], query: Mapping[str, str]) -> str | None:
    """The API key or token of a request, None when it carries none; a header wins over the query.

    Args:
        headers: names in lower case. Read in this order: ``authorization`` (Bearer, Basic with the key as
            password, or the bare key), ``x-access-tokens``, ``x-api-key``, ``api-key``.
        query: read is ``api-key``.
    """
    from_authorization = _authorization(headers.get("authorization", ""))
    if from_authorization:
        return from_authorization
    for name in ("x-access-tokens", "x-api-key", "api-key"):
        if value := headers.get(name, "").strip():
            return value
    return query.get("api-key", "").strip() or None


def _authorization(value: str) -> str | None:
    value = value.strip()
    scheme, _, rest = value.partition(" ")
    rest = rest.strip()
    if scheme.lower() == "bearer":
        return rest or None
    if scheme.lower() == "basic":
        return _basic_password(rest)
    return value if value and not rest else None


def _basic_password(encoded: str) -> str | None:
    try:
        decoded = base64.b64decode(encoded, validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return None
    _, _, password = decoded.partition(":")
    return password or None
