"""The relay's product path without the rest of the server: keys, plan, relay, journal, on uvicorn.

usage: app.py PORT UPSTREAM_PORT DATA_FOLDER
"""

import hashlib
import sys
from functools import partial
from pathlib import Path

import uvicorn

from dragoman.dialects.openai.hot import HotRoute, Receive, Scope, Send
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.inference.pricing import PriceTable
from dragoman.domain.inference.relay import Relay, RelayTarget
from dragoman.domain.usage.journal import Journal
from dragoman.domain.usage.meter import Meter
from dragoman.kit.errors import NotFound, Unauthenticated
from dragoman.kit.http1 import Http1Client
from dragoman.kit.jsontypes import JsonObject
from dragoman.kit.tasks import TaskOwner

KEY = "sk-benchmark-0123456789-0123456789-0123456789"


class Keys:
    """Keys by digest, as the server's own table holds them."""

    def __init__(self) -> None:
        caller = Caller("organisation", "user", 1, "bench@example.org", "owner", "key")
        self._callers = {hashlib.sha256(KEY.encode()).digest(): caller}

    def authenticate(self, credential: str) -> Caller:
        caller = self._callers.get(hashlib.sha256(credential.encode()).digest())
        if caller is None:
            raise Unauthenticated("The API key is not valid.")
        return caller

    async def authenticate_slow(self, credential: str) -> Caller:
        return self.authenticate(credential)


async def no_fallback(scope: Scope, receive: Receive, send: Send) -> None:
    raise NotFound("Only what can be relayed is answered here.")


def main(port: int, upstream_port: int, folder: Path) -> None:
    base = f"http://127.0.0.1:{upstream_port}/v1"
    targets = {
        name: RelayTarget(base, f"upstream-{name}", name, api_key="sk-upstream")
        for name in ("plain", "paced")
    }

    def plan(caller: Caller, model: str, body: JsonObject) -> RelayTarget | None:
        return targets.get(model)

    journal = Journal(folder)
    client = Http1Client()
    tasks = TaskOwner()
    relay = Relay(client, Meter(journal), tasks=tasks, count=lambda text: len(text) // 4)
    route = HotRoute(
        keys=Keys(),
        plan=plan,
        relay=relay,
        fallback=no_fallback,
        tasks=tasks,
        charges=partial(PriceTable().charges, "answer"),
    )
    uvicorn.run(
        route, host="127.0.0.1", port=port, http="httptools", loop="uvloop", lifespan="off", ws="none",
        access_log=False,
        proxy_headers=False, log_level="warning", server_header=False, date_header=False,
    )  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
