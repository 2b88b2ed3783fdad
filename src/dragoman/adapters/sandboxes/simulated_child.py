"""The simulated shell, inside a child process: ``bashkit``, which has no processes and no network to begin with."""

import os
import sys
from collections.abc import Callable

import bashkit

from dragoman.adapters.sandboxes import landlock_child
from dragoman.adapters.sandboxes.simulated_job import Asked, Job, Ran
from dragoman.domain.sandbox.paths import HOME
from dragoman.kit.child import ask

_SCRIPT = "/tmp/script.py"  # noqa: S108 - in the simulated file system
_COMMANDS = 1_000_000
_LOOPS = 10_000_000
_FILES_BYTES = 64 << 20
_LEAST_ABI = 6
_entered: list[str] = []


class _Output:
    def __init__(self, most: int) -> None:
        self.kept = bytearray()
        self.cut = False
        self._most = most

    def take(self, stdout: str, stderr: str) -> None:
        piece = (stdout + stderr).encode("utf-8", "replace")
        free = self._most - len(self.kept)
        self.cut = self.cut or len(piece) > free
        self.kept += piece[: max(0, free)]


def run(job: Job) -> Ran:
    """Runs the program to its end."""
    _enter(job.base)
    shell = bashkit.Bash(
        username="user",
        hostname="box",
        cwd=HOME,
        env={"HOME": HOME, "LANG": "C.UTF-8"},
        max_commands=_COMMANDS,
        max_loop_iterations=_LOOPS,
        max_memory=_FILES_BYTES,
        timeout_seconds=job.seconds,
        python=True,
        mounts=[{"host_path": job.workspace, "vfs_path": HOME, "writable": True}],
        allowed_mount_paths=[job.base],
        custom_builtins={name: _builtin(name) for name in job.commands},
    )
    if job.is_python:
        # Given to the constructor, the file would hide the mount.
        shell.write_file(_SCRIPT, job.text)
    output = _Output(job.output_bytes)
    result = shell.execute_sync(f"python3 {_SCRIPT}" if job.is_python else job.text, on_output=output.take)
    if not output.kept:
        output.take(result.stdout, result.stderr)
    cut = output.cut or result.stdout_truncated or result.stderr_truncated
    return Ran(bytes(output.kept), result.exit_code, cut, result.error)


def _enter(base: str) -> None:
    """Where the kernel can, shuts this process off from all files but the workspaces: a second wall behind the first."""
    if not _entered and landlock_child.abi() >= _LEAST_ABI:
        readable = ["/usr", "/lib", "/lib64", "/etc", "/proc", "/sys", sys.prefix, sys.base_prefix, *sys.path]
        landlock_child.restrict([path for path in readable if os.path.exists(path)], [base, "/dev/null"])
    _entered.append(base)


def _builtin(name: str) -> Callable[[bashkit.BuiltinContext], bashkit.BuiltinResult]:
    def call(context: bashkit.BuiltinContext) -> bashkit.BuiltinResult:
        answer = ask(Asked(name, tuple(context.argv), context.stdin))
        assert isinstance(answer, tuple)
        text, code = answer
        return bashkit.BuiltinResult(stdout="" if code else text, stderr=text if code else "", exit_code=code)

    return call
