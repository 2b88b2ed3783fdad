"""Proves a budget: many clients at once, answers broken off, the server killed; then the receipts are added up.

Run by ``scripts/bench budget [--clients 200] [--kills 5] [--json FILE]``. It holds when the sum of all receipts is what was
settled with the limit, and what was used beyond the limit is at most what one request reserves.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import httpx
from tests.e2e.server import API_KEY, Server
from tests.e2e.upstream import Upstream

from dragoman.kit.tasks import TaskOwner

_MODEL = "plain"
_MOST_TOKENS = 40
_ABORTED = 0.35
_PAGE = 500
_PAUSE_SECONDS = 0.05
_CONFIG = """
[models]
default = "plain"
[models.local]
enabled = false
[models.providers.fake]
base_url = "{base}"
models = ["plain"]
[embedding]
provider = "none"
[egress]
allow = ["127.0.0.1"]
"""


class _Provider(Upstream):
    """A provider that is not surprised when the server is killed."""

    def handle_error(self, request: object, client_address: object) -> None:
        """Says nothing: broken connections are what this is about."""


@dataclass
class Outcome:
    """What came of it, in tokens. ``reserve`` is the most that one request had reserved."""

    limit: int
    clients: int
    answered: int = 0
    aborted: int = 0
    refused: int = 0
    cut: int = 0
    kills: int = 0
    receipts: int = 0
    receipts_tokens: int = 0
    settled_tokens: int = 0
    overspent: int = 0
    reserve: int = 0
    problems: list[str] = field(default_factory=list[str])

    @property
    def holds(self) -> bool:
        """Whether the budget was kept, and everything has its receipt."""
        return not self.problems


@dataclass
class _Round:
    server: Server
    gateway: str
    outcome: Outcome
    chance: random.Random
    over: asyncio.Event = field(default_factory=asyncio.Event)
    progress: asyncio.Event = field(default_factory=asyncio.Event)

    async def client(self, number: int) -> None:
        """Asks until the limit is used up; breaks answers off now and then."""
        headers = {"authorization": f"Bearer {API_KEY}"}
        refusals = 0
        async with httpx.AsyncClient(
            base_url=self.server.base, headers=headers, timeout=60, trust_env=False
        ) as http:
            while not self.over.is_set():
                try:
                    status = await self._ask(http, number)
                except httpx.TransportError:
                    self.outcome.cut += 1
                    await asyncio.sleep(_PAUSE_SECONDS)
                    continue
                if status == 402:
                    self.outcome.refused += 1
                    refusals += 1
                    if refusals >= 3:
                        return
                if status != 200:
                    await asyncio.sleep(_PAUSE_SECONDS)

    async def _ask(self, http: httpx.AsyncClient, number: int) -> int:
        body = {
            # Half of them take the fast line.
            "model": self.gateway if number % 2 else _MODEL,
            "messages": [{"role": "user", "content": f"Question {number}: how long is the notice period?"}],
            "max_tokens": _MOST_TOKENS,
            "stream": True,
        }
        async with http.stream("POST", "/v1/chat/completions", json=body) as response:
            if response.status_code != 200:
                await response.aread()
                return response.status_code
            leaves = self.chance.random() < _ABORTED
            async for _ in response.aiter_bytes():
                if leaves:
                    self.outcome.aborted += 1
                    return 200
        self.outcome.answered += 1
        self.progress.set()
        return 200

    async def killer(self, kills: int) -> None:
        """Kills the server amid answers, and starts it again."""
        for _ in range(kills):
            if not self.over.is_set():
                self.progress.clear()
            await self.progress.wait()
            await asyncio.sleep(self.chance.random() * 0.2)
            await asyncio.to_thread(self.server.kill)
            self.outcome.kills += 1
            await asyncio.to_thread(self.server.start)


def run(
    *,
    clients: int = 200,
    kills: int = 5,
    limit: int | None = None,
    seed: int = 1,
    seconds: float = 600,
    folder: Path,
) -> Outcome:
    """One round in an empty folder.

    Args:
        clients: how many ask at the same time.
        kills: how often the server is killed meanwhile.
        limit: the budget in tokens; None = about eight answers a client.
        seed: of which answers are broken off and when the server is killed.
        seconds: the longest time it may take.
        folder: for the server's data.
    """
    outcome = Outcome(limit=limit or clients * 150, clients=clients)
    with (
        _Provider() as upstream,
        Server(folder / "data", config=_CONFIG.format(base=upstream.base_url)) as server,
    ):
        with server.client() as http:
            _set_limit(http, outcome.limit)
            gateway = _gateway(http)
        asyncio.run(_clients(_Round(server, gateway, outcome, random.Random(seed)), kills, seconds))
        _add_up(server, outcome)
    return outcome


def _set_limit(http: httpx.Client, tokens: int) -> None:
    limit = {"scope": "organisation", "measure": "tokens", "period": "month", "amount": tokens}
    http.post("/api/v1/limits", json=limit).raise_for_status()


def _gateway(http: httpx.Client) -> str:
    parameters = {"baseAddress": "@integrated", "modelName": _MODEL, "systemInstruction": "Be brief."}
    made = http.post("/api/v1/ai-gateways", json={"name": "budget", "parameters": parameters})
    return str(made.raise_for_status().json()["aiGatewayId"])


async def _clients(round_: _Round, kills: int, seconds: float) -> None:
    tasks = TaskOwner()
    try:
        async with asyncio.timeout(seconds):
            killer = tasks.start(round_.killer(kills), name="budget.killer")
            numbers = range(round_.outcome.clients)
            asking = [tasks.start(round_.client(number), name="budget.client") for number in numbers]
            await asyncio.gather(*asking)
            # What is left of the kills happens without anybody asking.
            round_.over.set()
            round_.progress.set()
            await killer
    finally:
        await tasks.close()
    if await asyncio.to_thread(
        lambda: httpx.get(f"{round_.server.base}/health/live", trust_env=False).is_success
    ):
        return
    raise AssertionError("the server does not live after the round")


def _add_up(server: Server, outcome: Outcome) -> None:
    """Reads the receipts and the limit as its owner does, once what was under way has been settled."""
    server.stop()
    server.start()
    with server.client() as http:
        (limit,) = http.get("/api/v1/limits").raise_for_status().json()
        receipts = _receipts(http)
        outcome.reserve = max((_reserved(http, one["id"]) for one in receipts[:_PAGE:10]), default=0)
    outcome.receipts = len(receipts)
    outcome.receipts_tokens = sum(one["promptTokens"] + one["completionTokens"] for one in receipts)
    outcome.settled_tokens = limit["spent"]
    outcome.overspent = max(0, limit["spent"] - outcome.limit)
    if outcome.receipts_tokens != outcome.settled_tokens:
        outcome.problems.append(
            f"the receipts add up to {outcome.receipts_tokens} tokens, settled are {outcome.settled_tokens}"
        )
    if limit["reserved"]:
        outcome.problems.append(f"{limit['reserved']} tokens stay reserved though nothing is under way")
    if outcome.overspent > outcome.reserve:
        outcome.problems.append(
            f"{outcome.overspent} tokens were spent beyond the limit; one request reserves {outcome.reserve}"
        )
    if not outcome.refused:
        outcome.problems.append("nobody was refused: the limit was never reached")


def _receipts(http: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        page = (
            http.get("/api/v1/receipts", params={"limit": _PAGE, "offset": len(found)})
            .raise_for_status()
            .json()
        )
        found += page
        if len(page) < _PAGE:
            return found


def _reserved(http: httpx.Client, receipt: str) -> int:
    told = http.get(f"/api/v1/receipts/{receipt}").raise_for_status().json()["answers"]
    decisions = [one for answer in told for one in answer["decisions"] if one["kind"] == "limit"]
    return max((int(one["reserved"]) for one in decisions), default=0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs it, prints what came of it, and gives 1 when the budget did not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="file for the outcome")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="budget-") as folder:
        outcome = run(clients=given.clients, kills=given.kills, seed=given.seed, folder=Path(folder))
    for name, value in asdict(outcome).items():
        print(f"{name}: {value}")
    print("the budget holds" if outcome.holds else "the budget does NOT hold")
    if given.json is not None:
        given.json.write_text(json.dumps({**asdict(outcome), "holds": outcome.holds}, indent=2) + "\n")
    return 0 if outcome.holds else 1


if __name__ == "__main__":
    sys.exit(main())
