"""Running programs in workspaces: whose, within which limits, and in what sandbox."""

import asyncio
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog
from anyio import to_thread

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.sandbox.ports import Limits, Outcome, Program, Sandbox, ShellCommand
from dragoman.domain.sandbox.service import SandboxService
from dragoman.domain.sandbox.walk import remove_tree
from dragoman.kit.tasks import TaskOwner

log = structlog.get_logger(__name__)


class Sandboxes(Protocol):
    """Whoever knows which back end is in force."""

    async def chosen(self) -> Sandbox:
        """The back end.

        Raises:
            Unavailable: there is none; says why.
        """
        ...


@dataclass(slots=True, weakref_slot=True)
class Workspace:
    """A folder that programs work in. A temporary one goes when nobody holds this any more."""

    path: Path


class ProgramRunner:
    """Runs programs for callers.

    Args:
        at_once: the most programs that run at the same time; more wait for their turn.
        told: is given the back end, how a program ended and the seconds it took.
    """

    def __init__(
        self,
        sandboxes: Sandboxes,
        service: SandboxService,
        tasks: TaskOwner,
        *,
        limits: Limits,
        at_once: int,
        told: Callable[[str, str, float], None] | None = None,
    ) -> None:
        self._told = told or _untold
        self._sandboxes = sandboxes
        self._service = service
        self._tasks = tasks
        self._limits = limits
        self._slots = asyncio.Semaphore(at_once)

    async def workspace(self, caller: Caller, person: str | None, *, persistent: bool) -> Workspace:
        """The workspace of one of the caller's people, the same that the files API shows; temporary unless it is asked for and
        the person is known.

        Raises:
            InvalidInput: the person's name cannot be had.
        """
        if persistent and person:
            path = await self._service.begun(caller, person)
            await to_thread.run_sync(lambda: path.mkdir(parents=True, exist_ok=True))
            return Workspace(path)
        path = await self._service.temporary(caller)
        workspace = Workspace(path)
        weakref.finalize(workspace, self._forget, path, asyncio.get_running_loop())
        return workspace

    def _forget(self, path: Path, loop: asyncio.AbstractEventLoop) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._start_removal, path)

    def _start_removal(self, path: Path) -> None:
        self._tasks.start(to_thread.run_sync(remove_tree, path), name="sandbox.discard")

    async def run(
        self, workspace: Workspace, program: Program, commands: Mapping[str, ShellCommand] | None = None
    ) -> Outcome:
        """What came of the program.

        Raises:
            Unavailable: nothing on this server can run it safely.
            InvalidInput: it is too long.
        """
        sandbox = await self._sandboxes.chosen()
        async with self._slots:
            began = time.perf_counter()
            outcome = await sandbox.run(program, workspace.path, limits=self._limits, commands=commands or {})
        self._told(sandbox.name, outcome.ending, time.perf_counter() - began)
        log.info(
            "sandbox.ran",
            backend=sandbox.name,
            language=program.language,
            ending=outcome.ending,
            code=outcome.exit_code,
        )
        return outcome


def _untold(backend: str, ending: str, seconds: float) -> None:
    pass
