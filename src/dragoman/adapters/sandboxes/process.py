"""Running one confined process: its output is cut while it comes, its use is watched, and nothing of it stays."""

import asyncio
import contextlib
import os
import signal
import time
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from anyio import CancelScope, to_thread

from dragoman.adapters.sandboxes.watching import children_of, over_limit
from dragoman.domain.sandbox.ports import Ending, Limits, Outcome
from dragoman.kit.errors import Unavailable

_PIECE = 1 << 16
# Far more than anybody reads: beyond it a program is stopped rather than read to its end.
_DROPPED_BYTES = 16 << 20
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
_LOOKING_SHARE = 20
_END_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Start:
    """How the process is started. Killing its children ends all that it started, and then itself; with ``stop`` it is told
    by that signal to do so.
    """

    argv: Sequence[str]
    env: Mapping[str, str]
    limits: Limits
    used_bytes: Callable[[], int]
    pass_fds: Sequence[int] = ()
    stop: signal.Signals | None = None
    cwd: str = "/"


@dataclass(slots=True)
class _Run:
    start: Start
    process: Process
    ending: Ending | None = None
    kept: bytearray = field(default_factory=bytearray)
    cut: bool = False

    async def stop(self, ending: Ending | None) -> None:
        """Ends everything; the process itself ends when all below it are gone."""
        if self.ending is None:
            self.ending = ending
        if self.process.returncode is not None:
            return
        if self.start.stop is not None:
            _signal(self.process.pid, self.start.stop)
            return
        below = await to_thread.run_sync(children_of, self.process.pid)
        for pid in below or [self.process.pid]:
            _signal(pid, signal.SIGKILL)

    async def end(self) -> None:
        """Ends everything and waits for that."""
        await self.stop(None)
        try:
            async with asyncio.timeout(_END_SECONDS):
                await self.process.wait()
        except TimeoutError:
            _signal(self.process.pid, signal.SIGKILL)
            await self.process.wait()

    async def read(self) -> None:
        stdout, room = self.process.stdout, self.start.limits.output_bytes
        assert stdout is not None
        dropped = 0
        while piece := await stdout.read(_PIECE):
            free = room - len(self.kept)
            self.kept += piece[: max(0, free)]
            dropped += max(0, len(piece) - free)
            self.cut = dropped > 0
            if dropped > _DROPPED_BYTES:
                await self.stop("output")

    async def watch(self) -> None:
        limits, pid = self.start.limits, self.process.pid
        before = await to_thread.run_sync(self.start.used_bytes)
        # Somebody whose workspace is over its bound may still run what makes it smaller.
        allowed = max(before, limits.workspace_bytes)
        while True:
            began = time.monotonic()
            broken = await to_thread.run_sync(over_limit, pid, limits, self.start.used_bytes, allowed)
            if broken is not None:
                await self.stop(broken)
                return
            looked = time.monotonic() - began
            await asyncio.sleep(min(_LONGEST_PAUSE, max(_SHORTEST_PAUSE, looked * _LOOKING_SHARE)))


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


async def run_process(start: Start) -> Outcome:
    """Runs the process to its end or to the first broken limit.

    Raises:
        Unavailable: it cannot be started.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *start.argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            env=dict(start.env),
            cwd=start.cwd,
            pass_fds=tuple(start.pass_fds),
            start_new_session=True,
        )
    except OSError as error:
        raise Unavailable(
            f"The sandbox cannot be started: {error.strerror}.", code="sandbox_failed"
        ) from error
    run = _Run(start, process)
    try:
        async with asyncio.TaskGroup() as group:
            watcher = group.create_task(run.watch())
            await _read_in_time(run)
            watcher.cancel()
    finally:
        with CancelScope(shield=True):
            await run.end()
    return _outcome(run)


async def _read_in_time(run: _Run) -> None:
    try:
        async with asyncio.timeout(run.start.limits.wall_seconds):
            await run.read()
            await run.process.wait()
    except TimeoutError:
        await run.stop("time")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_END_SECONDS):
                await run.read()


def _outcome(run: _Run) -> Outcome:
    code = run.process.returncode
    assert code is not None
    if run.ending is not None:
        code = 128 + signal.SIGKILL
    elif code < 0:
        code = 128 - code
    return Outcome(run.kept.decode("utf-8", "replace"), code, run.ending or "exited", run.cut)
