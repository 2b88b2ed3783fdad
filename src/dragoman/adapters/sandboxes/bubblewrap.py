"""Programs in namespaces of their own, made by bubblewrap."""

import os
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from dragoman.adapters.sandboxes.confinement import (
    COMMANDS_INSIDE,
    EXPENDABLE,
    STAGE_ROOT,
    environment,
    find_program,
    limiting,
    need_programs,
    staged,
    words_of,
)
from dragoman.adapters.sandboxes.folders import RunFolder, RunFolders
from dragoman.adapters.sandboxes.network import INSIDE, AllowedNetwork
from dragoman.adapters.sandboxes.process import Start, run_process
from dragoman.adapters.sandboxes.seccomp import build_filter, is_supported
from dragoman.domain.sandbox.paths import HOME
from dragoman.domain.sandbox.ports import Limits, Outcome, Program, ShellCommand

_TMPFS_BYTES = 64 << 20
_USER = 1000
_LINKED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_READABLE = ("/etc/alternatives", "/etc/ld.so.cache", "/etc/ssl/certs", "/etc/mime.types")


class BubblewrapSandbox:
    """Runs programs under ``bwrap``: own users, mounts, processes and network; system calls filtered.

    Args:
        folders: where the runs' own folders are made.
        owner: the user id to drop to, None when the server is no root itself.
        network: a way to some hosts, None for no way at all.
    """

    name = "bubblewrap"

    def __init__(self, folders: Path, owner: int | None, network: AllowedNetwork | None = None) -> None:
        self._folders = RunFolders(folders, owner)
        self._owner = owner
        self._network = network if network is not None and network.is_possible else None

    def missing(self) -> str | None:
        """Why it cannot be tried here, None when it can."""
        if not is_supported():
            return "there is no system call filter for this processor"
        wanted = ["bwrap", "prlimit", "choom", "nice"]
        return need_programs(*wanted, *(("unshare", "setpriv", "mount") if self._owner is not None else ()))

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
        async with AsyncExitStack() as stack:
            folder = await stack.enter_async_context(
                self._folders.open(workspace, commands or {}, lambda _: COMMANDS_INSIDE)
            )
            env = environment(commands=COMMANDS_INSIDE if folder.has_commands else None)
            if self._network is not None:
                await stack.enter_async_context(self._network.open(folder.path / "network"))
                env |= self._network.environment()
                words = self._network.started(words)
            filter_ = _filter_file()
            stack.callback(os.close, filter_)
            return await run_process(
                Start(
                    argv=[*self._outside(folder), *self._inside(folder, filter_, limits), *words],
                    env=env,
                    limits=limits,
                    used_bytes=folder.used_bytes,
                    pass_fds=(filter_,),
                )
            )

    def _outside(self, folder: RunFolder) -> list[str]:
        if self._owner is None:
            return list(EXPENDABLE)
        drop = [
            "setpriv",
            f"--reuid={self._owner}",
            f"--regid={self._owner}",
            "--clear-groups",
            "--no-new-privs",
            "--",
        ]
        return [*staged(folder.path, folder.workspace), *EXPENDABLE, *drop]

    def _inside(self, folder: RunFolder, filter_: int, limits: Limits) -> list[str]:
        where = STAGE_ROOT if self._owner is not None else str(folder.path)
        workspace = f"{STAGE_ROOT}/workspace" if self._owner is not None else str(folder.workspace)
        words = [
            "bwrap",
            "--unshare-user",
            "--unshare-all",
            "--disable-userns",
            "--die-with-parent",
            "--new-session",
        ]
        words += ["--cap-drop", "ALL", "--uid", str(_USER), "--gid", str(_USER), "--hostname", "box"]
        words += _system()
        for name in ("passwd", "group", "hosts"):
            words += ["--ro-bind", f"{where}/etc/{name}", f"/etc/{name}"]
        words += ["--proc", "/proc", "--dev", "/dev", *_memory("/dev/shm"), *_memory("/tmp")]  # noqa: S108
        words += ["--bind", workspace, HOME]
        if folder.has_commands:
            words += ["--ro-bind", f"{where}/commands", COMMANDS_INSIDE]
            words += ["--bind", f"{where}/commands/calls", f"{COMMANDS_INSIDE}/calls"]
            words += ["--bind", f"{where}/commands/requests", f"{COMMANDS_INSIDE}/requests"]
        if self._network is not None:
            words += ["--ro-bind", f"{where}/network", INSIDE]
        words += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", HOME]
        return [*words, "--seccomp", str(filter_), "--", *limiting(limits)]


def _system() -> list[str]:
    words = ["--ro-bind", "/usr", "/usr"]
    for name in _LINKED:
        if os.path.islink(f"/{name}"):
            words += ["--symlink", f"usr/{name}", f"/{name}"]
        elif os.path.isdir(f"/{name}"):
            words += ["--ro-bind", f"/{name}", f"/{name}"]
    for path in _READABLE:
        words += ["--ro-bind-try", path, path]
    return words


def _memory(path: str) -> list[str]:
    return ["--perms", "1777", "--size", str(_TMPFS_BYTES), "--tmpfs", path]


def _filter_file() -> int:
    descriptor = os.memfd_create("filter", os.MFD_CLOEXEC)
    os.write(descriptor, build_filter(sockets=True))
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def is_installed() -> bool:
    """Whether the program is there."""
    return find_program("bwrap") is not None
