"""Plays the outgoing side of Telegram, Z-API, Evolution API and Kapso: takes what is sent, and fails on demand.

A plain threaded HTTP server: it runs beside anything, and what it took is there when the call has been answered.
"""

import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

_TELEGRAM = re.compile(r"/bot(?P<token>[^/]+)/(?P<method>\w+)$")
_TELEGRAM_FILE = re.compile(r"/file/bot[^/]+/(?P<name>.+)$")
_ZAPI = re.compile(r"/instances/(?P<instance>[^/]+)/token/(?P<token>[^/]+)/(?P<method>[\w-]+(/\w+)?)$")
_EVOLUTION = re.compile(r"/(?P<method>(message|chat|webhook)/\w+)/(?P<instance>[^/]+)$")
_KAPSO = re.compile(r"/meta/whatsapp/(?P<number>[^/]+)/(?P<method>messages|media)$")
_NAMED = re.compile(r'\b(name|filename)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Call:
    """A call that was taken: by which service's rules, what for, and with what."""

    service: str
    method: str
    body: Mapping[str, Any]
    headers: Mapping[str, str]
    at: float


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that reached somebody."""

    service: str
    address: str
    text: str
    id: str


@dataclass(slots=True)
class _Taken:
    calls: list[Call] = field(default_factory=list[Call])
    sent: list[Sent] = field(default_factory=list[Sent])
    faults: list[int] = field(default_factory=list[int])
    files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    hooks: dict[str, str] = field(default_factory=dict[str, str])


class SimulatedServices:
    """The four services at one address.

    Args:
        port: where to listen; 0 takes a free one.
        on_sent: told of every message, in a thread of the server.
    """

    def __init__(self, port: int = 0, *, on_sent: Callable[[Sent], None] | None = None) -> None:
        self._taken = _Taken()
        self._on_sent = on_sent
        self._lock = threading.Lock()
        self._arrived = threading.Condition(self._lock)
        self._number = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """The address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def sent(self) -> list[Sent]:
        """Every message so far."""
        with self._lock:
            return list(self._taken.sent)

    @property
    def calls(self) -> list[Call]:
        """Every call so far, those that failed as well."""
        with self._lock:
            return list(self._taken.calls)

    def fail_next(self, *statuses: int) -> None:
        """Lets the next messages fail with these statuses, one each."""
        with self._lock:
            self._taken.faults.extend(statuses)

    def put_file(self, name: str, data: bytes) -> None:
        """A file that can be fetched."""
        with self._lock:
            self._taken.files[name] = data

    def wait_for(self, count: int, *, seconds: float = 10.0) -> list[Sent]:
        """The messages, once there are so many, or what there is after so long."""
        with self._lock:
            self._arrived.wait_for(lambda: len(self._taken.sent) >= count, seconds)
            return list(self._taken.sent)

    def close(self) -> None:
        """Stops listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def file(self, name: str) -> bytes | None:
        """The file of that name."""
        with self._lock:
            return self._taken.files.get(name)

    def take(
        self, path: str, body: Mapping[str, Any], headers: Mapping[str, str]
    ) -> tuple[int, dict[str, Any]]:
        """The status and answer to a call."""
        for service, pattern, answer in (
            ("telegram", _TELEGRAM, self._telegram),
            ("zapi", _ZAPI, self._zapi),
            ("kapso", _KAPSO, self._kapso),
            ("evolution", _EVOLUTION, self._evolution),
        ):
            found = pattern.search(path)
            if found is not None:
                method = found.groupdict().get("method", "messages")
                with self._lock:
                    self._taken.calls.append(Call(service, method, body, headers, time.time()))
                return answer(method, body)
        return 404, {"error": "no such operation"}

    def _telegram(self, method: str, body: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        if method.startswith("send") and method != "sendChatAction":
            shown = f"({method.removeprefix('send').lower()})"
            status, number = self._message("telegram", str(body.get("chat_id")), str(body.get("text", shown)))
            if status != 200:
                wait = {"parameters": {"retry_after": 1}} if status == 429 else {}
                return status, {"ok": False, "error_code": status, "description": "on demand", **wait}
            return 200, {"ok": True, "result": {"message_id": number}}
        if method == "setWebhook":
            self._hook("telegram", body.get("url"))
        if method == "deleteWebhook":
            self._hook("telegram", "")
        if method == "getWebhookInfo":
            return 200, {"ok": True, "result": {"url": self._hook("telegram"), "pending_update_count": 0}}
        if method == "getFile":
            return 200, {"ok": True, "result": {"file_path": str(body.get("file_id"))}}
        return 200, {"ok": True, "result": True}

    def _zapi(self, method: str, body: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        if method == "me":
            return 200, {"connected": True, "receivedCallbackUrl": self._hook("zapi")}
        if method.startswith("update-webhook"):
            self._hook("zapi", body.get("value"))
        if not method.startswith("send-"):
            return 200, {"value": True}
        shown = f"({method.removeprefix('send-').partition('/')[0]})"
        status, number = self._message("zapi", str(body.get("phone")), str(body.get("message", shown)))
        if status != 200:
            return status, {"error": "on demand"}
        return 200, {"zaapId": f"Z{number}", "messageId": f"ZM{number}", "id": f"ZM{number}"}

    def _evolution(self, method: str, body: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        if method == "chat/getBase64FromMediaMessage":
            return 200, {"base64": "", "mimetype": "application/octet-stream"}
        if method == "webhook/set":
            self._hook("evolution", body.get("url") if body.get("enabled") is not False else "")
        if method == "webhook/find":
            return 200, {"url": self._hook("evolution"), "enabled": True}
        if not method.startswith("message/"):
            return 200, {}
        address = str(body.get("number"))
        status, number = self._message(
            "evolution", address, str(body.get("text", f"({body.get('mediatype', 'audio')})"))
        )
        if status != 200:
            return status, {"status": status, "error": "on demand"}
        jid = address if "@" in address else f"{address}@s.whatsapp.net"
        return 201, {"key": {"remoteJid": jid, "fromMe": True, "id": f"EV{number}"}, "status": "PENDING"}

    def _kapso(self, method: str, body: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        if method == "media":
            with self._lock:
                self._number += 1
                return 200, {"id": f"media.{self._number}"}
        kind = str(body.get("type"))
        text = body.get("text", {}).get("body") or (
            f"(template {body.get('template', {}).get('name')})" if kind == "template" else f"({kind})"
        )
        status, number = self._message("kapso", str(body.get("to")), text)
        if status != 200:
            return status, {"error": {"message": "on demand", "code": status}}
        return 200, {"messaging_product": "whatsapp", "messages": [{"id": f"wamid.{number}"}]}

    def _hook(self, service: str, url: object = None) -> str:
        """Where the service calls, from now on where it is told to."""
        with self._lock:
            if isinstance(url, str):
                self._taken.hooks[service] = url
            return self._taken.hooks.get(service, "")

    def _message(self, service: str, address: str, text: str) -> tuple[int, int]:
        """The status of a message, and its number when it arrived."""
        with self._lock:
            if self._taken.faults:
                return self._taken.faults.pop(0), 0
            self._number += 1
            sent = Sent(service, address, text, str(self._number))
            self._taken.sent.append(sent)
            self._arrived.notify_all()
        if self._on_sent is not None:
            self._on_sent(sent)
        return 200, self._number


def _handler(services: SimulatedServices) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self._answer(*services.take(self.path, _body(content, headers), headers))

        def do_PUT(self) -> None:
            self.do_POST()

        def do_GET(self) -> None:
            if any(pattern.search(self.path) for pattern in (_ZAPI, _EVOLUTION)):
                self._answer(*services.take(self.path, {}, {}))
                return
            found = _TELEGRAM_FILE.search(self.path)
            data = services.file(found.group("name") if found else self.path.lstrip("/"))
            if data is None:
                self._answer(404, {"error": "no such file"})
                return
            self._write(200, data, "application/octet-stream")

        def _answer(self, status: int, answer: dict[str, Any]) -> None:
            self._write(status, json.dumps(answer).encode(), "application/json")

        def _write(self, status: int, content: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing: what was sent is told by ``on_sent``."""

    return Handler


def _body(content: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
    kind = headers.get("content-type", "")
    if kind.startswith("multipart/"):
        return _form(content, kind.partition("boundary=")[2].strip('"').encode())
    try:
        value = json.loads(content or b"{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _form(content: bytes, boundary: bytes) -> dict[str, Any]:
    """The fields of a form; of a file its name and content."""
    fields: dict[str, Any] = {}
    for piece in content.split(b"--" + boundary)[1:-1]:
        head, _, value = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        named = dict(_NAMED.findall(head.decode("utf-8", "replace")))
        data = value.removesuffix(b"\r\n")
        is_file = "filename" in named
        fields[named.get("name", "")] = (
            {"filename": named["filename"], "data": data} if is_file else data.decode("utf-8", "replace")
        )
    return fields
