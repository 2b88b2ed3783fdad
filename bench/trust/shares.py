"""Shares of a core for processes with all their children, as if each ran on a small machine of its own.

They are control groups of Linux: `cpu.max` of the one hierarchy (cgroup v2) or `cpu.cfs_quota_us` (cgroup v1).
"""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.index_state import child_processes

# Short, so that one who has used up its share waits for milliseconds and not for tenths of a second.
PERIOD_US = 20_000
# The kernel takes no smaller quota.
_LEAST_US = 1_000
_EMPTY_SECONDS = 10.0


class NoShares(Exception):
    """Why nobody can be given a share here."""


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """Where processor time is bounded. ``own`` is the group this process is in, ``top`` the uppermost one it can see."""

    unified: bool
    top: Path
    own: Path


def find(mounts: str, groups: str) -> Hierarchy:
    """The hierarchy that bounds processor time.

    Args:
        mounts: what `/proc/self/mountinfo` says.
        groups: what `/proc/self/cgroup` says.

    Raises:
        NoShares: there is none.
    """
    paths = {names: path for _, names, path in (line.split(":", 2) for line in groups.splitlines())}
    unified: Hierarchy | None = None
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        root, top = before.split()[3:5]
        kind, _, options = after.split()[:3]
        if kind == "cgroup" and "cpu" in options.split(","):
            path = next((path for names, path in paths.items() if "cpu" in names.split(",")), "/")
            return Hierarchy(False, Path(top), _folder(Path(top), root, path))
        if kind == "cgroup2":
            unified = Hierarchy(True, Path(top), _folder(Path(top), root, paths.get("", "/")))
    if unified is None:
        raise NoShares("no control groups are mounted")
    return unified


def _folder(top: Path, root: str, path: str) -> Path:
    """A group's folder; a mount may show only what is below one group of its host."""
    relative = os.path.relpath(path, root)
    return top if relative.startswith("..") else top / relative


class Shares:
    """Gives shares out; ``shares`` makes it. ``part`` is of one core."""

    def __init__(self, place: Path, home: Path, *, unified: bool, part: float, undo: ExitStack) -> None:
        self.part = part
        self._place = place
        self._home = home
        self._unified = unified
        self._undo = undo

    def give(self, name: str, pid: int) -> None:
        """Puts a process and the children it has into a group of its own; later ones are born into it."""
        group = self._place / f"dragoman-{os.getpid()}-{name}"
        group.mkdir()
        self._undo.callback(_dissolve, group, self._home)
        quota = max(_LEAST_US, round(self.part * PERIOD_US))
        if self._unified:
            group.joinpath("cpu.max").write_text(f"{quota} {PERIOD_US}")
        else:
            group.joinpath("cpu.cfs_period_us").write_text(str(PERIOD_US))
            group.joinpath("cpu.cfs_quota_us").write_text(str(quota))
        moved: set[int] = set()
        # A child may be born while the others move.
        while waiting := {pid, *child_processes(pid)} - moved:
            for one in waiting:
                _move(one, group)
            moved |= waiting


@contextmanager
def shares(part: float) -> Iterator[Shares]:
    """Shares of so much of one core, until the end of the context; then the groups are gone and nobody is bounded.

    Raises:
        NoShares: this system grants none to this process.
    """
    if os.name != "posix" or not Path("/proc/self/cgroup").exists():
        raise NoShares("only Linux has control groups")
    found = find(Path("/proc/self/mountinfo").read_text(), Path("/proc/self/cgroup").read_text())
    with ExitStack() as undo:
        try:
            place, home = _prepare(found, undo)
            trial = place / f"dragoman-{os.getpid()}"
            trial.mkdir()
            bounded = trial.joinpath("cpu.max" if found.unified else "cpu.cfs_quota_us").exists()
            trial.rmdir()
        except OSError as error:
            raise NoShares(f"control groups cannot be made here ({error.strerror})") from error
        if not bounded:
            raise NoShares("control groups here do not bound processor time")
        yield Shares(place, home, unified=found.unified, part=part, undo=undo)


def _prepare(found: Hierarchy, undo: ExitStack) -> tuple[Path, Path]:
    """The group to make others in, and the one this process is in meanwhile."""
    if not found.unified:
        return found.own, found.own
    for place in (found.own, found.top):
        if "cpu" in _words(place / "cgroup.subtree_control") and os.access(place, os.W_OK):
            return place, found.own
    if "cpu" not in _words(found.own / "cgroup.controllers"):
        raise NoShares("processor time is not delegated to this process's control group")
    # A group whose children are bounded may hold no process itself, so those it has go one level down.
    rest = found.own / f"dragoman-{os.getpid()}-rest"
    rest.mkdir()
    undo.callback(_dissolve, rest, found.own)
    for pid in _words(found.own / "cgroup.procs"):
        _move(int(pid), rest)
    control = found.own / "cgroup.subtree_control"
    control.write_text("+cpu")
    undo.callback(control.write_text, "-cpu")
    return found.own, rest


def _words(path: Path) -> list[str]:
    return path.read_text().split()


def _move(pid: int, group: Path) -> None:
    try:
        group.joinpath("cgroup.procs").write_text(str(pid))
    except ProcessLookupError:
        return  # it has ended


def _dissolve(group: Path, home: Path) -> None:
    """Whoever is left goes home; a group stays busy until the last of its dead are buried."""
    deadline = time.monotonic() + _EMPTY_SECONDS
    while True:
        for pid in _words(group / "cgroup.procs"):
            _move(int(pid), home)
        try:
            group.rmdir()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
