"""A back end over a workspace."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from pathlib import Path
from typing import TypeAlias

import pytest

from dragoman.adapters.sandboxes.probing import Probed
from dragoman.domain.sandbox.ports import Limits, Outcome, Program, ShellCommand
from dragoman.kit.processes import ChildPool
from sandbox_backends import make_backend, open_base

LIMITS = Limits(
    wall_seconds=10,
    cpu_seconds=5,
    memory_bytes=256 << 20,
    processes=24,
    file_bytes=4 << 20,
    workspace_bytes=16 << 20,
    output_bytes=64 << 10,
)
Run: TypeAlias = Callable[..., Awaitable[Outcome]]


@pytest.fixture
def base() -> Generator[Path]:
    """Where workspaces and runs are."""
    with open_base() as folder:
        yield folder


@pytest.fixture
def workspace(base: Path) -> Path:
    """A workspace of the server's making."""
    path = base / "workspace"
    path.mkdir()
    return path


@pytest.fixture
async def pool() -> AsyncGenerator[ChildPool]:
    """Children for the simulated shell."""
    pool = ChildPool(size=2, memory_mb=256, idle_seconds=30, name="shell")
    yield pool
    await pool.close()


@pytest.fixture
def backend(request: pytest.FixtureRequest, base: Path, pool: ChildPool) -> Probed:
    """The back end that the test names as its parameter."""
    return make_backend(request.param, base, pool)


@pytest.fixture
def run(backend: Probed, workspace: Path) -> Run:
    """Runs a command line."""

    async def run(
        text: str,
        limits: Limits = LIMITS,
        commands: Mapping[str, ShellCommand] | None = None,
        program: Program | None = None,
    ) -> Outcome:
        return await backend.run(program or Program(text), workspace, limits=limits, commands=commands or {})

    return run
