"""The floor: a shell that is only simulated, in a child process, for systems that offer nothing else."""

import asyncio
import signal
import time
from collections.abc import Mapping
from pathlib import Path

from anyio import to_thread

from dragoman.adapters.sandboxes import simulated_job
from dragoman.domain.sandbox.commands import is_command_name, run_command
from dragoman.domain.sandbox.ports import Ending, Limits, Outcome, Program, ShellCommand
from dragoman.domain.sandbox.walk import usage
from dragoman.kit.processes import ChildCrashed, ChildPool, ChildTimeout

_GRACE_SECONDS = 1.0
_PAUSE_SECONDS = 0.1
_LOOKING_SHARE = 20
_TIME_WORDS = ("execution timeout", "time limit exceeded")


class SimulatedSandbox:
    """Runs programs in ``bashkit``: its own shell, commands and Python, no processes, no network.

    Args:
        pool: children to run in; their memory bound is the programs'.
        base: the folder that all workspaces lie in.
    """

    name = "simulated"

    def __init__(self, pool: ChildPool, base: Path) -> None:
        self._pool = pool
        self._base = base.resolve()

    def missing(self) -> str | None:
        """Why it cannot be tried here, None when it can."""
        return None if simulated_job.is_installed() else "not installed: pip install 'dragoman[tools]'"

    async def run(
        self,
        program: Program,
        workspace: Path,
        *,
        limits: Limits,
        commands: Mapping[str, ShellCommand] | None = None,
    ) -> Outcome:
        """See the port."""
        offered = {name: command for name, command in (commands or {}).items() if is_command_name(name)}
        job = simulated_job.Job(
            text=program.text,
            is_python=program.language == "python",
            base=str(self._base),
            workspace=str(workspace),
            commands=tuple(offered),
            seconds=limits.wall_seconds,
            output_bytes=limits.output_bytes,
        )
        outcome: list[Outcome] = []
        async with asyncio.TaskGroup() as group:
            running = group.create_task(self._run(job, offered, outcome))
            watcher = group.create_task(_watch(workspace, limits, running, outcome))
            await asyncio.wait({running})
            watcher.cancel()
        return outcome[0]

    async def _run(
        self, job: simulated_job.Job, commands: Mapping[str, ShellCommand], outcome: list[Outcome]
    ) -> None:
        async def answer(asked: simulated_job.Asked) -> tuple[str, int]:
            printed = await run_command(commands[asked.name], asked.words, asked.stdin)
            return printed.text, printed.exit_code

        try:
            ran = await self._pool.call(
                simulated_job.run, job, timeout_seconds=job.seconds + _GRACE_SECONDS, answer=answer
            )
        except ChildTimeout:
            outcome.append(_stopped("time"))
        except ChildCrashed:
            outcome.append(_stopped("memory"))
        else:
            outcome.append(_outcome(ran))


async def _watch(
    workspace: Path, limits: Limits, running: "asyncio.Task[None]", outcome: list[Outcome]
) -> None:
    allowed = max(await to_thread.run_sync(usage, workspace), limits.workspace_bytes)
    while True:
        await asyncio.sleep(_PAUSE_SECONDS)
        began = time.monotonic()
        if await to_thread.run_sync(usage, workspace) > allowed:
            outcome.append(_stopped("workspace"))
            running.cancel()
            return
        await asyncio.sleep((time.monotonic() - began) * _LOOKING_SHARE)


def _stopped(ending: Ending) -> Outcome:
    return Outcome("", 128 + signal.SIGKILL, ending)


def _outcome(ran: simulated_job.Ran) -> Outcome:
    text = ran.output.decode("utf-8", "replace")
    error = ran.error or ""
    if any(words in error for words in _TIME_WORDS):
        return Outcome(text, 128 + signal.SIGKILL, "time", ran.cut)
    if error and error not in text:
        text += error + "\n"
    return Outcome(text, ran.exit_code, "exited", ran.cut)
