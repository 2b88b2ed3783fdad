"""Measures how gateways are kept when one account has many: ``python bench/gateways.py``.

Starts a server of its own over a new data folder and times single requests over HTTP. Exits with 1 when a bound is
missed.
"""

import argparse
import itertools
import json
import os
import random
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent.parent), str(Path(__file__).parent.parent / "tests")]

import httpx  # noqa: E402
from tests.e2e.server import Server  # noqa: E402

from dragoman.db.sqlite_driver import open_connection  # noqa: E402

BOUND_MS = 20.0
PAGE = 50
_GATEWAYS = "/api/v1/ai-gateways"


@dataclass
class Measured:
    """Milliseconds of one kind of request, and whether its bound held."""

    name: str
    p50_ms: float
    p99_ms: float
    bytes: int
    held: bool


@dataclass
class Report:
    """All requests at one number of gateways."""

    gateways: int
    requests: int
    load: float
    measured: list[Measured] = field(default_factory=list[Measured])


def parameters(number: int) -> dict[str, object]:
    """Settings as people have them: an instruction of a few hundred words, a model, some sampling."""
    return {
        "baseAddress": "https://provider.example.com/v1",
        "modelName": f"model-{number % 7}",
        "systemInstruction": "You answer questions of our customers kindly, briefly and from the documents. "
        * 12,
        "temperature": 0.4,
        "maxCompletionTokens": 800,
    }


def fill(server: Server, client: httpx.Client, count: int) -> list[tuple[str, str]]:
    """Id and slug of so many gateways: one made over HTTP, the others as copies of its row."""
    body = {"name": "Support 0", "parameters": parameters(0)}
    made = client.post(_GATEWAYS, json=body).raise_for_status().json()["aiGatewayId"]
    with closing(open_connection(server.data / "dragoman.db")) as connection:
        row = connection.execute("select * from agents where id = ?", (made,))
        names = [column[0] for column in row.description]
        first = dict(zip(names, row.fetchone(), strict=True))
        rows = [dict(first)]
        for number in range(1, count):
            name = f"Support {number}"
            given = {"id": str(uuid.uuid4()), "name": name, "slug": f"support-{number}:{number:04x}"}
            rows.append({**first, **given})
        connection.execute("begin")
        marks = ", ".join(f":{name}" for name in names)
        connection.executemany(f"insert into agents ({', '.join(names)}) values ({marks})", rows[1:])
        connection.execute("commit")
    return [(row["id"], row["slug"]) for row in rows]


def kinds(
    client: httpx.Client, known: list[tuple[str, str]]
) -> Iterator[tuple[str, Callable[[], httpx.Response]]]:
    """Each kind of request, as a call that makes the next one."""
    dice = random.Random(7)
    number = itertools.count()
    a_page = {"limit": str(PAGE)}

    def patch() -> httpx.Response:
        changed = {"parameters": {"temperature": dice.random()}}
        return client.patch(f"{_GATEWAYS}/{dice.choice(known)[0]}", json=changed)

    def post() -> httpx.Response:
        made = next(number)
        return client.post(_GATEWAYS, json={"name": f"New {made}", "parameters": parameters(made)})

    yield (
        "list page",
        lambda: client.get(_GATEWAYS, params={**a_page, "offset": str(dice.randrange(len(known)))}),
    )
    yield "get by id", lambda: client.get(f"{_GATEWAYS}/{dice.choice(known)[0]}")
    yield "get by slug", lambda: client.get(f"{_GATEWAYS}/{dice.choice(known)[1]}")
    yield "view model", lambda: client.get(f"/v1/models/{dice.choice(known)[1]}")
    yield "patch", patch
    yield "post", post
    yield "list filtered", lambda: client.get(_GATEWAYS, params={"filter": str(dice.randrange(100, 1000))})
    yield "list everything", lambda: client.get(_GATEWAYS)
    yield "list models", lambda: client.get("/v1/models")


def timed(name: str, call: Callable[[], httpx.Response], requests: int) -> Measured:
    """The times of so many requests, one after another; the first few are not counted."""
    spent: list[float] = []
    size = 0
    for turn in range(requests + 5):
        began = time.perf_counter()
        answer = call().raise_for_status()
        if turn >= 5:
            spent.append((time.perf_counter() - began) * 1000)
        size = len(answer.content)
    spent.sort()
    p99 = spent[min(len(spent) - 1, int(len(spent) * 0.99))]
    return Measured(name, round(spent[len(spent) // 2], 2), round(p99, 2), size, p99 <= BOUND_MS)


def run(gateways: int, requests: int) -> Report:
    """Measures every kind of request."""
    report = Report(gateways, requests, os.getloadavg()[0])
    with (
        tempfile.TemporaryDirectory() as folder,
        Server(Path(folder) / "data") as server,
        server.client() as client,
    ):
        known = fill(server, client, gateways)
        for name, call in kinds(client, known):
            report.measured.append(timed(name, call, requests))
    return report


def main() -> int:
    """Prints what was measured; 1 when a bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gateways", type=int, default=10_000)
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    report = run(arguments.gateways, arguments.requests)
    if arguments.json:
        print(json.dumps(asdict(report)))
    else:
        print(f"{report.gateways:,} gateways in one account (load {report.load:.1f})")
        for one in report.measured:
            verdict = "pass" if one.held else "FAIL"
            print(
                f"  {verdict}  {one.name:16} p50 {one.p50_ms:7.2f}  p99 {one.p99_ms:7.2f} ms  {one.bytes:,} bytes"
            )
        print(f"  bound: p99 <= {BOUND_MS:g} ms")
    return int(any(not one.held for one in report.measured))


if __name__ == "__main__":
    sys.exit(main())
