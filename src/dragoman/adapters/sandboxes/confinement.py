"""What the back ends that run real processes have in common: the programs, their environment and their limits."""

import os
import shutil
from pathlib import Path

from dragoman.domain.sandbox.paths import HOME
from dragoman.domain.sandbox.ports import Limits, Program
from dragoman.kit.errors import InvalidInput, Unavailable

# Linux takes no longer word on a command line.
_LONGEST_BYTES = 120_000
_SEARCH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MEMORY_PER_ADDRESS_SPACE = 4
COMMANDS_INSIDE = "/run/commands"


def find_program(name: str) -> str | None:
    """The path of one of this system's programs."""
    return shutil.which(name, path=_SEARCH)


def need_programs(*names: str) -> str | None:
    """Why these programs cannot be used, None when they are all there."""
    absent = [name for name in names if find_program(name) is None]
    return f"{', '.join(absent)} not found" if absent else None


def words_of(program: Program) -> list[str]:
    """The words that run the program.

    Raises:
        InvalidInput: it is too long.
        Unavailable: nothing on this system runs this language.
    """
    if len(program.text.encode()) > _LONGEST_BYTES:
        raise InvalidInput(f"A command or script has at most {_LONGEST_BYTES} bytes; put it into a file.")
    if "\0" in program.text:
        raise InvalidInput("A command or script holds no NUL character.")
    if program.language == "shell":
        return [find_program("bash") or "/bin/sh", "-c", program.text]
    python = system_python()
    if python is None:
        raise Unavailable("There is no Python in /usr on this system.", code="python_missing")
    return [python, "-c", program.text]


def system_python() -> str | None:
    """The Python that programs see, None when there is none below /usr."""
    found = find_program("python3")
    return found if found and Path(os.path.realpath(found)).is_relative_to("/usr") else None


def environment(*, home: str = HOME, temporary: str = "/tmp", commands: str | None = None) -> dict[str, str]:  # noqa: S108
    """All the environment that a program gets."""
    search = "/usr/local/bin:/usr/bin:/bin"
    return {
        "PATH": f"{commands}/bin:{search}" if commands else search,
        "HOME": home,
        "TMPDIR": temporary,
        "USER": "user",
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def limiting(limits: Limits) -> list[str]:
    """Words that put the program under its limits, weakest in time.

    For use inside: only the program's own processes are counted, and what makes the sandbox does not wait.
    """
    return [
        *(find_program("nice") or "nice", "-n", "19"),
        find_program("prlimit") or "prlimit",
        f"--cpu={limits.cpu_seconds}",
        f"--data={limits.memory_bytes}",
        f"--as={limits.memory_bytes * _MEMORY_PER_ADDRESS_SPACE}",
        f"--nproc={limits.processes}",
        f"--fsize={limits.file_bytes}",
        f"--nofile={limits.open_files}",
        "--core=0",
        "--memlock=65536",
        "--msgqueue=0",
        "--",
    ]


# First to go when memory is short.
EXPENDABLE = ("choom", "-n", "1000", "--")
STAGE_ROOT = "/mnt"
_STAGE = f'mount --bind -- "$1" {STAGE_ROOT} && mount --bind -- "$2" {STAGE_ROOT}/workspace && shift 2 && exec "$@"'


def staged(folder: Path, workspace: Path) -> list[str]:
    """Words that lay a run's folder and its workspace where everybody can go, in a mount namespace of their own.

    For a server that runs as root: the user that programs run as may not go through the server's folders.
    """
    unshare = ["unshare", "--mount", "--propagation", "private", "--"]
    return [*unshare, "/bin/sh", "-c", _STAGE, "stage", str(folder), str(workspace)]
