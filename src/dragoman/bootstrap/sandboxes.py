"""Workspaces, what runs programs in them, and isolates, from the settings and from what the system offers."""

import os
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from anyio import to_thread

from dragoman.adapters.isolates.v8 import V8Isolate
from dragoman.adapters.sandboxes.bubblewrap import BubblewrapSandbox
from dragoman.adapters.sandboxes.folders import sweep
from dragoman.adapters.sandboxes.landlock import LandlockSandbox
from dragoman.adapters.sandboxes.network import AllowedNetwork
from dragoman.adapters.sandboxes.nsjail import NsjailSandbox
from dragoman.adapters.sandboxes.probing import Probed
from dragoman.adapters.sandboxes.proxy import FilteringProxy
from dragoman.adapters.sandboxes.ranked import RankedSandboxes
from dragoman.adapters.sandboxes.simulated import SimulatedSandbox
from dragoman.adapters.tools.code import CodeSource
from dragoman.adapters.tools.programs import ProgramSource
from dragoman.db.database import Database
from dragoman.domain.sandbox.model import Bounds
from dragoman.domain.sandbox.ports import BackendReport, Isolate, Limits
from dragoman.domain.sandbox.programs import ProgramRunner
from dragoman.domain.sandbox.service import SandboxService
from dragoman.domain.tools.model import ToolSource
from dragoman.kit.egress import EgressPolicy
from dragoman.kit.hosts import HostPatterns
from dragoman.kit.processes import ChildPool
from dragoman.kit.tasks import TaskOwner
from dragoman.settings import Settings

# On a busy machine an interpreter with V8 takes its time; a script's own time begins after that.
_START_SECONDS = 10.0
_IDLE_SECONDS = 60.0
_LEFT_SECONDS = 24 * 3600.0
_RUNS = "sandbox"


@dataclass(frozen=True, slots=True)
class Sandboxed:
    """What runs code that nobody vouches for. ``sources`` are its tools."""

    workspaces: SandboxService
    backends: RankedSandboxes
    programs: ProgramRunner
    isolate: Isolate
    sources: tuple[ToolSource, ...]


def ranked_sandboxes(settings: Settings, policy: EgressPolicy, stack: AsyncExitStack) -> RankedSandboxes:
    """The back ends that the settings let in, best first; what needs closing is given to the stack."""
    sandbox, base = settings.sandbox, settings.workspaces_dir
    runs = settings.data_dir / _RUNS
    owner = sandbox.user_id if os.geteuid() == 0 else None
    pool = ChildPool(
        size=sandbox.at_once, memory_mb=sandbox.memory_mb, idle_seconds=_IDLE_SECONDS, name="shell", env=None
    )
    stack.push_async_callback(pool.close)
    network = None
    if sandbox.network_allow:
        network = AllowedNetwork(FilteringProxy(HostPatterns(sandbox.network_allow), policy), owner)
    known: tuple[Probed, ...] = (
        BubblewrapSandbox(runs, owner, network),
        NsjailSandbox(runs, owner, network),
        LandlockSandbox(runs, owner),
        SimulatedSandbox(pool, base),
    )
    wanted = sandbox.backend
    candidates = [one for one in known if wanted in ("auto", one.name)]
    refused = [
        BackendReport(one.name, f"sandbox.backend is {wanted}") for one in known if one not in candidates
    ]
    return RankedSandboxes(candidates, base, refused)


async def open_sandboxes(
    settings: Settings,
    *,
    database: Database,
    policy: EgressPolicy,
    tasks: TaskOwner,
    told: Callable[[str, str, float], None],
    stack: AsyncExitStack,
) -> Sandboxed:
    """Everything, the choice of the back end under way; what needs closing is given to the stack.

    Args:
        told: is given the back end of a program, how it ended and the seconds it took.
    """
    sandbox = settings.sandbox
    service = SandboxService(
        database, settings.workspaces_dir, Bounds(sandbox.max_file_bytes, sandbox.workspace_bytes)
    )
    await service.sweep()
    await to_thread.run_sync(sweep, settings.data_dir / _RUNS, time.time() - _LEFT_SECONDS)
    ranked = ranked_sandboxes(settings, policy, stack)
    programs = ProgramRunner(
        ranked, service, tasks, limits=limits_of(settings), at_once=sandbox.at_once, told=told
    )
    pool = ChildPool(
        size=sandbox.scripts_at_once,
        memory_mb=None,
        idle_seconds=_IDLE_SECONDS,
        name="script",
        start_seconds=_START_SECONDS,
    )
    stack.push_async_callback(pool.close)
    isolate = V8Isolate(pool, memory_bytes=sandbox.script_memory_mb << 20)
    sources = (ProgramSource(programs), CodeSource(isolate, seconds=sandbox.script_seconds))
    return Sandboxed(service, ranked, programs, isolate, sources)


def limits_of(settings: Settings) -> Limits:
    """The limits of one program."""
    sandbox = settings.sandbox
    return Limits(
        wall_seconds=sandbox.command_seconds,
        cpu_seconds=sandbox.cpu_seconds,
        memory_bytes=sandbox.memory_mb << 20,
        processes=sandbox.processes,
        file_bytes=sandbox.max_file_bytes,
        workspace_bytes=sandbox.workspace_bytes,
    )


async def sandbox_reports(settings: Settings) -> list[BackendReport]:
    """What is known of each back end, tried now."""
    async with AsyncExitStack() as stack:
        policy = EgressPolicy.parse(settings.egress.allow, offline=settings.offline)
        return await ranked_sandboxes(settings, policy, stack).reports()
