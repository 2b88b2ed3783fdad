"""A model provider that costs nearly nothing, and a load on servers; both are the programs of the gateway's benchmark."""

import json
import os
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.e2e.index_state import child_processes

_PROGRAMS = Path(__file__).resolve().parent.parent / "gateway"
MODEL = "plain"


class Upstream:
    """The provider as a process on one port, which may die and come back; a context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("upstream", "load"):
            subprocess.run(["cc", "-O2", "-o", folder / name, _PROGRAMS / f"{name}.c"], check=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def settings(self) -> dict[str, str]:
        """What makes a server know the provider."""
        prefix = "DRAGOMAN_MODELS__PROVIDERS__BENCH__"
        return {
            f"{prefix}BASE_URL": f"http://127.0.0.1:{self.port}/v1",
            f"{prefix}API_KEY": "sk-upstream",
            f"{prefix}MODELS": json.dumps([MODEL]),
            "DRAGOMAN_EGRESS__ALLOW": '["127.0.0.1"]',
            "DRAGOMAN_MODELS__LOCAL__ENABLED": "false",
        }

    def start(self) -> None:
        """Listens when it returns."""
        self._process = subprocess.Popen([self.folder / "upstream", str(self.port), "10", "10000"])
        until = time.monotonic() + 10
        while time.monotonic() < until:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise RuntimeError("the provider does not listen")

    def kill(self) -> None:
        """Nobody listens when it returns."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def load(self, ports: Sequence[int], key: str, *, seconds: float, connections: int) -> dict[str, float]:
        """Answers a second of all ports together, and the worst of their percentiles."""
        with ExitStack() as stack:
            running = [
                stack.enter_context(
                    subprocess.Popen(
                        [self.folder / "load", str(port), str(connections), str(seconds), MODEL, key],
                        stdout=subprocess.PIPE,
                    )
                )
                for port in ports
            ]
            found = [json.loads(one.communicate()[0]) for one in running]
        return {
            "rate": sum(one["answers"] / one["seconds"] for one in found),
            "errors": sum(one["errors"] for one in found),
            "p99_ms": max(one["latency_p99_ms"] for one in found),
        }

    def __enter__(self) -> "Upstream":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def resident_mb(pid: int) -> float:
    """Memory of a process that is its own, in MiB."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no such process")


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def idle_seconds() -> float:
    """How long this machine's cores have had nothing to do, all together, since it started."""
    idle, waits = Path("/proc/stat").read_text().partition("\n")[0].split()[4:6]
    return (int(idle) + int(waits)) / os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """Time on a processor of a process and of the children it has, from the scheduler's own account."""
    total = 0
    for one in {pid, *child_processes(pid)}:
        for task in Path(f"/proc/{one}/task").glob("*/schedstat"):
            try:
                total += int(task.read_text().split()[0])
            except (FileNotFoundError, ProcessLookupError):
                continue
    return total / 1e9
