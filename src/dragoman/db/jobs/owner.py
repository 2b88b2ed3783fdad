"""Who runs a job, in a form that tells later whether that process still lives."""

import os
import uuid
from dataclasses import dataclass
from pathlib import Path

_FIELDS = 5
_START_FIELD = 19


@dataclass(frozen=True, slots=True)
class _Process:
    """``boot`` is new at each start of the machine, ``namespace`` tells containers apart."""

    boot: str
    namespace: str
    pid: int
    start: str


def process_owner() -> str:
    """A new name for a runner of this process: different for every runner, exact about the process.

    Reads a few lines of ``/proc``, so it is not for the event loop.
    """
    here = _process(os.getpid())
    if here is None:
        return uuid.uuid4().hex
    return f"{here.boot}/{here.namespace}/{here.pid}/{here.start}/{uuid.uuid4().hex[:8]}"


def is_dead(owner: str, *, one_machine: bool) -> bool:
    """Whether the owner's process is known to be gone; False when that cannot be told from here.

    ``one_machine``: only processes of this machine use the database, so another boot means it is gone.
    """
    parts = owner.split("/")
    here = _process(os.getpid())
    if len(parts) != _FIELDS or here is None:
        return False
    boot, namespace, pid, start, _ = parts
    if boot != here.boot:
        return one_machine
    if namespace != here.namespace or not pid.isdigit():
        return False
    there = _process(int(pid))
    return there is None or there.start != start


def _process(pid: int) -> _Process | None:
    """None when there is no such process, or no Linux to ask."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = os.readlink("/proc/self/ns/pid").strip("pid:[]")
        # The name of the program stands in brackets and may hold anything.
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    # A zombie runs nothing any more.
    if after_name[0] in ("Z", "X"):
        return None
    return _Process(boot, namespace, pid, after_name[_START_FIELD])
