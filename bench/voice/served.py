"""Figures of the server around conversations: its token operation, and its API while conversations go on.

Run ``python bench/voice/served.py SOUND``; ``scripts/bench voice`` does. Whoever calls, and the model, the voice and the
transcript, which take fixed times or none, are in a process of their own. Prints JSON.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import httpx  # noqa: E402
import numpy as np  # noqa: E402
from tests.e2e.server import API_KEY, Server  # noqa: E402
from tests.voice.voice_services import Services  # noqa: E402
from turns import APART_SECONDS, FRAME_SECONDS, HZ, speech  # noqa: E402
from websockets.asyncio.client import connect  # noqa: E402

from dragoman.kit.tasks import TaskOwner  # noqa: E402

TOKENS_A_SECOND, REQUESTS_A_SECOND = 200, 100
_CONNECTIONS = 32
_ANSWER_SECONDS = 30
_PAUSE_SECONDS = 3.0
_TOKEN = "/api/v1/playground/tokens"


def request(method: str, path: str, body: str = "") -> bytes:
    """A request as it goes over the wire."""
    head = f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {API_KEY}\r\n"
    return f"{head}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()


async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> None:
    """Returns once the answer to a request is there."""
    writer.write(data)
    head = await reader.readuntil(b"\r\n\r\n")
    assert b" 200 " in head.partition(b"\r\n")[0], head
    length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
    await reader.readexactly(int(length))


async def fired(port: int, data: bytes, *, rate: int, seconds: float) -> list[float]:
    """Milliseconds of each answer, at so many requests a second however long answers take."""
    free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(_CONNECTIONS):
        free.put_nowait(await asyncio.open_connection("127.0.0.1", port))
    taken: list[float] = []

    async def one() -> None:
        begun = time.perf_counter()
        connection = await free.get()
        await answered(*connection, data)
        taken.append(1000 * (time.perf_counter() - begun))
        free.put_nowait(connection)

    begun = time.perf_counter()
    async with asyncio.timeout(seconds + _ANSWER_SECONDS), asyncio.TaskGroup() as group:
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, begun + number / rate - time.perf_counter()))
            group.create_task(one())
    while not free.empty():
        free.get_nowait()[1].close()
    return taken


class Callers:
    """The process of the callers; told by lines what to do, and tells by lines what it did."""

    def __init__(self, sound: Path) -> None:
        command = [sys.executable, "-B", __file__, str(sound), "--callers"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def told(self) -> Any:
        """What it says next."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("bench: the callers ended")
        return json.loads(line)

    async def tell(self, *words: object) -> Any:
        """Tells it something, and waits for what it says to that."""
        assert self._process.stdin is not None
        print(json.dumps(words), file=self._process.stdin, flush=True)
        return await asyncio.to_thread(self.told)

    def close(self) -> None:
        """Ends it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)


@contextmanager
def callers(sound: Path) -> Iterator[Callers]:
    """The callers, as long as they are needed."""
    made = Callers(sound)
    try:
        yield made
    finally:
        made.close()


@dataclass
class Calls:
    """Conversations under way: how many have begun, and what agents have said in them."""

    begun: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    answers: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)


async def converse(base: str, said: bytes, calls: Calls, number: int) -> None:
    """One caller, who asks again and again until it is over; each begins a little after the one before."""
    await asyncio.sleep(number * APART_SECONDS)
    headers = {"authorization": f"Bearer {API_KEY}"}
    async with httpx.AsyncClient(base_url=base, headers=headers, timeout=60, trust_env=False) as client:
        body = {"agent_config": {"vad": {"min_silence_duration": 0.3}, "min_endpointing_delay": 0.3}}
        got = (await client.post(_TOKEN, json=body)).json()
    url = got["transports"][0]["url"]
    async with connect(f"{url}?token={got['token']}", proxy=None, max_size=None) as socket:
        await socket.send(json.dumps({"type": "start"}))

        async def listen() -> None:
            async for message in socket:
                kind = json.loads(message)["type"] if isinstance(message, str) else None
                if kind == "ready":
                    calls.begun.release()
                calls.answers += kind == "agent_said"

        tasks = TaskOwner()
        tasks.start(listen(), name="bench.listen")
        size, begun, count = int(HZ * FRAME_SECONDS) * 2, time.perf_counter(), 0
        while not calls.over.is_set():
            start = count * size % len(said)
            await socket.send(said[start : start + size])
            count += 1
            await asyncio.sleep(max(0.0, begun + count * FRAME_SECONDS - time.perf_counter()))
        await tasks.close()


async def call_as_told(sound: Path) -> None:
    """Calls as many as it is told to, until it is told to stop."""
    values, size = speech(sound), int(HZ * FRAME_SECONDS)
    length = (len(values) + int(HZ * _PAUSE_SECONDS)) // size * size
    said = np.pad(values, (0, length - len(values))).tobytes()
    with Services() as services:
        print(json.dumps(services.settings()), flush=True)
        calls, owner, running = Calls(), TaskOwner(), list[asyncio.Task[None]]()
        while line := await asyncio.to_thread(sys.stdin.readline):
            match json.loads(line):
                case ["call", base, count]:
                    calls = Calls()
                    running = [
                        owner.start(converse(base, said, calls, number), name="bench.call")
                        for number in range(count)
                    ]
                    for _ in running:
                        await calls.begun.acquire()
                    print("null", flush=True)
                case _:
                    calls.over.set()
                    await asyncio.gather(*running)
                    print(json.dumps(calls.answers), flush=True)


def quantile(values: list[float], share: float) -> float:
    """The value that this share does not go over."""
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 2)


async def measured(sound: Path, *, seconds: float, calls: int, rounds: int) -> dict[str, object]:
    """All the figures."""
    token, light = request("POST", _TOKEN, "{}"), request("GET", "/v1/models")
    tokens: list[float] = []
    alone: list[float] = []
    busy: list[float] = []
    turns = 0
    with tempfile.TemporaryDirectory() as folder, callers(sound) as people:
        named, config = await asyncio.to_thread(people.told)
        with Server(Path(folder) / "data", named, config) as server:
            # The first token starts the process of the conversations, which is not what is measured.
            await fired(server.port, token, rate=20, seconds=1)
            await asyncio.sleep(5)
            for _ in range(rounds):
                tokens += await fired(server.port, token, rate=TOKENS_A_SECOND, seconds=seconds)
                alone += await fired(server.port, light, rate=REQUESTS_A_SECOND, seconds=seconds)
                await people.tell("call", server.base, calls)
                await asyncio.sleep(_PAUSE_SECONDS)
                busy += await fired(server.port, light, rate=REQUESTS_A_SECOND, seconds=seconds)
                turns += await people.tell("stop")
    return {
        "tokens": len(tokens),
        "token_p50_ms": quantile(tokens, 0.5),
        "token_p99_ms": quantile(tokens, 0.99),
        "api_requests": len(alone) + len(busy),
        "api_calls": calls,
        "api_turns_meanwhile": turns,
        "api_alone_p50_ms": quantile(alone, 0.5),
        "api_alone_p99_ms": quantile(alone, 0.99),
        "api_during_calls_p50_ms": quantile(busy, 0.5),
        "api_during_calls_p99_ms": quantile(busy, 0.99),
    }


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sound", type=Path)
    parser.add_argument("--seconds", type=float, default=8, help="of each kind of load in a round")
    parser.add_argument("--calls", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=2, help="rounds, each with and without calls")
    parser.add_argument("--callers", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.callers:
        asyncio.run(call_as_told(options.sound))
        return
    found = measured(options.sound, seconds=options.seconds, calls=options.calls, rounds=options.rounds)
    print(json.dumps(asyncio.run(found)), flush=True)


if __name__ == "__main__":
    sys.exit(main())
