"""Embedders over HTTP for tests: the OpenAI shape on loopback, each with numbers of its own."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DIMENSIONS = 4096


@dataclass
class Embeddings:
    """One provider. ``gate`` holds every answer back while it is not set; ``texts`` counts what was embedded."""

    name: str
    alike: tuple[str, str]
    base: str = ""
    texts: int = 0
    gate: threading.Event = field(default_factory=threading.Event)
    answers_before_gate: int = 1_000_000

    def vector(self, text: str) -> list[float]:
        """Words in places that only this provider puts them in; the two words alike are one."""
        row = [0.0] * DIMENSIONS
        for word in text.lower().split():
            same = self.alike[0] if word == self.alike[1] else word
            row[int.from_bytes(hashlib.sha256(f"{self.name} {same}".encode()).digest()[:4]) % DIMENSIONS] += (
                1.0
            )
        return row


@contextmanager
def embeddings(name: str, alike: tuple[str, str]) -> Iterator[Embeddings]:
    """Such a provider, listening."""
    provider = Embeddings(name, alike)
    provider.gate.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if provider.answers_before_gate <= 0:
                provider.gate.wait(120)
            provider.answers_before_gate -= 1
            provider.texts += len(asked["input"])
            rows = [
                {"object": "embedding", "index": number, "embedding": provider.vector(text)}
                for number, text in enumerate(asked["input"])
            ]
            body = json.dumps({"object": "list", "data": rows, "model": asked["model"]}).encode()
            try:
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            except OSError:
                return  # who asked was killed

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    provider.base = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield provider
    finally:
        provider.gate.set()
        server.shutdown()
        server.server_close()
        thread.join(10)
