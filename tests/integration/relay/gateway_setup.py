"""The hot route on a real server, between a scripted provider and a real client."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import orjson
import uvicorn

from dragoman.dialects.openai.hot import HotLimits, HotRoute
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.inference.pricing import PriceTable, TokenPrice
from dragoman.domain.inference.relay import Relay, RelayTarget
from dragoman.domain.usage.journal import Journal
from dragoman.domain.usage.meter import Meter
from dragoman.kit.asgi import Receive, Scope, Send
from dragoman.kit.errors import NotFound, Unauthenticated
from dragoman.kit.http1 import Http1Client, Response
from dragoman.kit.jsontypes import JsonObject
from dragoman.kit.tasks import TaskOwner
from scripted_server import Handler, ScriptedServer

CALLER = Caller("org", "anna", 1, "anna@example.org", "owner", "key-1")
PRICES = PriceTable({"model": TokenPrice(input=2.0, output=10.0, cached=1.0)})
PROVIDER_KEY = "sk-provider-secret"


@dataclass
class Keys:
    """Knows one key at once, one only after a second look."""

    late: set[str] = field(default_factory=lambda: {"sk-late"})

    def authenticate(self, credential: str) -> Caller:
        if credential != "sk-good":
            raise Unauthenticated("The API key is not valid.", code="invalid_api_key")
        return CALLER

    async def authenticate_slow(self, credential: str) -> Caller:
        if credential in self.late:
            return CALLER
        return self.authenticate(credential)


class Gateway:
    """The running gateway and what a client does to it."""

    def __init__(self, port: int, folder: Path, tasks: TaskOwner) -> None:
        self.url = f"http://127.0.0.1:{port}/v1/chat/completions"
        self.port = port
        self.folder = folder
        self.tasks = tasks
        self.client = Http1Client(idle_seconds=20)

    async def send(
        self, body: object, *, key: str | None = "sk-good", query: str = "", options: str | None = None
    ) -> Response:
        """The answer at its headers; ``options`` are what the client says of its stream."""
        raw = body if isinstance(body, bytes) else orjson.dumps(body)
        headers = [] if key is None else [(b"authorization", f"Bearer {key}".encode())]
        if options is not None:
            headers.append((b"sse-stream-options", options.encode()))
        return await self.client.request("POST", self.url + query, headers, raw)

    async def ask(self, body: object, **how: str | None) -> tuple[int, bytes]:
        """Status and whole body."""
        response = await self.send(body, **how)  # type: ignore[arg-type]
        return response.status, await response.read(1 << 26)

    def records(self) -> list[dict[str, object]]:
        """What the journal holds."""
        lines = [
            line for path in sorted(self.folder.glob("*.jsonl")) for line in path.read_bytes().splitlines()
        ]
        return [orjson.loads(line) for line in lines]

    async def one_record(self) -> dict[str, object]:
        """The only record, once it is there."""
        async with asyncio.timeout(5):
            while not self.records():  # noqa: ASYNC110 - a file cannot signal
                await asyncio.sleep(0.01)
        (record,) = self.records()
        return record


@dataclass
class Setup:
    """What a test may change before the gateway starts."""

    folder: Path
    limits: HotLimits = field(default_factory=HotLimits)
    upstream_idle_seconds: float = 20.0
    fallback_bodies: list[bytes] = field(default_factory=list)

    @asynccontextmanager
    async def gateway(self, handler: Handler) -> AsyncGenerator[tuple[Gateway, ScriptedServer]]:
        """Provider and gateway, started."""
        tasks, journal = TaskOwner(), Journal(self.folder)
        upstream = Http1Client(idle_seconds=self.upstream_idle_seconds)
        async with ScriptedServer(handler) as provider:
            route = self._route(provider.url, upstream, journal, tasks)
            async with _served(route) as port:
                made = Gateway(port, self.folder, tasks)
                yield made, provider
                made.client.close()
        await tasks.close()
        upstream.close()
        await asyncio.to_thread(journal.close)

    def _route(self, url: str, client: Http1Client, journal: Journal, tasks: TaskOwner) -> HotRoute:
        target = RelayTarget(url + "/v1", "upstream-model", "model", api_key=PROVIDER_KEY, agent_id="agent-1")
        bare = replace(target, agent_id=None)

        def plan(caller: Caller, model: str, body: JsonObject) -> RelayTarget | None:
            if model == "missing":
                raise NotFound("There is no model 'missing'.", code="model_not_found")
            if model == "injected":
                return None
            return bare if model == "bare" else target

        async def fallback(scope: Scope, receive: Receive, send: Send) -> None:
            message = await receive()
            self.fallback_bodies.append(message["body"])
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"from the fallback"})

        relay = Relay(client, Meter(journal), tasks=tasks, count=lambda text: len(text.split()))
        return HotRoute(
            keys=Keys(),
            plan=plan,
            relay=relay,
            fallback=fallback,
            tasks=tasks,
            charges=partial(PRICES.charges, "answer"),
            limits=self.limits,
        )


@asynccontextmanager
async def _served(app: HotRoute) -> AsyncGenerator[int]:
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]
        host="127.0.0.1",
        port=0,
        http="httptools",
        lifespan="off",
        ws="none",
        log_level="error",
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    server.capture_signals = _no_signals  # type: ignore[method-assign]
    task = asyncio.ensure_future(server.serve())  # noqa: TID251 - owned by the fixture
    async with asyncio.timeout(5):
        while not server.started:  # noqa: ASYNC110 - uvicorn offers no event
            await asyncio.sleep(0.005)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await task


class _no_signals:
    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...
