"""Processes are given a share of a core, with their children, and the control groups are gone afterwards."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bench.trust.shares import Hierarchy, NoShares, find, shares
from tests.e2e.index_state import child_processes

_V1 = """31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
33 31 0:30 / /sys/fs/cgroup/cpuacct rw - cgroup cgroup rw,cpuacct
34 31 0:31 / /sys/fs/cgroup/cpu,cpuset rw - cgroup cgroup rw,cpu,cpuset
35 31 0:32 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw"""
_V2 = "30 23 0:26 {root} /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"
_TREE = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
time.sleep(300)
"""


@contextmanager
def _process_with_a_child() -> Iterator[int]:
    with subprocess.Popen([sys.executable, "-c", _TREE]) as process:
        try:
            deadline = time.monotonic() + 60
            while not child_processes(process.pid):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            yield process.pid
        finally:
            for pid in child_processes(process.pid):
                subprocess.run(["kill", "-9", str(pid)], check=True)
            process.kill()


def _group(pid: int) -> Path:
    found = find(Path("/proc/self/mountinfo").read_text(), Path(f"/proc/{pid}/cgroup").read_text())
    return found.own


def test_the_older_hierarchy_that_bounds_processor_time_is_found_beside_the_newer() -> None:
    found = find(_V1, "4:cpu,cpuset:/jobs/7\n2:cpuacct:/\n0::/unit")
    top = Path("/sys/fs/cgroup/cpu,cpuset")
    assert found == Hierarchy(False, top, top / "jobs" / "7")


def test_a_container_that_sees_its_own_groups_only_is_at_their_top() -> None:
    top = Path("/sys/fs/cgroup")
    assert find(_V2.format(root="/"), "0::/user.slice/a.scope") == Hierarchy(
        True, top, top / "user.slice" / "a.scope"
    )
    assert find(_V2.format(root="/docker/a"), "0::/docker/a") == Hierarchy(True, top, top)
    assert find(_V2.format(root="/docker/a"), "0::/") == Hierarchy(True, top, top)


def test_a_system_without_control_groups_grants_no_shares() -> None:
    with pytest.raises(NoShares, match="no control groups"):
        find("23 1 8:1 / / rw - ext4 /dev/sda rw", "0::/")


def test_a_process_and_its_child_share_one_group_that_is_gone_afterwards() -> None:
    with _process_with_a_child() as pid:
        home = _group(pid)
        try:
            with shares(0.25) as given:
                given.give("one", pid)
                group = _group(pid)
                assert group != home
                assert all(_group(child) == group for child in child_processes(pid))
                assert "5000" in _quota(group)
        except NoShares as reason:
            pytest.skip(str(reason))
        assert not group.exists()
        assert _group(pid) == home


def _quota(group: Path) -> str:
    return next(
        group / name for name in ("cpu.max", "cpu.cfs_quota_us") if (group / name).exists()
    ).read_text()
