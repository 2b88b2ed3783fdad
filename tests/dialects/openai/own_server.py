"""A user's own server on loopback: functions, lists of functions, workers."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ORDER = {
    "type": "object",
    "properties": {"order_id": {"type": "string", "pattern": "^[A-Z][0-9]+$"}},
    "required": ["order_id"],
}


@dataclass
class Reply:
    """What the user's server answers."""

    body: str | bytes = "ok"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


class OwnServer(ThreadingHTTPServer):
    """The user's own server: callbacks, function lists, workers. ``answers`` by path decides."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, Callable[[dict[str, Any]], Reply]] = {}
        self.asked: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def asked_at(self, path: str) -> list[dict[str, Any]]:
        return [body for asked, _, body in self.asked if asked == path]

    def close(self) -> None:
        self.shutdown()
        self.thread.join()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: OwnServer  # pyright: ignore[reportIncompatibleVariableOverride]

    def _answer(self, body: dict[str, Any]) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append((self.path, headers, body))
        reply = self.server.answers[self.path](body)
        data = reply.body if isinstance(reply.body, bytes) else reply.body.encode()
        self.send_response(reply.status)
        for name, value in {"content-length": str(len(data)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers["content-length"]))))

    def do_GET(self) -> None:
        self._answer({})

    def log_message(self, format: str, *args: object) -> None:
        """Tests read what was asked from ``asked``."""
