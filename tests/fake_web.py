"""A web server on loopback that plays search providers, pages, and APIs; it keeps what it was asked."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Asked:
    """One request. ``query`` has the last value of each name."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Told:
    """One answer."""

    body: bytes = b""
    kind: str = "text/html"
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "FakeWeb"  # pyright: ignore[reportIncompatibleVariableOverride]

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        asked = Asked(
            self.command,
            parts.path,
            {name: values[-1] for name, values in parse_qs(parts.query).items()},
            {name.lower(): value for name, value in self.headers.items()},
            self.rfile.read(int(self.headers.get("content-length") or 0)),
        )
        self.server.asked.append(asked)
        told = self.server.routes.get(parts.path, lambda _: Told(b"no", status=404))(asked)
        self.send_response(told.status)
        for name, value in told.headers:
            self.send_header(name, value)
        self.send_header("content-type", told.kind)
        self.send_header("content-length", str(len(told.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(told.body)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _answer

    def log_message(self, format: str, *args: object) -> None:
        """Tests read ``asked``."""


class FakeWeb(ThreadingHTTPServer):
    """Answers by path; a context manager that ends it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[Asked] = []
        self.routes: dict[str, Callable[[Asked], Told]] = {}
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> "FakeWeb":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients hang up when they have read enough."""

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def page(
        self, path: str, body: bytes | str, kind: str = "text/html; charset=utf-8", **more: object
    ) -> str:
        """Serves this at a path; gives its address."""
        told = Told(body.encode() if isinstance(body, str) else body, kind, **more)  # pyright: ignore[reportArgumentType]
        self.routes[path] = lambda _: told
        return self.origin + path

    def at(self, path: str) -> list[Asked]:
        """What was asked of a path."""
        return [one for one in self.asked if one.path == path]
