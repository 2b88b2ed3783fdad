"""What a running program uses up, looked at from outside. Everything blocks."""

import os
from collections.abc import Callable
from pathlib import Path

from dragoman.domain.sandbox.ports import Ending, Limits

_PROC = Path("/proc")


def children_of(pid: int) -> list[int]:
    """The processes that this one has started and not yet buried."""
    tasks = _PROC / str(pid) / "task"
    found: list[int] = []
    try:
        # Path.glob() would not do: it raises when the process is buried between its looks.
        for task in os.listdir(tasks):
            found.extend(int(child) for child in (tasks / task / "children").read_text().split())
    except OSError:
        pass  # it, or one of its threads, ended meanwhile
    return found


def tree_of(pid: int) -> list[int]:
    """The process and all below it that are there now."""
    found, waiting = list[int](), [pid]
    while waiting:
        one = waiting.pop()
        found.append(one)
        waiting.extend(children_of(one))
    return found


def memory_of(pid: int) -> int:
    """The bytes of memory that the process and all below it hold, files apart."""
    return sum(_held(one) for one in tree_of(pid))


def _held(pid: int) -> int:
    try:
        lines = (_PROC / str(pid) / "status").read_text().splitlines()
    except OSError:
        return 0  # it ended meanwhile
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith(("RssAnon:", "RssShmem:")))


def over_limit(pid: int, limits: Limits, used_bytes: Callable[[], int], allowed_bytes: int) -> Ending | None:
    """Which limit is broken now, None when all hold."""
    if memory_of(pid) > limits.memory_bytes:
        return "memory"
    return "workspace" if used_bytes() > allowed_bytes else None
