"""The address at which clients reach this server, for links that are made while a request is answered."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_CAME_BY: ContextVar[str | None] = ContextVar("came_by", default=None)


@contextmanager
def came_by(scope: Mapping[str, Any]) -> Generator[None]:
    """Within this, and in what is started within, links are made for the host that the request was sent to."""
    host = next((value for name, value in scope.get("headers", ()) if name == b"host"), b"")
    token = _CAME_BY.set(f"{scope.get('scheme', 'http')}://{host.decode('latin-1')}" if host else None)
    try:
        yield
    finally:
        _CAME_BY.reset(token)


class PublicAddress:
    """Scheme, host and port.

    Args:
        configured: what the operator says clients see; it goes before everything else.
        host: where the server listens.
        port: on which port; 0 until it is known.
        secure: whether it encrypts by itself.
    """

    def __init__(self, configured: str | None, host: str, port: int, *, secure: bool = False) -> None:
        self._scheme = "https" if secure else "http"
        self._configured = configured
        self._host = f"[{host}]" if ":" in host else host
        self._port = port

    def listening(self, port: int) -> None:
        """Notes the port that was taken."""
        self._port = port

    @property
    def base(self) -> str:
        """The address without a slash at its end: as configured, else by the request under way, else where the server listens."""
        return self._configured or _CAME_BY.get() or self.own

    @property
    def own(self) -> str:
        """As configured, else where the server listens."""
        return self._configured or f"{self._scheme}://{self._host}:{self._port}"
