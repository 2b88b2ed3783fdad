"""Trying to get out of a sandbox before anybody is let into it.

The attempts do no harm where they succeed: they touch files, a port and a process that were made for them, and nothing else.
"""

import asyncio
import secrets
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from anyio import to_thread

from dragoman.domain.sandbox.ports import Limits, Program, Sandbox
from dragoman.domain.sandbox.walk import remove_tree
from dragoman.kit.errors import DragomanError
from dragoman.kit.ids import uuid7

_SECONDS = 15.0
_FEW_PROCESSES = 12
_SHOWN = 200
_LIMITS = Limits(wall_seconds=_SECONDS, cpu_seconds=10, memory_bytes=256 << 20, processes=32)
_SCRIPT = """
echo probe started
for path in '{secret}' '/proc/1/root{secret}' '/proc/self/root{secret}' '../../../../../../../../..{secret}'; do
  cat "$path" 2>/dev/null | grep -q '{token}' && echo 'ESCAPED reads files of the server'
done
ln -s '{secret}' link 2>/dev/null; cat link 2>/dev/null | grep -q '{token}' && echo 'ESCAPED follows links out'
cat /proc/*/environ 2>/dev/null | grep -q '{token}' && echo 'ESCAPED sees an environment of the server'
(echo x > '{outside}/written') 2>/dev/null
(exec 3<>/dev/tcp/127.0.0.1/{port}) 2>/dev/null
kill -9 {victim} 2>/dev/null
mkdir mounted; mount -t tmpfs none mounted 2>/dev/null && umount mounted && echo 'ESCAPED mounts'
unshare -Ur true 2>/dev/null && echo 'ESCAPED makes user namespaces'
ls -l /dev 2>/dev/null | grep -q '^b' && echo 'ESCAPED sees block devices'
echo probe finished
"""
_OF_PROCESSES = """
for folder in / /usr /etc /bin /sys /proc/sys/kernel; do [ -w $folder ] && echo 'ESCAPED may write to the system'; done
sh -c 'i=0; while [ $i -lt 30 ]; do sleep 2 & i=$((i+1)); done; echo ESCAPED has no bound on processes' 2>/dev/null
"""


class Probed(Sandbox, Protocol):
    """A back end that says what it lacks to be tried at all."""

    def missing(self) -> str | None:
        """Why it cannot be tried here, None when it can."""
        ...


async def probe(sandbox: Probed, base: Path, *, real: bool) -> str | None:
    """Why the back end must not be used here, None when nothing got out of it.

    Args:
        base: where workspaces are; the one of the test is made here and removed.
        real: whether the programs are real processes, whose number has to be bounded.
    """
    reason = sandbox.missing()
    if reason is not None:
        return reason
    folder = base / f"probe-{uuid7()}"
    try:
        return await _try_to_escape(sandbox, folder, real=real)
    except (DragomanError, OSError) as error:
        return f"the self-test could not be run: {error}"
    finally:
        await to_thread.run_sync(remove_tree, folder)


async def _try_to_escape(sandbox: Sandbox, folder: Path, *, real: bool) -> str | None:
    token, workspace, outside = secrets.token_hex(16), folder / "workspace", folder / "outside"
    await to_thread.run_sync(_lay_out, workspace, outside, token)
    reached: list[bool] = []

    def connected(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.append(True)
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    # It waits for the end of its input, which comes also when this process is killed.
    victim = await asyncio.create_subprocess_exec(
        "cat",
        env={"PATH": "/usr/bin:/bin", "TOKEN": token},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        port = server.sockets[0].getsockname()[1]
        text = _SCRIPT.format(
            secret=outside / "secret", outside=outside, token=token, port=port, victim=victim.pid
        )
        outputs = [await _output(sandbox, Program(text), workspace, _LIMITS)]
        if real:
            few = replace(_LIMITS, processes=_FEW_PROCESSES)
            outputs.append(await _output(sandbox, Program(_OF_PROCESSES), workspace, few))
        wrote = await to_thread.run_sync((outside / "written").exists)
        return _verdict(outputs, reached=bool(reached), killed=victim.returncode is not None, wrote=wrote)
    finally:
        server.close()
        if victim.returncode is None:
            victim.send_signal(signal.SIGKILL)
        await victim.wait()


def _lay_out(workspace: Path, outside: Path, token: str) -> None:
    workspace.mkdir(parents=True)
    outside.mkdir()
    (outside / "secret").write_text(token)


async def _output(sandbox: Sandbox, program: Program, workspace: Path, limits: Limits) -> str:
    return (await sandbox.run(program, workspace, limits=limits, commands={})).output


def _verdict(outputs: Sequence[str], *, reached: bool, killed: bool, wrote: bool) -> str | None:
    escapes = [
        line.removeprefix("ESCAPED ") for text in outputs for line in text.splitlines() if "ESCAPED" in line
    ]
    escapes += ["reaches the server's network"] if reached else []
    escapes += ["kills other processes"] if killed else []
    escapes += ["writes files of the server"] if wrote else []
    if escapes:
        return "the self-test got out: " + ", ".join(escapes)
    lines = outputs[0].splitlines()
    if "probe started" not in lines or "probe finished" not in lines:
        return "the self-test did not run: " + (" ".join(outputs[0].split())[-_SHOWN:] or "no output")
    return None
