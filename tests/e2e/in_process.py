"""The whole application in this process, over ASGI: for what needs no process of its own."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx
from tests.e2e.server import API_KEY, EMAIL

from dragoman.bootstrap.application import build_application
from dragoman.bootstrap.asgi import Front
from dragoman.bootstrap.services import Running, open_running
from dragoman.domain.accounts.admin import NewUser
from dragoman.settings import Settings

OTHER_EMAIL = "eve@example.org"


@dataclass
class InProcess:
    """``client`` and ``stranger`` are two users with a key each, ``nobody`` has none."""

    running: Running
    client: httpx.AsyncClient
    stranger: httpx.AsyncClient
    nobody: httpx.AsyncClient
    application: Front

    async def settled(self, collection_id: str, *, seconds: float = 30) -> list[dict[str, Any]]:
        """The documents of a collection once none waits any more."""
        with anyio.fail_after(seconds):
            while True:
                listed = (await self.client.get(f"/api/v1/collections/{collection_id}/documents")).json()
                if all(document["indexState"] != "Queued" for document in listed):
                    return listed
                await anyio.sleep(0.05)

    async def dataset(self, name: str) -> str:
        """The id of a new dataset."""
        assert (await self.client.post("/user/add-dataset", json={"dataset": name})).status_code == 200
        listed = (await self.client.get("/api/v1/collections")).json()
        return next(item["id"] for item in listed if item["name"] == name)


def settings_in(data: Path, **groups: Any) -> Settings:
    """Settings without local models, quick to start."""
    usual: dict[str, Any] = {"embedding": {"provider": "none"}, "models": {"local": {"enabled": False}}}
    return Settings.model_validate({"data_dir": data, **usual, **groups})


@asynccontextmanager
async def in_process(settings: Settings) -> AsyncGenerator[InProcess]:
    """The application with background work, and clients that reach it without a network."""
    async with open_running(settings, work=True) as running, AsyncExitStack() as stack:
        admin = running.services.accounts.admin
        await admin.ensure_bootstrap(EMAIL, API_KEY)
        await admin.create_user(NewUser(OTHER_EMAIL))
        _, other_key = await admin.create_key(OTHER_EMAIL, "test")
        application = build_application(running, stack)
        transport = httpx.ASGITransport(application, client=("127.0.0.1", 1))  # pyright: ignore[reportArgumentType]

        async def client(key: str | None) -> httpx.AsyncClient:
            headers = {"authorization": f"Bearer {key}"} if key else {}
            made = httpx.AsyncClient(transport=transport, base_url="http://here", headers=headers, timeout=30)
            return await stack.enter_async_context(made)

        yield InProcess(
            running, await client(API_KEY), await client(other_key), await client(None), application
        )
