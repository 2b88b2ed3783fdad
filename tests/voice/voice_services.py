"""A provider on loopback that thinks, speaks and listens as its models' names say."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import numpy as np

MODELS = ("plain", "long", "caller", "stalls", "fails", "floods", "empty", "cut")
WORD_BYTES = int(24_000 * 0.2) * 2
_PIECES = 6000
LONG = " ".join(f"Sentence number {number} goes on and on." for number in range(60))


def _tone(words: int) -> bytes:
    times = np.arange(WORD_BYTES // 2 * words) / 24_000
    return (6000 * np.sin(2 * np.pi * 330 * times)).astype("<i2").tobytes()


def _chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    told = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return b"data: " + json.dumps(told).encode() + b"\n\n"


def _call(name: str) -> dict[str, Any]:
    return {
        "index": 0,
        "id": "call_1",
        "type": "function",
        "function": {"name": name, "arguments": '{"city": "Lviv"}'},
    }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "Services"  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["content-length"]))
        try:
            self._answer(raw)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _answer(self, raw: bytes) -> None:
        if self.path.endswith("/audio/transcriptions"):
            self._transcribe(raw)
            return
        body = json.loads(raw)
        behaviour = body["model"]
        if self.path.endswith("/audio/speech"):
            self.server.spoken.append(body)
            self._behave(behaviour, self._speech(body), "audio/pcm")
        else:
            self.server.asked.append(body)
            self._behave(behaviour, self._chat(body), "text/event-stream")

    def _behave(self, behaviour: str, pieces: Iterator[bytes], kind: str) -> None:
        if behaviour == "fails":
            self._whole(503, {"error": {"message": "The provider is down."}})
        elif behaviour == "stalls":
            self.server.let_go.wait(120)
            self.close_connection = True
        else:
            self._stream(pieces, kind)

    def _transcribe(self, raw: bytes) -> None:
        self.server.heard += 1
        if b"\r\nfails\r\n" in raw:
            self._whole(503, {"error": {"message": "The listener is down."}})
        elif b"\r\nstalls\r\n" in raw:
            self.server.let_go.wait(120)
            self.close_connection = True
        else:
            text = "word " * 5000 if b"\r\nfloods\r\n" in raw else self.server.hears
            self._whole(200, {"text": text})

    def _speech(self, body: dict[str, Any]) -> Iterator[bytes]:
        if body["model"] == "floods":
            while True:
                yield _tone(5)
        yield _tone(len(body["input"].split()))

    def _chat(self, body: dict[str, Any]) -> Iterator[bytes]:
        last = body["messages"][-1]
        text = last["content"] if isinstance(last["content"], str) else last["content"][0]["text"]
        match body["model"]:
            case "floods":
                for number in range(_PIECES):
                    yield _chunk({"content": f"word{number} "})
            case "caller" if last["role"] != "tool":
                yield _chunk({"tool_calls": [_call(body["tools"][0]["function"]["name"])]})
                yield _chunk({}, "tool_calls")
            case "caller":
                yield _chunk({"content": f"In Lviv it is {text}."})
            case "long":
                yield _chunk({"content": LONG})
            case "cut":
                yield _chunk({"content": "This is as far as"})
                yield _chunk({}, "length")
            case "empty":
                pass
            case _:
                for word in f"You said: {text}".split():
                    yield _chunk({"content": word + " "})
        if body["model"] not in ("cut",):
            yield _chunk({}, "stop")
        yield b"data: [DONE]\n\n"

    def _whole(self, status: int, answer: dict[str, Any]) -> None:
        raw = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def _stream(self, pieces: Iterator[bytes], kind: str) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for piece in pieces:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: object) -> None:
        """Tests read what came from the lists."""


class Services(ThreadingHTTPServer):
    """The provider. ``hears`` is what every recording says; the lists hold what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.hears = "What time does the office open?"
        self.asked: list[dict[str, Any]] = []
        self.spoken: list[dict[str, Any]] = []
        self.heard = 0
        self.let_go = threading.Event()
        self._thread = threading.Thread(target=self.serve_forever, daemon=True)

    @property
    def base_url(self) -> str:
        """Up to and with the version part."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.let_go.set()
        self.shutdown()
        self.server_close()
        self._thread.join(10)

    def settings(self) -> tuple[dict[str, str], str]:
        """Settings of a server that uses nothing but this provider, and its configuration file."""
        named = {
            "DRAGOMAN_EMBEDDING__PROVIDER": "none",
            "DRAGOMAN_EGRESS__ALLOW": '["127.0.0.1"]',
            "DRAGOMAN_SPEECH__SYNTHESIZER": "openai",
            "DRAGOMAN_SPEECH__TTS_BASE_URL": self.base_url,
            "DRAGOMAN_SPEECH__TRANSCRIBER": "openai",
            "DRAGOMAN_SPEECH__STT_BASE_URL": self.base_url,
            "DRAGOMAN_VOICE__ANSWER_SECONDS": "2",
        }
        config = (
            '[models]\ndefault = "plain"\n[models.local]\nenabled = false\n'
            f'[models.providers.fake]\nbase_url = "{self.base_url}"\napi_key = "sk-fake"\n'
            f"models = {json.dumps(list(MODELS))}\n"
        )
        return named, config
