"""A real server process, a provider on loopback that plays what a test tells it, and gateways between them."""

import json
import re
import threading
import zlib
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
from tests.e2e.server import Server

MODELS = ("house", "small", "middle", "large", "seeing")
DIMENSIONS = 256
_GATE_SECONDS = 60
KEY = "sk-provider"
USAGE = {
    "prompt_tokens": 100,
    "completion_tokens": 10,
    "prompt_tokens_details": {"cached_tokens": 40},
}


@dataclass
class Play:
    """One answer of the provider. ``stall_seconds`` comes before its pieces.

    ``pieces`` are deltas or plain texts; where an event stands among them the provider waits for it.
    """

    pieces: tuple[str | dict[str, Any] | threading.Event, ...] = ()
    finish: str = "stop"
    status: int = 200
    stall_seconds: float = 0.0
    usage: dict[str, Any] = field(default_factory=lambda: dict(USAGE))


def says(*pieces: str) -> Play:
    return Play(pieces)


def calls(*named: tuple[str, dict[str, Any] | str]) -> Play:
    """An answer that calls tools."""
    deltas = [
        {
            "tool_calls": [
                {
                    "index": index,
                    "id": f"call_{name}_{index}",
                    "type": "function",
                    "function": {
                        "name": name,
                        "arguments": given if isinstance(given, str) else json.dumps(given),
                    },
                }
            ]
        }
        for index, (name, given) in enumerate(named)
    ]
    return Play(tuple(deltas), "tool_calls")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "Provider"  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path.endswith("/embeddings"):
            self._embed(body)
            return
        self.server.bodies.append(body)
        play = self.server.next_play()
        if play.stall_seconds and self._hung_up_within(play.stall_seconds):
            return
        if play.status != 200:
            self._send_whole(play.status, "application/json", b'{"error":{"message":"the script says so"}}')
            return
        if body.get("stream") is not True:
            self._send_whole(200, "application/json", json.dumps(_whole(play)).encode())
            return
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        for piece in play.pieces:
            if isinstance(piece, threading.Event):
                piece.wait(_GATE_SECONDS)
                continue
            self._event(
                {"choices": [{"index": 0, "delta": {"content": piece} if isinstance(piece, str) else piece}]}
            )
        self._event({"choices": [{"index": 0, "delta": {}, "finish_reason": play.finish}]})
        self._event({"choices": [], "usage": play.usage})
        self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def _hung_up_within(self, seconds: float) -> bool:
        self.connection.settimeout(seconds)
        try:
            gone = self.connection.recv(1) == b""
        except TimeoutError:
            self.connection.settimeout(None)
            return False
        except ConnectionResetError:
            gone = True
        self.close_connection = True
        if gone:
            self.server.hung_up.set()
        return gone

    def _embed(self, body: dict[str, Any]) -> None:
        if self.server.embedder_broken:
            self._send_whole(400, "application/json", b'{"error":{"message":"the script says so"}}')
            return
        data = [
            {"object": "embedding", "index": index, "embedding": _vector(text)}
            for index, text in enumerate(body["input"])
        ]
        told = {
            "object": "list",
            "data": data,
            "model": "words",
            "usage": {"prompt_tokens": 1, "total_tokens": 1},
        }
        self._send_whole(200, "application/json", json.dumps(told).encode())

    def do_GET(self) -> None:
        self.server.fetched.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        status, kind, data = self.server.files.get(self.path.split("?")[0], (404, "text/plain", b"no"))
        self._send_whole(status, kind, data)

    def _send_whole(self, status: int, kind: str, data: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _event(self, data: dict[str, Any]) -> None:
        self.wfile.write(b"data: " + json.dumps(data).encode() + b"\n\n")
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        """Tests read what was asked from ``bodies``."""


def _whole(play: Play) -> dict[str, Any]:
    """The play as one answer; only its texts."""
    text = "".join(piece for piece in play.pieces if isinstance(piece, str))
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": play.finish}
    return {"object": "chat.completion", "choices": [choice], "usage": play.usage}


def _vector(text: str) -> list[float]:
    """Texts that share words lie near each other."""
    vector = [0.0] * DIMENSIONS
    for word in re.findall(r"[a-z0-9]+", text.lower()):
        vector[zlib.crc32(word.encode()) % DIMENSIONS] += 1.0
    return vector if any(vector) else [1.0] * DIMENSIONS


class Provider(ThreadingHTTPServer):
    """Plays its plays in order, then says "ok." for ever; ``files`` are served to GET."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: list[dict[str, Any]] = []
        self.fetched: list[tuple[str, dict[str, str]]] = []
        self.files: dict[str, tuple[int, str, bytes]] = {}
        self.embedder_broken = False
        self.hung_up = threading.Event()
        self.plays: deque[Play] = deque()
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def next_play(self) -> Play:
        return self.plays.popleft() if self.plays else says("ok.")

    def forget(self) -> None:
        self.bodies.clear()
        self.fetched.clear()
        self.plays.clear()

    def close(self) -> None:
        self.shutdown()
        self.thread.join()
        self.server_close()


@dataclass
class World:
    """The server, its provider, and the user's client."""

    server: Server
    provider: Provider
    client: httpx.Client

    def gateway(self, **parameters: Any) -> str:
        """The id of a new gateway at the provider, or with ``baseAddress`` of the platform's models."""
        given = {"baseAddress": f"{self.provider.origin}/v1", "modelName": "theirs", **parameters}
        made = self.client.post("/api/v1/ai-gateways", json={"name": "bot", "parameters": given})
        assert made.status_code == 200, made.text
        return str(made.json()["aiGatewayId"])

    def post(self, model: str, text: str = "hello", **body: Any) -> httpx.Response:
        """The answer to one user message; ``messages`` replaces it."""
        if "messages" not in body and "prompt" not in body:
            body["messages"] = [{"role": "user", "content": text}]
        headers = body.pop("headers", {})
        return self.client.post("/v1/chat/completions", json={"model": model, **body}, headers=headers)

    def ask(
        self, model: str, text: str = "hello", *, plays: tuple[Play, ...] = (), **body: Any
    ) -> dict[str, Any]:
        """The decoded answer, after the provider was given these plays and has forgotten the past."""
        self.provider.forget()
        self.provider.plays.extend(plays)
        answer = self.post(model, text, **body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def refused(
        self, model: str, text: str = "hello", *, plays: tuple[Play, ...] = (), **body: Any
    ) -> tuple[int, dict[str, Any]]:
        """Status and error of an answer that is one."""
        self.provider.forget()
        self.provider.plays.extend(plays)
        answer = self.post(model, text, **body)
        return answer.status_code, answer.json()["error"]

    def stream(
        self, model: str, text: str = "hello", *, plays: tuple[Play, ...] = (), **body: Any
    ) -> list[str]:
        """The lines of a streamed answer that are not empty."""
        self.provider.forget()
        self.provider.plays.extend(plays)
        return [line for line in self.post(model, text, stream=True, **body).text.split("\n") if line]

    def sent(self, number: int = -1) -> list[tuple[str, Any]]:
        """Role and content of the messages that the provider was sent."""
        return [(message["role"], message["content"]) for message in self.provider.bodies[number]["messages"]]


def chunks(lines: list[str]) -> list[dict[str, Any]]:
    """The decoded events of a stream, the terminator left out."""
    return [json.loads(line[6:]) for line in lines if line.startswith("data: ") and line != "data: [DONE]"]


def text_of(lines: list[str]) -> str:
    return "".join(
        choice["delta"].get("content") or "" for chunk in chunks(lines) for choice in chunk.get("choices", [])
    )


def content(answer: dict[str, Any]) -> str:
    return str(answer["choices"][0]["message"]["content"])
