"""A soak: failures, memory and the slowest answers over time."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import httpx
from rows import Row
from tests.e2e.server import Server
from upstream import MODEL, Upstream, resident_mb

GROWTH, TAIL = 1.05, 1.2
SAMPLE_SECONDS = 5.0


class _Soak:
    """Clients that ask, store and search for a time, and what their calls took."""

    def __init__(self, server: Server, minutes: float) -> None:
        self.server = server
        self.began = time.monotonic()
        self.ends = self.began + minutes * 60
        self.took: list[tuple[float, float]] = []
        self.failed: list[str] = []

    def client(self, call: Callable[[httpx.Client, int], httpx.Response]) -> None:
        """Calls until the time is over."""
        number = 0
        with self.server.client() as client:
            while time.monotonic() < self.ends:
                number += 1
                began = time.monotonic()
                answer = call(client, number)
                self.took.append((began - self.began, time.monotonic() - began))
                if answer.status_code != 200:
                    self.failed.append(f"{answer.status_code} {answer.text[:200]}")
                time.sleep(0.02)

    def p99(self, first: float, last: float) -> float:
        """The 99th percentile of calls begun between two moments, in seconds."""
        inside = sorted(took for at, took in self.took if first <= at < last)
        return inside[min(len(inside) - 1, int(len(inside) * 0.99))] if inside else 0.0


def soak(folder: Path, *, minutes: float) -> list[Row]:
    """Mixed load on one process with SQLite: the growth of its memory after a tenth of the time, and the slowest answers."""
    with Upstream(folder / "provider") as upstream:
        settings = {"DRAGOMAN_EMBEDDING__PROVIDER": "none", **upstream.settings}
        with Server(folder / "soak" / "data", settings) as server:
            return _soaked(server, minutes)


def _soaked(server: Server, minutes: float) -> list[Row]:
    with server.client() as client:
        made = client.post("/api/v1/collections", json={"collectionName": "soak"}).json()["collectionId"]
    run = _Soak(server, minutes)

    def ask(client: httpx.Client, number: int) -> httpx.Response:
        messages = [{"role": "user", "content": f"hello {number}"}]
        return client.post("/v1/chat/completions", json={"model": MODEL, "messages": messages})

    def store(client: httpx.Client, number: int) -> httpx.Response:
        # The same hundred again and again: the database must not grow for ever, either.
        body = {"name": f"doc {number % 100}", "contents": f"Lamp {number} stands in the hall. " * 20}
        return client.put(f"/api/v1/collections/{made}/documents", json=body)

    def search(client: httpx.Client, number: int) -> httpx.Response:
        body = {"term": f"lamp {number % 100}", "collections": [made], "minScore": 0.01}
        return client.post("/api/v1/query", json=body)

    threads = [threading.Thread(target=run.client, args=(call,)) for call in (ask, ask, store, search)]
    for thread in threads:
        thread.start()
    memory: list[tuple[float, float]] = []
    pause = min(SAMPLE_SECONDS, minutes * 60 / 40)
    while time.monotonic() < run.ends:
        time.sleep(pause)
        memory.append((time.monotonic() - run.began, resident_mb(server.pid)))
    for thread in threads:
        thread.join()
    return _verdicts(run, memory, minutes)


def _verdicts(run: _Soak, memory: list[tuple[float, float]], minutes: float) -> list[Row]:
    whole = minutes * 60
    settled = [size for at, size in memory if whole * 0.1 <= at < whole * 0.3]
    late = [size for at, size in memory if at >= whole * 0.8]
    growth = median(late) / median(settled)
    first, last = run.p99(whole / 60, whole / 6), run.p99(whole * 5 / 6, whole)
    part = f"soak, {minutes:g} min"
    long = minutes >= 60
    note = "" if long else "; an hour judges it"
    return [
        Row(
            part,
            "every call is answered",
            f"{len(run.took)} calls, {len(run.failed)} failed{': ' + run.failed[0] if run.failed else ''}",
            "0 failed",
            not run.failed,
        ),
        Row(
            part,
            "memory",
            f"{median(settled):.0f} MiB, then {median(late):.0f} MiB: {(growth - 1) * 100:+.1f} %{note}",
            "<= +5 %",
            growth <= GROWTH if long else None,
        ),
        Row(
            part,
            "slowest answers",
            f"p99 {first * 1000:.0f} ms in the first sixth, {last * 1000:.0f} ms in the last{note}",
            "<= 1.2 times",
            last <= first * TAIL if long else None,
        ),
    ]
