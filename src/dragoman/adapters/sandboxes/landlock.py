"""Programs under Landlock, for systems where namespaces are forbidden.

Programs run as a user of their own, see the system's programs and their workspace, have no network, and share nothing else.
They share the list of processes with the system, so it takes a server that is root and can drop to that user.
"""

import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from dragoman.adapters.sandboxes import landlock_child
from dragoman.adapters.sandboxes.confinement import environment, words_of
from dragoman.adapters.sandboxes.folders import RunFolder, RunFolders
from dragoman.adapters.sandboxes.process import Start, run_process
from dragoman.adapters.sandboxes.seccomp import build_filter, is_supported
from dragoman.domain.sandbox.ports import Limits, Outcome, Program, ShellCommand

_READABLE = (
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/ssl/certs",
)
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_LEAST_ABI = 6
_MEMORY_PER_ADDRESS_SPACE = 4


class LandlockSandbox:
    """Runs programs in a Landlock domain. Arguments as of ``BubblewrapSandbox``."""

    name = "landlock"

    def __init__(self, folders: Path, owner: int | None) -> None:
        self._folders = RunFolders(folders, owner)
        self._owner = owner

    def missing(self) -> str | None:
        """Why it cannot be tried here, None when it can."""
        if self._owner is None:
            return "needs a server that is root and drops to another user for programs"
        if not is_supported():
            return "there is no system call filter for this processor"
        found = landlock_child.abi()
        return f"needs Landlock {_LEAST_ABI} (Linux 6.12), found {found}" if found < _LEAST_ABI else None

    async def run(
        self,
        program: Program,
        workspace: Path,
        *,
        limits: Limits,
        commands: Mapping[str, ShellCommand] | None = None,
    ) -> Outcome:
        """See the port."""
        words = words_of(program)
        async with self._folders.open(workspace, commands or {}, lambda made: str(made.commands)) as folder:
            job = json.dumps(self._job(words, folder, limits))
            start = Start(
                argv=[sys.executable, "-I", "-S", landlock_child.__file__, job],
                env={"PATH": "/usr/bin:/bin"},
                limits=limits,
                used_bytes=folder.used_bytes,
                stop=signal.SIGTERM,
            )
            return await run_process(start)

    def _job(self, words: list[str], folder: RunFolder, limits: Limits) -> dict[str, object]:
        commands = str(folder.commands) if folder.has_commands else None
        readable = [*_READABLE, *([commands] if commands else [])]
        writable = [str(folder.workspace), str(folder.path / "tmp"), *_DEVICES]
        if commands:
            writable += [f"{commands}/calls", f"{commands}/requests"]
        return {
            "parent": os.getpid(),
            "owner": self._owner,
            "workspace": str(folder.workspace),
            "readable": readable,
            "writable": writable,
            "filter": build_filter(sockets=False, shared_system=True).hex(),
            "limits": _limits(limits),
            "words": words,
            "env": environment(
                home=str(folder.workspace), temporary=str(folder.path / "tmp"), commands=commands
            ),
        }


def _limits(limits: Limits) -> dict[str, int]:
    return {
        "RLIMIT_CPU": limits.cpu_seconds,
        "RLIMIT_DATA": limits.memory_bytes,
        "RLIMIT_AS": limits.memory_bytes * _MEMORY_PER_ADDRESS_SPACE,
        "RLIMIT_NPROC": limits.processes,
        "RLIMIT_FSIZE": limits.file_bytes,
        "RLIMIT_NOFILE": limits.open_files,
        "RLIMIT_CORE": 0,
        "RLIMIT_MEMLOCK": 65536,
    }
