"""Measures conversations that people see: ``python bench/chat.py [streams|storm]``.

``streams``: many chat sessions stream at the same time from a provider that stamps every chunk with its time of sending;
checked are the delay of chunks and that the bytes sent grow with the answer, not with its square. ``storm``: messages of many
people come over a messaging service, some twice and out of order, while the server is killed in the middle; checked is that
each is read once and answered. Starts a server of its own over a new data folder. Exits with 1 when a bound is missed.
"""

import argparse
import asyncio
import json
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path[:0] = [str(Path(__file__).parent.parent), str(Path(__file__).parent.parent / "tests")]

import httpx  # noqa: E402
from tests.dialects.openai.gateway_server import Provider  # noqa: E402
from tests.e2e.server import Server  # noqa: E402

from dragoman.adapters.simulators.people import hook_call  # noqa: E402
from dragoman.adapters.simulators.services import SimulatedServices  # noqa: E402

P99_MS = 100.0
GROWTH = 1.15
CHUNK_SECONDS = 0.1
_MOST_SECONDS = 120
_CLIENTS = "/api/v1/web-chat-client"
_PUBLIC = "/api/v1/public/chat-clients"
_SETTLED_SECONDS = 300.0


class Clockwork:
    """A provider that writes one stamped chunk after the other, at a steady pace."""

    def __init__(self, chunks: int) -> None:
        self.chunks = chunks
        self._server: asyncio.Server | None = None

    @property
    def origin(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(
                    int(line.partition(b":")[2])
                    for line in head.split(b"\r\n")
                    if line.lower().startswith(b"content-length:")
                )
                await reader.readexactly(length)
                await self._answer(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter) -> None:
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        for _ in range(self.chunks):
            _piece(writer, {"content": f"{time.time():.6f} "})
            await writer.drain()
            await asyncio.sleep(CHUNK_SECONDS)
        _piece(writer, {}, "stop")
        writer.write(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")
        await writer.drain()


def _piece(writer: asyncio.StreamWriter, delta: dict[str, str], finish: str | None = None) -> None:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    told = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    raw = b"data: " + json.dumps(told).encode() + b"\n\n"
    writer.write(b"%x\r\n%b\r\n" % (len(raw), raw))


@dataclass
class Streamed:
    """All streams of one run."""

    delays_ms: list[float] = field(default_factory=list[float])
    bytes: int = 0
    lost: int = 0


def shop(client: httpx.Client, origin: str, **more: Any) -> str:
    """The id of a new chat client whose agent asks the provider."""
    given = {"baseAddress": f"{origin}/v1", "modelName": "theirs"}
    made = client.post("/api/v1/ai-gateways", json={"name": "bot", "parameters": given}).raise_for_status()
    body = {
        "name": "Shop",
        "aiGatewayId": made.json()["aiGatewayId"],
        "limitingParameters": {"messagesPerHour": 0, "maxMessages": 0},
        "clientParameters": more,
    }
    return str(client.post(_CLIENTS, json=body).raise_for_status().json()["id"])


async def stream(base: str, key: str, chunks: int, told: Streamed) -> None:
    """One session's answer, followed to its end over a bare socket: a client library would measure itself."""
    seen = 0
    address = urlsplit(base)
    body = json.dumps({"prompt": {"role": "user", "content": "Go."}}).encode()
    head = (
        f"POST {_PUBLIC}/{key}/prompt HTTP/1.1\r\nhost: {address.netloc}\r\naccept: text/event-stream\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        writer.write(head.encode() + body)
        async with asyncio.timeout(_MOST_SECONDS):
            while line := await reader.readline():
                arrived = time.time()
                told.bytes += len(line)
                if not line.startswith(b"data: {"):
                    continue
                choices = json.loads(line[6:]).get("choices") or [{"delta": {}}]
                for stamp in (choices[0]["delta"].get("content") or "").split():
                    told.delays_ms.append((arrived - float(stamp)) * 1000)
                    seen += 1
    finally:
        writer.close()
    told.lost += chunks - seen


async def streams(sessions: int, chunks: int, ramp_seconds: float) -> bool:
    """Whether all bounds of simultaneous streams held; they begin evenly within the seconds."""

    async def later(number: int, key: str) -> None:
        await asyncio.sleep(ramp_seconds * number / sessions)
        await stream(server.base, key, chunks, told)

    clockwork = Clockwork(chunks)
    await clockwork.start()
    with tempfile.TemporaryDirectory() as folder:
        settings = {"DRAGOMAN_EGRESS__ALLOW": '["127.0.0.1"]'}
        server = Server(Path(folder) / "data", settings)
        await asyncio.to_thread(server.start)
        try:
            with server.client() as client:
                client_id = await asyncio.to_thread(shop, client, clockwork.origin)
                keys = [
                    (
                        await asyncio.to_thread(client.post, f"{_CLIENTS}/{client_id}/sessions", json={})
                    ).json()["accessKey"]
                    for _ in range(sessions)
                ]
            await stream(server.base, keys[0], chunks, Streamed())
            half = Streamed()
            clockwork.chunks = chunks // 2
            await stream(server.base, keys[0], chunks // 2, half)
            whole = Streamed()
            clockwork.chunks = chunks
            await stream(server.base, keys[0], chunks, whole)
            told = Streamed()
            await asyncio.gather(*(later(number, key) for number, key in enumerate(keys)))
        finally:
            await asyncio.to_thread(server.stop)
            clockwork.close()
    delays = sorted(told.delays_ms)
    p50, p99 = delays[len(delays) // 2], delays[int(len(delays) * 0.99)]
    growth = whole.bytes / half.bytes / 2
    print(
        f"{sessions} streams of {chunks} chunks, begun within {ramp_seconds:g} s (load {os.getloadavg()[0]:.1f})"
    )
    print(
        f"  {_verdict(p99 <= P99_MS)}  chunk delay p50 {p50:.1f} ms, p99 {p99:.1f} ms (bound {P99_MS:g} ms)"
    )
    print(
        f"  {_verdict(growth <= GROWTH)}  bytes of a double answer: {growth:.2f} of double (bound {GROWTH:g})"
    )
    print(f"  {_verdict(told.lost == 0)}  {told.lost} chunks lost or doubled")
    return p99 <= P99_MS and growth <= GROWTH and told.lost == 0


def _verdict(held: bool) -> str:
    return "pass" if held else "FAIL"


@contextmanager
def answering() -> Iterator[Provider]:
    """A provider that says the same to everybody."""
    provider = Provider()
    try:
        yield provider
    finally:
        provider.close()


def storm(people: int, messages: int) -> bool:
    """Whether every message of a storm was read once and answered, over a kill in the middle."""
    with (
        tempfile.TemporaryDirectory() as folder,
        SimulatedServices() as services,
        answering() as provider,
    ):
        server = Server(Path(folder) / "data", {"DRAGOMAN_EGRESS__ALLOW": '["127.0.0.1"]'})
        with server, server.client() as client:
            client_id = shop(client, provider.origin)
            fields = {"instanceName": "shop", "apiKey": "k", "endpointUrl": services.url}
            put = {"integrationType": "EvolutionApi", "integrations": {"evolutionIntegration": fields}}
            client.put(f"{_CLIENTS}/{client_id}/integrations", json=put).raise_for_status()
            hook = client.get(f"{_CLIENTS}/{client_id}").json()["webhooks"]["EvolutionApi"]
            began = time.monotonic()
            _tell(_Storm(people, messages), hook, services, server)
            found = _settled(client, client_id, people, messages, began)
    read, doubled, answered = found
    spent = time.monotonic() - began
    print(
        f"{messages} messages of {people} people, over a kill (load {os.getloadavg()[0]:.1f}, {spent:.0f} s)"
    )
    print(f"  {_verdict(read == messages)}  {read} of {messages} read")
    print(f"  {_verdict(doubled == 0)}  {doubled} read twice")
    print(
        f"  {_verdict(answered == people)}  {answered} of {people} people have an answer to what they wrote last"
    )
    return read == messages and doubled == 0 and answered == people


class _Storm:
    """What people write, as a service tells of it: shuffled, every tenth twice."""

    def __init__(self, people: int, messages: int) -> None:
        chance = random.Random(5)
        once = [(str(7_000_000 + number % people), f"says {number}") for number in range(messages)]
        self.calls = once + chance.sample(once, messages // 10)
        chance.shuffle(self.calls)


def _tell(told: _Storm, hook: str, services: SimulatedServices, server: Server) -> None:
    """Plays the storm; the server is killed when half of it was told, and what was sent by then is echoed."""
    waiting, lock = list(told.calls), threading.Lock()
    half = threading.Event()

    def write(http: httpx.Client) -> None:
        while True:
            with lock:
                if not waiting:
                    return
                address, text = waiting.pop()
                if len(waiting) <= len(told.calls) // 2:
                    half.set()
            call = hook_call("evolution", address=address, text=text, message_id=f"m-{text}", secret="")
            while not _told(http, hook, call.body, dict(call.headers)):
                time.sleep(0.2)

    with httpx.Client(trust_env=False, timeout=30) as http:
        writers = [threading.Thread(target=write, args=(http,)) for _ in range(8)]
        for writer in writers:
            writer.start()
        half.wait()
        server.kill()
        echoes = [(one.address, one.text, f"EV{one.id}") for one in services.sent]
        server.start()
        for address, text, message_id in echoes:
            call = hook_call(
                "evolution", address=address, text=text, message_id=message_id, secret="", from_business=True
            )
            while not _told(http, hook, call.body, dict(call.headers)):
                time.sleep(0.2)
        for writer in writers:
            writer.join()


def _told(http: httpx.Client, hook: str, body: bytes, headers: dict[str, str]) -> bool:
    """Whether the server took the call; a service calls again until it does."""
    try:
        return http.post(hook, content=body, headers=headers).status_code == 200
    except httpx.TransportError:
        return False


def _settled(
    client: httpx.Client, client_id: str, people: int, messages: int, began: float
) -> tuple[int, int, int]:
    """How many messages were read, how many of them twice, and how many people were answered last."""
    while True:
        lines, answered = Counter[str](), 0
        for contact in client.get(f"{_CLIENTS}/{client_id}/contacts").json():
            said = client.get(f"{_CLIENTS}/{client_id}/contacts/{contact['id']}").json()["messages"]
            for one in said:
                if one["role"] == "user":
                    lines.update(f"{contact['id']} {line}" for line in one["content"].split("\n"))
            answered += bool(said) and said[-1]["role"] == "assistant"
        doubled = sum(count - 1 for count in lines.values())
        done = len(lines) == messages and answered == people
        if done or doubled or time.monotonic() - began > _SETTLED_SECONDS:
            return len(lines), doubled, answered
        time.sleep(1)


def main() -> int:
    """Prints what was measured; 1 when a bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="?", choices=("streams", "storm", "both"), default="both")
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--chunks", type=int, default=100)
    parser.add_argument(
        "--ramp", type=float, default=4.0, help="seconds within which the streams begin; 0: all in one moment"
    )
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--messages", type=int, default=1000)
    given = parser.parse_args()
    held = True
    if given.what != "storm":
        held = asyncio.run(streams(given.sessions, given.chunks, given.ramp)) and held
    if given.what != "streams":
        held = storm(given.people, given.messages) and held
    return int(not held)


if __name__ == "__main__":
    sys.exit(main())
