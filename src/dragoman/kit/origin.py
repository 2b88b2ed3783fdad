"""From where the work at hand was asked for: the address of the request, wherever it has led by now."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

HERE = "local"

_address: ContextVar[str] = ContextVar("origin_address", default=HERE)


def origin_address() -> str:
    """The address that the request came from; ``local`` for a command and for the server's own work."""
    return _address.get()


@contextmanager
def asked_from(scope: Mapping[str, Any]) -> Generator[None]:
    """What runs inside was asked for by the peer of this ASGI scope."""
    client = scope.get("client")
    token = _address.set(str(client[0]) if client else "unknown")
    try:
        yield
    finally:
        _address.reset(token)
