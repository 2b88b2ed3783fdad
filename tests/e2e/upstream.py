"""An OpenAI-compatible provider on loopback; the model's name says how it behaves."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODELS = ("plain", "breaks", "reports", "endless", "tools", "refuses")
_USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
_PACE_SECONDS = 0.02


def _chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


_CALL = {
    "index": 0, "id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Lviv"}'},
}  # fmt: skip


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "Upstream"  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.bodies.append(body)
        self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
        if body["model"] == "refuses":
            self._json(
                400, {"error": {"message": "too long for sk-upstream-key", "code": "context_length_exceeded"}}
            )
        elif body.get("stream"):
            self._stream(body)
        else:
            self._whole(body)

    def _whole(self, body: dict[str, Any]) -> None:
        message: dict[str, Any] = {"role": "assistant", "content": "Three months."}
        if body["model"] == "tools":
            message = {"role": "assistant", "content": None, "tool_calls": [_CALL]}
        elif body["model"] == "endless":
            time.sleep(0.05)
            self._wait_for_hang_up()
            return
        finish = "tool_calls" if body["model"] == "tools" else "stop"
        choice = {"index": 0, "message": message, "finish_reason": finish}
        self._json(200, {"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice],
                         "usage": _USAGE})  # fmt: skip

    def _json(self, status: int, answer: dict[str, Any]) -> None:
        raw = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def _stream(self, body: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        try:
            for event in self._events(body):
                self._send(b"data: " + event + b"\n\n")
                time.sleep(_PACE_SECONDS)
        except (BrokenPipeError, ConnectionResetError):
            self.server.note_hang_up()
            return
        if body["model"] == "breaks":
            self.close_connection = True
            return
        self.wfile.write(b"0\r\n\r\n")

    def _events(self, body: dict[str, Any]) -> Iterator[bytes]:
        yield json.dumps(_chunk({"role": "assistant", "content": ""})).encode()
        match body["model"]:
            case "endless":
                while True:
                    yield json.dumps(_chunk({"content": "and "})).encode()
            case "breaks":
                yield json.dumps(_chunk({"content": "Three "})).encode()
                return
            case "reports":
                yield json.dumps(_chunk({"content": "Three "})).encode()
                yield json.dumps({"error": {"message": "the engine stopped", "code": 500}}).encode()
                return
            case "tools":
                yield json.dumps(_chunk({"tool_calls": [_CALL]})).encode()
                yield json.dumps(_chunk({}, "tool_calls")).encode()
            case _:
                for word in ("Three ", "months."):
                    yield json.dumps(_chunk({"content": word})).encode()
                yield json.dumps(_chunk({}, "stop")).encode()
        if (body.get("stream_options") or {}).get("include_usage"):
            yield json.dumps({**_chunk({}), "choices": [], "usage": _USAGE}).encode()
        yield b"[DONE]"

    def _send(self, piece: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.flush()

    def _wait_for_hang_up(self) -> None:
        self.connection.settimeout(20)
        try:
            if self.connection.recv(1) == b"":
                self.server.note_hang_up()
        except ConnectionResetError:
            self.server.note_hang_up()
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Tests read what was asked from ``bodies``."""


class Upstream(ThreadingHTTPServer):
    """Runs in a thread while its context lasts; keeps every body and head it was sent."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.hung_up_at: float | None = None
        self._gone = threading.Event()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def base_url(self) -> str:
        """Its address with the version part."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def note_hang_up(self) -> None:
        """Keeps when the caller went away."""
        self.hung_up_at = time.monotonic()
        self._gone.set()

    def expect_hang_up(self) -> None:
        """Forgets earlier ones."""
        self._gone.clear()

    def wait_for_hang_up(self, seconds: float) -> float:
        """When the caller went away.

        Raises:
            AssertionError: it did not within so many seconds.
        """
        assert self._gone.wait(seconds), f"the call was not cancelled within {seconds} s"
        assert self.hung_up_at is not None
        return self.hung_up_at

    def __enter__(self) -> "Upstream":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()
