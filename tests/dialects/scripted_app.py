"""The application with a scripted model on a port of its own, as official clients reach it."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import httpx
import pytest
import uvicorn
from tests.dialects.asksage.asksage_scripted import Scripted, scripted_app

from dragoman.adapters.models.scripted import Rule, Script, ScriptedModel
from dragoman.kit.tasks import TaskOwner


@dataclass
class Served:
    """``base`` is the address; ``model`` keeps what it was asked; ``stack`` closes clients at the end."""

    base: str
    scripted: Scripted
    stack: AsyncExitStack

    @property
    def model(self) -> ScriptedModel:
        """The model that answers by default."""
        return self.scripted.model


class _Listening(uvicorn.Server):
    def install_signal_handlers(self) -> None:
        """Leaves signals to the tests."""


@asynccontextmanager
async def served(folder: Path, *rules: Rule) -> AsyncGenerator[Served]:
    """The application, listening; its model answers by the rules, else with the question."""
    tasks = TaskOwner()
    with pytest.MonkeyPatch.context() as patch:
        async with scripted_app(folder / "data", patch, Script(rules=rules)) as scripted:
            config = uvicorn.Config(
                scripted.app.application, port=0, lifespan="off", log_config=None, ws="none"
            )
            server = _Listening(config)
            sockets = [config.bind_socket()]
            running = tasks.start(server.serve(sockets), name="test.server")
            base = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
            try:
                async with AsyncExitStack() as stack:
                    yield Served(base, scripted, stack)
            finally:
                server.should_exit = True
                await running
                await tasks.close()


async def until(holds: Callable[[], bool], *, seconds: float = 10) -> None:
    """Returns as soon as this holds; fails when it does not in time."""
    with anyio.fail_after(seconds):
        while True:
            if holds():
                return
            await anyio.sleep(0.02)


async def stops_when_left(server: Served, path: str, body: Mapping[str, object], key: str) -> None:
    """Fails unless the model stops when the client of this request hangs up; the rule asked for must be a slow one."""
    asked, closed = len(server.model.requests), server.model.closed_early
    async with (
        httpx.AsyncClient(base_url=server.base, headers={"x-api-key": key}, trust_env=False) as client,
        anyio.create_task_group() as group,
    ):
        group.start_soon(lambda: client.post(path, json=body))
        await until(lambda: len(server.model.requests) > asked)
        group.cancel_scope.cancel()
    await until(lambda: server.model.closed_early > closed)
